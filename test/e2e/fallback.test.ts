// Protects: a task that spot keeps interrupting moves to the fallback group, and loses no attempt and no output.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { interruptionsPrefix } from '../../src/model/keys.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { runSpotWorker } from '../support/spot-worker.ts';
import { until } from '../support/until.ts';
import { type Ended, LEASE, Workspace } from '../support/workspace.ts';

const SPOT_WORKER = fileURLToPath(new URL('../fixtures/spot-worker.mjs', import.meta.url));

const TIMES = { BATCHCTL_TEST_LEASE_SECONDS: String(LEASE), BATCHCTL_TEST_NOTICE_SECONDS: '0.05' };

/** One task that runs until the file `go` is there; two interruptions, and the group `steady` takes it. */
const jobIn = (workspace: Workspace) => ({
  name: 'pricing',
  input: { split: { by: 'range', from: 1, to: 1 } },
  steps: [
    {
      name: 'price',
      attempts: 1,
      interruptions: 2,
      fallback: 'steady',
      run: `cd ${workspace.dir}; echo $BATCHCTL_ATTEMPT_NUMBER >>ran; touch running; until [ -e go ]; do sleep 0.05; done; cat`,
    },
  ],
});

describe('a task that spot keeps interrupting goes to the fallback group', () => {
  let workspace: Workspace;
  beforeEach(async () => {
    Object.assign(process.env, TIMES);
    workspace = new Workspace();
    workspace.write('job.json', jobIn(workspace));
  });
  afterEach(() => workspace.remove());

  /** A worker of a group whose machine is taken back while the task runs. */
  async function interrupted(group: string): Promise<void> {
    rmSync(workspace.path('running'), { force: true });
    await runSpotWorker(workspace.dir, group, () => undefined);
  }

  /** The same, killed at a point on the way. */
  async function killed(group: string, point: string): Promise<void> {
    rmSync(workspace.path('running'), { force: true });
    const child = spawn(process.execPath, ['--import', 'tsx', SPOT_WORKER, workspace.dir, group], {
      env: { ...process.env, ...TIMES, BATCHCTL_TEST_KILL: `${point}:1` },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    workspace.atEnd(async () => child.kill('SIGKILL'));
    const [said, [, signal]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    expect(signal, said).to.equal('SIGKILL');
  }

  async function backlogOf(group: string): Promise<number> {
    const platform = await workspace.platform();
    const { visible, leased, delayed } = await (await platform.queue(group)).backlog();
    return visible + leased + delayed;
  }

  async function marksOf(job: string): Promise<number> {
    let marks = 0;
    for await (const _ of (await workspace.platform()).store.keys(interruptionsPrefix(job, 'price'))) marks += 1;
    return marks;
  }

  const finish = (...groups: readonly string[]): Promise<Ended> => {
    workspace.write('go', '');
    return workspace.work({}, '--slots', '1', ...groups.flatMap((group) => ['--group', group]));
  };

  async function expectOnce(job: string): Promise<void> {
    const facts = await factsOf(await workspace.platform(), job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [] });
    expect(facts.outputs).to.deep.equal({ price: { 0: '1\n' } });
    expect(facts.counted).to.deep.equal({ price: 1 });
    // Each was the first attempt: an interruption spends none.
    expect([...new Set(workspace.lines('ran'))]).to.deep.equal(['1']);
    expect(await backlogOf('steady')).to.equal(0);
  }

  it('after as many interruptions as its step says, and spends no attempt', async () => {
    const job = await workspace.submit();
    await interrupted('default');
    expect([await backlogOf('default'), await backlogOf('steady'), await marksOf(job)]).to.deep.equal([1, 0, 1]);
    await interrupted('default');
    expect([await backlogOf('default'), await backlogOf('steady'), await marksOf(job)]).to.deep.equal([0, 1, 2]);
    const why = await workspace.run(['why', job, '--json']);
    const { causes } = JSON.parse(why.stdout) as {
      causes: readonly { readonly code: string; readonly title: string }[];
    };
    expect(causes.map(({ code, title }) => `${code} ${title}`)).to.deep.equal([
      'noWorker no worker serves group steady, and its size is 0 (manual)',
    ]);
    // Its own group has nothing left to wait for.
    const own = await workspace.work({}, '--slots', '1');
    expect(own.code, own.stderr).to.equal(0);
    const third = await finish('steady');
    expect(third.code, third.stderr).to.equal(0);
    expect(workspace.lines('ran')).to.have.length(3);
    await expectOnce(job);
    const { stdout } = await workspace.run(['tasks', job, '--task', 'price/0', '--json']);
    expect(stdout)
      .to.match(/"reason":"spot"/)
      .and.match(/"reason":"fallback"/);
  });

  it('and stays there: what is interrupted in the fallback group comes back to it, and no mark is left', async () => {
    const job = await workspace.submit();
    await interrupted('default');
    await interrupted('default');
    await interrupted('steady');
    expect([await backlogOf('default'), await backlogOf('steady'), await marksOf(job)]).to.deep.equal([0, 1, 2]);
    await finish('steady');
    await expectOnce(job);
  });

  it('but not when its worker dies without notice, as that leaves nothing to count', async () => {
    const job = await workspace.submit();
    const running = workspace.start(['worker', '--until-empty', '--slots', '1']);
    await until('the task runs', () => workspace.lines('ran').length > 0);
    running.child.kill('SIGKILL');
    await running.ended;
    expect(await marksOf(job)).to.equal(0);
    await finish('default');
    await expectOnce(job);
  });

  for (const [point, runs, steady] of [
    // Not counted: it is interrupted once more before it is handed over.
    ['before-interruption', 'counted once less', 0],
    ['interruption', 'handed over unrun', 0],
    ['handover', 'handed over twice', 1],
    ['ack', 'handed over', 1],
  ] as const) {
    it(`and when its worker is killed at ${point} it is ${runs}: nothing is lost, and its output is there once`, async () => {
      const job = await workspace.submit();
      await interrupted('default');
      await killed('default', point);
      expect(await backlogOf('steady')).to.equal(steady);
      expect(await marksOf(job)).to.equal(point === 'before-interruption' ? 1 : 2);
      const ended = await finish('default', 'steady');
      expect(ended.code, ended.stderr).to.equal(0);
      await expectOnce(job);
      expect(workspace.lines('ran')).to.have.length(3);
    });
  }

  it('but begins in its own group again when it is retried', async () => {
    const job = await workspace.submit();
    await interrupted('default');
    await interrupted('default');
    workspace.write('go', '');
    await workspace.run(['tasks', 'kill', job, 'price/0', '--fail']);
    await finish('steady');
    rmSync(workspace.path('go'));
    const retried = await workspace.run(['retry', job, '--task', 'price/0']);
    expect(retried.code, retried.stderr).to.equal(0);
    expect([await backlogOf('default'), await backlogOf('steady')]).to.deep.equal([1, 0]);
    await interrupted('default');
    expect([await backlogOf('default'), await backlogOf('steady')]).to.deep.equal([1, 0]);
    await finish('default');
    const facts = await factsOf(await workspace.platform(), job);
    expect(facts.outputs).to.deep.equal({ price: { 0: '1\n' } });
  });
});
