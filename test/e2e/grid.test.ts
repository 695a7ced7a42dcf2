// Protects: the local worker pool keeps its size, replaces killed workers at once, and redrives dead letters safely.
import { expect } from 'chai';
import { isSupervised } from '../../src/adapters/local/ensure-supervisor.ts';
import { forEachTest } from '../support/fixture.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

interface WorkerRow {
  readonly worker: string;
  readonly pid: number;
  readonly state: string;
}

describe('the workers of this machine', () => {
  // Leases longer than any test waits: what returns sooner was released.
  const here = forEachTest(() => Workspace.withLongLeases());
  afterEach(async () => {
    const supervised = (): boolean => isSupervised(here.path('.batchctl'), 'default');
    if (!supervised()) return;
    await here.run(['scale', '0']);
    await until('the supervisor has left', () => !supervised());
    await until('the workers have left', async () => (await up()).length === 0);
  });

  const up = async (): Promise<readonly WorkerRow[]> => {
    const { stdout } = await here.run(['workers', '--json']);
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as WorkerRow);
  };
  const upAre = (count: number) =>
    until(`${count} workers are up`, async () => {
      const rows = await up();
      return rows.length === count && rows;
    });
  const oneTask = (run: string): void =>
    here.write('job.json', {
      name: 'grid',
      input: { split: { by: 'range', from: 1, to: 1 } },
      steps: [{ name: 'only', run, attempts: 1 }],
    });
  const dead = async (): Promise<number> => {
    const { stdout } = await here.run(['queue', '--json']);
    return (JSON.parse(stdout) as { dead: number }).dead;
  };

  it('keeps as many workers running as scale says, replaces a killed one, and drains to zero', async () => {
    const scaled = await here.run(['scale', '2', '--slots', '1', '--json']);
    expect(scaled.code, scaled.stderr).to.equal(0);
    expect(JSON.parse(scaled.stdout)).to.include({ group: 'default', desired: 2, mode: 'manual', until: null });
    const [victim, other] = await upAre(2);
    const logOf = async (): Promise<string> => (await here.run(['workers', 'logs', victim?.worker ?? ''])).stdout;
    await until('its log is there', async () => (await logOf()).includes(`worker ${victim?.worker} starts`));
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    const now = await until('the killed one is replaced', async () => {
      const rows = await up();
      return rows.length === 2 && rows.every(({ worker }) => worker !== victim?.worker) && rows;
    });
    expect(now.map(({ worker }) => worker)).to.include(other?.worker);
    expect(await logOf())
      .to.include(`worker ${victim?.worker} starts`)
      .and.include('signal SIGKILL');
    await here.run(['scale', '0']);
    await upAre(0);
  });

  it("gives a killed worker's task to the next one at once, long before the lease expires", async () => {
    oneTask(`if mkdir '${here.path('first')}'; then echo $$ > '${here.path('began')}'; sleep 300; fi; echo done`);
    const job = await here.submit();
    await here.run(['scale', '1', '--slots', '1']);
    const [victim] = await upAre(1);
    await until('the task runs', () => here.lines('began').length > 0);
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    const waited = await here.run(['wait', job, '--timeout', '50s']);
    expect(waited.code, waited.stderr).to.equal(0);
  });

  it('raises an automatic group when a job is submitted, but never a manual one', async () => {
    oneTask('echo done');
    const manual = await here.run(['submit', 'job.json']);
    expect(manual.stderr).to.include('work on it: batchctl run grid-');
    expect(await up()).to.deep.equal([]);
    expect((await here.run(['scale', '--auto', '--max', '1'])).code).to.equal(0);
    const auto = await here.run(['submit', 'job.json']);
    expect(auto.stderr).to.include('group default: requested 1 worker (0 before)').and.not.include('work on it');
    await upAre(1);
    expect((await here.run(['scale', '1'])).code).to.equal(0);
    expect((await here.run(['submit', 'job.json'])).stderr, 'a worker is kept up').to.not.include('work on it');
  });

  it('drains one worker on request, and makes the group one smaller', async () => {
    // Workers look for orders as often as they extend leases.
    await here.run(['scale', '2', '--slots', '1'], { BATCHCTL_TEST_LEASE_SECONDS: '6' });
    const [first] = await upAre(2);
    const id = first?.worker ?? '';
    const told = await here.run(['workers', 'drain', id, '--json']);
    expect(JSON.parse(told.stdout)).to.deep.equal({ worker: id, order: 'drain', dryRun: false });
    await until('the group wants one', async () => {
      const { stdout } = await here.run(['scale', '--json']);
      return (JSON.parse(stdout) as { desired: number }).desired === 1;
    });
  });

  it('redrives malformed messages and tasks that failed for good, and runs each such task only once more', async () => {
    oneTask(`echo run >> '${here.path('runs')}'; test -e '${here.path('mended')}'`);
    const job = await here.submit();
    await here.work();
    expect(await dead()).to.equal(1);
    const queue = await (await here.platform()).queue('default');
    await queue.send([{ body: 'poison', tenant: 'nobody' }]);
    const [delivery] = await queue.receive({ max: 1, waitSeconds: 1 });
    if (delivery === undefined) throw new Error('nothing came');
    await queue.bury([{ delivery, reason: 'not JSON' }]);
    const tried = await here.run(['queue', 'redrive', '--dry-run', '--json']);
    expect(JSON.parse(tried.stdout)).to.include({ sent: 2, dryRun: true });
    expect(await dead()).to.equal(2);
    here.write('mended', '');
    const { stdout } = await here.run(['queue', 'redrive', '--json']);
    expect(JSON.parse(stdout)).to.deep.equal({
      group: 'default',
      sent: 2,
      retried: [{ job, round: 1, tasks: ['only/0'] }],
      left: [],
      dryRun: false,
    });
    expect(await dead()).to.equal(0);
    await here.work();
    expect((await here.run(['wait', job])).code).to.equal(0);
    expect(here.lines('runs')).to.have.length(2);
  });

  it('keeps the dead letter of a task that its gather continued without, and says why', async () => {
    here.write('job.json', {
      name: 'grid',
      input: { split: { by: 'range', from: 1, to: 2 } },
      steps: [
        { name: 'only', run: 'test "$BATCHCTL_TASK" != 0', attempts: 1 },
        { name: 'all', gather: true, run: 'cat' },
      ],
      tolerate: 1,
    });
    const job = await here.submit();
    await here.work();
    expect((await here.run(['wait', job])).code).to.equal(0);
    const { code, stdout, stderr } = await here.run(['queue', 'redrive', '--job', job]);
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: 'group default: sent 0 dead letters back\n' });
    expect(stderr).to.include(`1 dead letter of ${job} left: job ${job} has continued without only/0`);
    expect(stderr).to.include('too late to retry');
    expect(await dead()).to.equal(1);
  });
});
