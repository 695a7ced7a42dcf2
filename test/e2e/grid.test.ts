// Protects: the local worker pool keeps its size, replaces killed workers at once, and redrives dead letters safely.
import { expect } from 'chai';
import { isSupervised } from '../../src/adapters/local/ensure-supervisor.ts';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';

interface WorkerRow {
  readonly worker: string;
  readonly pid: number;
  readonly state: string;
}

describe('the workers of this machine', () => {
  // Leases longer than any test waits: a task that returns sooner was released.
  const here = forEachTest(() => Workspace.withLongLeases());
  afterEach(async () => {
    const supervised = (): boolean => isSupervised(here.path('.batchctl'), 'default');
    if (!supervised()) return;
    await here.run(['scale', '0']);
    await until('the supervisor has left', () => !supervised());
    await until('the workers have left', async () => (await listWorkers()).length === 0);
  });

  const listWorkers = async (): Promise<readonly WorkerRow[]> => jsonLinesOf(await here.run(['workers', '--json']));
  const untilUp = (count: number) =>
    until(`${count} workers are up`, async () => {
      const rows = await listWorkers();
      return rows.length === count && rows;
    });
  const oneTask = (run: string): void =>
    here.write('job.json', rangeJob('grid', 1, { name: 'only', run, attempts: 1 }));
  const deadLetters = async (): Promise<number> => jsonOf(await here.run(['queue', '--json'])).dead;

  it('keeps as many workers running as scale says, replaces a killed one, and drains to zero', async () => {
    const scaled = jsonOf(await here.run(['scale', '2', '--slots', '1', '--json']));
    expect(scaled).to.include({ group: 'default', desired: 2, mode: 'manual', until: null });
    const [victim, other] = await untilUp(2);
    const logOf = async (): Promise<string> => (await here.run(['workers', 'logs', victim?.worker ?? ''])).stdout;
    await until('its log is there', async () => (await logOf()).includes(`worker ${victim?.worker} starts`));
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    const now = await until('the killed one is replaced', async () => {
      const rows = await listWorkers();
      return rows.length === 2 && rows.every(({ worker }) => worker !== victim?.worker) && rows;
    });
    expect(now.map(({ worker }) => worker)).to.include(other?.worker);
    expect(await logOf())
      .to.include(`worker ${victim?.worker} starts`)
      .and.include('signal SIGKILL');
    await here.run(['scale', '0']);
    await untilUp(0);
  });

  it("gives a killed worker's task to the next one at once, long before the lease expires", async () => {
    oneTask(`if mkdir '${here.path('first')}'; then echo $$ > '${here.path('began')}'; sleep 300; fi; echo done`);
    const job = await here.submit();
    await here.run(['scale', '1', '--slots', '1']);
    const [victim] = await untilUp(1);
    await until('the task runs', () => here.lines('began').length > 0);
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    expectExit(await here.run(['wait', job, '--timeout', '50s']));
  });

  it('raises an automatic group when a job is submitted, but never a manual one', async () => {
    oneTask('echo done');
    const manual = await here.run(['submit', 'job.json']);
    expect(manual.stderr).to.include('work on it: batchctl run grid-');
    expect(await listWorkers()).to.deep.equal([]);
    expectExit(await here.run(['scale', '--auto', '--max', '1']));
    const auto = await here.run(['submit', 'job.json']);
    expect(auto.stderr).to.include('group default: requested 1 worker (0 before)').and.not.include('work on it');
    await untilUp(1);
    expectExit(await here.run(['scale', '1']));
    expect((await here.run(['submit', 'job.json'])).stderr, 'a worker is kept up').to.not.include('work on it');
  });

  it('drains one worker on request, and makes the group one smaller', async () => {
    // Workers look for orders as often as they extend leases.
    await here.run(['scale', '2', '--slots', '1'], { BATCHCTL_TEST_LEASE_SECONDS: '6' });
    const [first] = await untilUp(2);
    const id = first?.worker ?? '';
    const drained = jsonOf(await here.run(['workers', 'drain', id, '--json']));
    expect(drained).to.deep.equal({ worker: id, order: 'drain', dryRun: false });
    await until('the desired size is 1', async () => jsonOf(await here.run(['scale', '--json'])).desired === 1);
  });

  it('redrives malformed messages and tasks that failed for good, and runs each such task only once more', async () => {
    oneTask(`echo run >> '${here.path('runs')}'; test -e '${here.path('fixed')}'`);
    const job = await here.submit();
    await here.work();
    expect(await deadLetters()).to.equal(1);
    const queue = await (await here.platform()).queue('default');
    await queue.send([{ body: 'poison', tenant: 'x' }]);
    const [delivery] = await queue.receive({ max: 1, waitSeconds: 1 });
    if (delivery === undefined) throw new Error('nothing came');
    await queue.bury([{ delivery, reason: 'not JSON' }]);
    const left = [{ job, tasks: ['only/0'], why: 'the job has failed', ifNamed: true }];
    const none = { group: 'default', sent: 1, jobs: [{ job: null, letters: 1 }], retried: [], left };
    expect(jsonOf(await here.run(['queue', 'redrive', '--dry-run', '--json']))).to.deep.equal({
      ...none,
      dryRun: true,
    });
    expect(await deadLetters()).to.equal(2);
    const unasked = expectExit(await here.run(['queue', 'redrive']), 7);
    expect(unasked.stderr).to.include('send back 1 dead letter of no job?');
    expect(await deadLetters()).to.equal(2);
    expect(jsonOf(await here.run(['queue', 'redrive', '--yes', '--json']))).to.deep.equal({ ...none, dryRun: false });
    expect(await deadLetters()).to.equal(1);
    here.write('fixed', '');
    const asked = expectExit(await here.run(['queue', 'redrive', '--job', job]), 7);
    expect(asked.stderr).to.include(`send back 1 dead letter of ${job}?`);
    expect(jsonOf(await here.run(['queue', 'redrive', '--job', job, '--yes', '--json']))).to.deep.equal({
      group: 'default',
      sent: 1,
      jobs: [{ job, letters: 1 }],
      retried: [{ job, round: 1, tasks: ['only/0'] }],
      left: [],
      dryRun: false,
    });
    expect(await deadLetters()).to.equal(0);
    await here.work();
    expectExit(await here.run(['wait', job]));
    expect(here.lines('runs')).to.have.length(2);
  });

  it('leaves dead letters of a job with a deadline, and of earlier rounds, unless the job is named', async () => {
    oneTask(`test -e '${here.path('fixed')}'`);
    const bury = async (job: string): Promise<void> => {
      const queue = await (await here.platform()).queue('default');
      const [delivery] = await queue.receive({ max: 1, waitSeconds: 5 });
      if (delivery === undefined) throw new Error(`nothing of ${job} came`);
      await queue.bury([{ delivery, reason: 'the archive is damaged' }]);
    };
    const bound = await here.submit('--finish-by', 'in 6h');
    await bury(bound);
    const job = await here.submit();
    const { stderr } = expectExit(await here.run(['queue', 'redrive', '--yes']));
    expect(stderr).to.include(
      `1 dead letter of ${bound} left (only/0): the job has a deadline; to send them back: batchctl queue redrive --job ${bound}`,
    );
    expect(await deadLetters()).to.equal(1);
    expectExit(await here.run(['queue', 'redrive', '--yes', '--job', bound]));
    expect(await deadLetters()).to.equal(0);
    // Both jobs fail, and one is retried: its letter is of the round before.
    await here.work();
    expectExit(await here.run(['retry', job]));
    const plan = jsonOf(await here.run(['queue', 'redrive', '--dry-run', '--json']));
    expect(plan).to.deep.include({ sent: 0, jobs: [] });
    const whys = plan.left.map((one: { job: string; why: string }) => [one.job, one.why]);
    expect(whys).to.deep.include([job, 'a later round has replaced it']);
  });

  it('keeps the dead letter of a task that its gather continued without, and says why', async () => {
    const job = await submitJob(here, {
      name: 'grid',
      input: { split: { by: 'range', from: 1, to: 2 } },
      steps: [
        { name: 'only', run: 'test "$BATCHCTL_TASK" != 0', attempts: 1 },
        { name: 'all', gather: true, run: 'cat' },
      ],
      tolerate: 1,
    });
    await here.work();
    expectExit(await here.run(['wait', job]));
    const { code, stdout, stderr } = await here.run(['queue', 'redrive', '--job', job, '--yes']);
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: 'group default: sent 0 dead letters back\n' });
    expect(stderr).to.include(`1 dead letter of ${job} left (only/0): job ${job} has continued without only/0`);
    expect(stderr).to.include('too late to retry').and.not.include('queue redrive --job');
    expect(await deadLetters()).to.equal(1);
  });
});
