// Protects: a task that runs twice at once publishes one output, and the late attempt damages nothing.
import { expect } from 'chai';
import { Gate } from '../../src/lib/wait.ts';
import { openedKey, outKey, stagedPrefix } from '../../src/model/keys.ts';
import { encodeMessage } from '../../src/model/message.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { CHAINS, CHAINS_OUTPUTS, CHAINS_RAN } from '../support/crash-jobs.ts';
import { forEachTest } from '../support/fixture.ts';
import { startInside } from '../support/inside-worker.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { wrapStore } from '../support/wrap-store.ts';

/** Sends messages as batchctl would, so that each is delivered once more. */
async function sendAgain(platform: Platform, job: string, tasks: readonly [string, number][]): Promise<void> {
  const queue = await platform.queue('default');
  await queue.send(tasks.map(([step, task]) => ({ body: encodeMessage({ job, step, task, round: 0 }), tenant: job })));
}

const FIRST: readonly [string, number][] = [0, 1, 2, 3].map((task) => ['twice', task]);

describe('twin attempts', () => {
  const workspace = forEachTest(() => new Workspace(undefined, 6));
  let platform: Platform;

  beforeEach(async () => {
    platform = await workspace.platform();
  });

  it('publishes every output once when messages are delivered twice at once, to two workers', async () => {
    workspace.write('job.json', CHAINS);
    const job = await workspace.submit();
    await sendAgain(platform, job, [...FIRST, ...FIRST]);
    const ends = await Promise.all([workspace.work({}, '--slots', '3'), workspace.work({}, '--slots', '3')]);
    expect(ends.map(({ code }) => code)).to.deep.equal([0, 0]);
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], counted: { twice: 4, more: 4, total: 1 } });
    expect(facts.outputs).to.deep.equal(CHAINS_OUTPUTS);
    expect(facts.journal).to.deep.equal(['sent', 'close']);
  });

  it('runs nothing and changes nothing when messages are delivered again after completion', async () => {
    workspace.write('job.json', CHAINS);
    const job = await workspace.submit();
    await workspace.work();
    const before = await factsOf(platform, job);
    await sendAgain(platform, job, [...FIRST, ['more', 2], ['total', 0]]);
    expect((await workspace.work()).code).to.equal(0);
    expect(await factsOf(platform, job)).to.deep.equal(before);
    expect([...workspace.lines('ran')].sort()).to.deep.equal(CHAINS_RAN);
  });

  it('a stopped worker whose leases expired loses to the worker that took the task over', async () => {
    workspace.write('job.json', oneTask('while [ ! -e "$HOME/go" ]; do sleep 0.02; done; echo $BATCHCTL_WORKER_ID'));
    const job = await workspace.submit();
    const first = workspace.start(['worker', '--slots', '1'], { BATCHCTL_SUPERVISED_ID: 'w-first' });
    await until('the first runs the command', () => workspace.lines('ran').length === 1);
    await workspace.freeze(first);
    const second = workspace.work({ BATCHCTL_SUPERVISED_ID: 'w-second' });
    await until('the second took it over', () => workspace.lines('ran').length === 2);
    workspace.write('go', '');
    const taken = await second;
    expect(taken.code, taken.stderr).to.equal(0);
    first.child.kill('SIGCONT');
    first.child.kill('SIGTERM');
    const late = await first.ended;
    expect(late.code, late.stderr).to.equal(0);
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], counted: { only: 1 }, journal: ['sent', 'close'] });
    expect(facts.outputs).to.deep.equal({ only: { 0: 'w-second\n' } });
  });

  it('late twins delete what they staged, and nothing else', async () => {
    workspace.write('job.json', oneTask('head -c 9000000 /dev/zero; echo $BATCHCTL_WORKER_ID'));
    const job = await workspace.submit();
    const [gate, door] = [new Gate(), new Gate()];
    const [mayPut, reached] = [gate.next(), door.next()];
    const slow = await workspace.platform('w-slow');
    const held = wrapStore(slow.store, {
      put: async (key, body, options) => {
        if (key === outKey(job, 'only', 0)) {
          door.open();
          await mayPut;
        }
        return slow.store.put(key, body, options);
      },
    });
    const late = startInside(workspace, { ...slow, store: held }, { slots: 1, untilEmpty: false });
    await reached;
    await sendAgain(platform, job, [['only', 0]]);
    const quick = startInside(workspace, await workspace.platform('w-quick'), { slots: 1, untilEmpty: false });
    await until('the twin published', () => platform.store.head(outKey(job, 'only', 0)));
    gate.open();
    await Promise.all([late.drain(), quick.drain()]);
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], counted: { only: 1 }, journal: ['sent', 'close'] });
    const staged: string[] = [];
    for await (const { key } of platform.store.list(stagedPrefix(job, 'only', 0, '').slice(0, -1))) staged.push(key);
    expect(staged).to.have.length(1);
    expect(facts.outputs.only?.[0]).to.equal('[9000008 bytes]');
  });

  for (const { when, tolerate, order, leftOut, states, total } of [
    {
      when: 'before the gather opened',
      tolerate: 1,
      order: ['go1', 'go0'],
      leftOut: '',
      states: ['succeeded'],
      total: '2\n',
    },
    {
      when: 'after the gather opened',
      tolerate: 1,
      order: ['go0', 'go1'],
      leftOut: '1',
      states: ['succeeded'],
      total: '1\n',
    },
    {
      when: 'after the job was closed as failed',
      tolerate: 0,
      order: ['go0', 'go1'],
      leftOut: '',
      states: ['failed', 'succeeded'],
      total: '2\n',
    },
  ]) {
    it(`ends a job as succeeded if a twin succeeds after its task failed for good, ${when}`, async () => {
      workspace.write('job.json', {
        name: 'late',
        tolerate,
        input: { split: { by: 'range', from: 0, to: 1 } },
        steps: [
          {
            name: 'only',
            attempts: 1,
            run: `cd ${workspace.dir}; echo $BATCHCTL_TASK >> ran; [ $BATCHCTL_WORKER_ID = w-slow ] || exit 1; while [ ! -e go$BATCHCTL_TASK ]; do sleep 0.02; done; echo fine`,
          },
          { name: 'total', gather: true, run: 'wc -l' },
        ],
      });
      const job = await workspace.submit();
      // As many slots as tasks, so it has no room to take the twin itself. No lease expires here.
      const slow = startInside(workspace, await workspace.platform('w-slow', 20), { slots: 2, untilEmpty: false });
      await until('both tasks run', () => workspace.lines('ran').length === 2);
      await sendAgain(platform, job, [['only', 1]]);
      const quick = startInside(workspace, await workspace.platform('w-quick'), { slots: 1, untilEmpty: false });
      await until('the twin failed for good', async () => (await factsOf(platform, job)).dead.length === 1);
      await quick.drain();
      const closes = async (): Promise<number> =>
        (await factsOf(platform, job)).journal.filter((what) => what === 'close').length;
      workspace.write(order[0] ?? '', '');
      if (order[0] === 'go1') await until('the late success', () => platform.store.head(outKey(job, 'only', 1)));
      else await until('the first close', async () => (await closes()) === 1);
      workspace.write(order[1] ?? '', '');
      await until(
        'the last close',
        async () => (await closes()) === states.length && (await platform.store.head(outKey(job, 'only', 1))),
      );
      await slow.drain();
      const facts = await factsOf(platform, job);
      expect(facts).to.deep.include({
        ...SUCCEEDED,
        outputs: { only: { 0: 'fine\n', 1: 'fine\n' }, total: { 0: total } },
      });
      const opens = leftOut === '' ? [] : ['open'];
      expect(facts.journal).to.deep.equal(['sent', ...opens, ...states.map(() => 'close')]);
      const opened = JSON.parse(
        new TextDecoder().decode((await platform.store.read(openedKey(job, 'total'))) ?? undefined),
      );
      expect(opened.leftOut).to.equal(leftOut);
    });
  }
});

/** One task that writes to the file `ran` when it runs. */
function oneTask(command: string): unknown {
  return {
    name: 'one',
    input: { split: { by: 'range', from: 1, to: 1 } },
    steps: [{ name: 'only', run: `echo run >> "$HOME/ran"; ${command}` }],
  };
}
