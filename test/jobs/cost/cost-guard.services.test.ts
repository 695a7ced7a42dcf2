// Protects: a job or month that reaches its cost limit is paused, and no machine starts beyond it.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { resume } from '../../../src/jobs/change/lifecycle.ts';
import { guardCosts } from '../../../src/jobs/cost/cost-guard.ts';
import { machineAllowance } from '../../../src/jobs/cost/machine-allowance.ts';
import { recordBootTime } from '../../../src/jobs/grid/boots.ts';
import { raiseGroups } from '../../../src/jobs/grid/raise.ts';
import { readEntries, requireView } from '../../../src/jobs/journal.ts';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { LedgerWorker } from '../../../src/ports/ledger.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { BusyCostCheck } from '../../../src/worker/heartbeat.ts';
import type { AwsWorkspace } from '../../support/aws-workspace.ts';
import { addEntry } from '../../support/claims-job.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forSuite } from '../../support/fixture.ts';
import { startCloud } from '../../support/grid/cloud.ts';
import { rejection } from '../../support/rejection.ts';
import { makeScalingGroup, scalingWorkspace } from '../../support/scaling-group.ts';
import { until } from '../../support/until.ts';
import { whyJobFile } from '../../support/why-job.ts';

const MINUTE = 60_000;

describe('the guard of job costs', () => {
  const cloud = forSuite(startCloud);
  let workspace: AwsWorkspace;
  afterEach(() => workspace?.remove());

  /** Prices of a dollar a minute; `more` adds fields to the profile. */
  async function open(more: object = {}, flags: readonly string[] = []): Promise<{ platform: Platform; job: string }> {
    const groups = { default: { instances: ['c7g.large'], spot: false, visibility: '30s', slots: 2, max: 50 } };
    workspace = await scalingWorkspace(cloud, { groups, prices: { 'c7g.large': 60 }, ...more });
    await makeScalingGroup(cloud, workspace.stack, { max: 50 });
    workspace.write('job.json', whyJobFile(400, 'echo done'));
    await workspace.well('tick');
    const job = await workspace.submit('--no-scale', ...flags);
    return { platform: await workspace.platform(), job };
  }
  const view = (platform: Platform, job: string): Promise<JobView> => requireView(platform.store, job);
  /** A machine that has worked for this many minutes. */
  async function machine(platform: Platform, minutes: number, more: Partial<LedgerWorker> = {}): Promise<void> {
    const now = platform.clock.now();
    await (await platform.ledger()).heartbeat({
      ...{ worker: 'w-1', group: 'default', host: 'i-1', pid: 1, version: '1', state: 'gone', slots: 2, busy: [] },
      ...{ done: 0, failed: 0, startedAt: now - minutes * MINUTE + 90_000, seenAt: now },
      ...{ machine: { type: 'c7g.large', zone: 'us-east-1a', lifeCycle: 'on-demand' }, spent: {} },
      ...more,
    });
  }
  const pauses = async (platform: Platform, job: string) =>
    (await readEntries(platform.store, job)).flatMap((entry) => (entry.what === 'pause' ? [entry] : []));
  /** Data recorded with the job is older than the machine, so the machine's whole life counts. */
  const old = (seen: JobView): JobView => {
    const createdAt = new Date(Date.parse(seen.record.createdAt) - 60 * MINUTE).toISOString();
    return { ...seen, record: { ...seen.record, createdAt } };
  };

  it('pauses once, however many watchers look at the same moment', async () => {
    const { platform, job } = await open({}, ['--max-cost', '30']);
    await machine(platform, 31, { spent: { [job]: 600 } });
    const seen = old(await view(platform, job));
    const others = await Promise.all([1, 2, 3].map(() => workspace.platform()));
    const all = await Promise.all([platform, ...others].map((each) => guardCosts(each, [seen], { all: true })));
    for (const found of all) expect(found.map(({ paused }) => paused?.reason)).to.deep.equal(['budget']);
    const [first, ...more] = await pauses(platform, job);
    expect(more).to.deep.equal([]);
    expect(first?.detail).to.equal(
      'its limit of $30.00 is reached: $31.00 spent, and finishing the running tasks costs about $0.00',
    );
    expect((await (await platform.ledger()).job(job))?.state).to.equal('paused');
  });

  it('uses the limit at the moment of the pause, including one raised meanwhile', async () => {
    const { platform, job } = await open({}, ['--max-cost', '30']);
    await machine(platform, 31, { spent: { [job]: 600 } });
    const seen = old(await view(platform, job));
    await workspace.well('adjust', job, '--max-cost', '100');
    expect(await guardCosts(platform, [seen], { all: true })).to.deep.equal([]);
    expect(await pauses(platform, job)).to.deep.equal([]);
  });

  it('leaves a job alone that is below its limit, or whose tasks are all done', async () => {
    const { platform, job } = await open({}, ['--max-cost', '48']);
    await machine(platform, 31, { spent: { [job]: 600 } });
    expect(await guardCosts(platform, [old(await view(platform, job))], { all: true })).to.deep.equal([]);
    await machine(platform, 50, { spent: { [job]: 600 } });
    await (await platform.ledger()).recordExact(job, 0, [
      { step: 'price', done: 400, failed: 0, bytesIn: 0, bytesOut: 0, seconds: 400, counters: {} },
    ]);
    expect(await guardCosts(platform, [old(await view(platform, job))], { all: true })).to.deep.equal([]);
  });

  it('pauses a retry that is over its limit even if no task of its round has begun', async () => {
    const { platform, job } = await open({}, ['--max-cost', '30']);
    await machine(platform, 31, { spent: { [job]: 600 } });
    await (await platform.ledger()).recordExact(job, 0, [
      { step: 'price', done: 0, failed: 400, bytesIn: 0, bytesOut: 0, seconds: 0, counters: {} },
    ]);
    const retried = { what: 'retry', round: 1, tasks: { price: '0-399' }, canaries: null, overrides: {} } as const;
    const asked = old(await addEntry(platform, await view(platform, job), retried));
    const [paused] = await guardCosts(platform, [asked], { all: true });
    expect(paused?.paused?.reason).to.equal('budget');
  });

  it('reports a group that the profile no longer has, and does not stop the watcher’s round', async () => {
    const { platform, job } = await open({}, ['--max-cost', '30']);
    const gone = async (group: string): Promise<never> => {
      throw new BatchctlError('config', `there is no group ${group}`);
    };
    const broken: Platform = { ...platform, groups: ['other'], group: gone, queue: gone };
    const told: string[] = [];
    // Leases of zero length: missing tasks would be sent again at once.
    const watch = new JobWatcher(broken, 0, (about, error) => told.push(`${about}: ${(error as Error).message}`), {
      raises: 'waiting',
    });
    expect([...(await watch.round(true)).keys()]).to.deep.equal([job]);
    expect(told).to.deep.equal(Array.from({ length: 2 }, () => `${job}: there is no group default`));
  });

  it('includes the cost of letting running tasks end', async () => {
    const { platform, job } = await open({}, ['--max-cost', '40']);
    // One minute, as task durations are unknown, and two idle minutes: 3 dollars.
    await machine(platform, 36, { spent: { [job]: 600 }, state: 'busy', busy: [`${job}/price/1`] });
    expect(await guardCosts(platform, [old(await view(platform, job))], { all: true })).to.deep.equal([]);
    await machine(platform, 37.1, { spent: { [job]: 600 }, state: 'busy', busy: [`${job}/price/1`] });
    const [paused] = await guardCosts(platform, [old(await view(platform, job))], { all: true });
    expect(paused?.paused?.detail).to.match(/\$37\.\d\d spent, and finishing the running tasks costs about \$3\.00/);
  });

  it('runs in a busy worker once an hour if no other process looks', async () => {
    const { platform, job } = await open({}, ['--max-cost', '30']);
    await machine(platform, 31, { spent: { [job]: 600 } });
    const seen = old(await view(platform, job));
    const clock = new FakeClock(platform.clock.now());
    const costs = new BusyCostCheck({ ...platform, clock }, expect.fail, () => 0.5);
    cloud.takeCalls();
    clock.pass(1_799);
    await costs.round([seen]);
    expect([cloud.takeCalls(), await pauses(platform, job)]).to.deep.equal([[], []]);
    clock.pass(1);
    await costs.round([seen]);
    expect((await pauses(platform, job)).map(({ reason }) => reason)).to.deep.equal(['budget']);
  });

  it('pauses a job without machines if no further one can be started', async () => {
    const { platform, job } = await open({}, ['--max-cost', '40']);
    await machine(platform, 33, { spent: { [job]: 600 } });
    const [paused] = await guardCosts(platform, [old(await view(platform, job))], { all: true });
    expect(paused?.paused?.detail).to.equal(
      'its limit of $40.00 is too low for another instance: $33.00 spent, and one needs about $13.50',
    );
    const refused = await rejection(resume(platform, old(await view(platform, job))));
    expect(refused).to.include({
      kind: 'refused',
      hint: `batchctl adjust ${job} --max-cost N, then batchctl resume ${job}`,
    });
  });

  it('pauses a job whose tasks take longer than the remaining budget pays for, because no machine would ever start', async () => {
    const { platform, job } = await open({}, ['--max-cost', '100']);
    await machine(platform, 33, { spent: { [job]: 3_600 } });
    await (await platform.ledger()).recordExact(job, 0, [
      { step: 'price', done: 1, failed: 0, bytesIn: 0, bytesOut: 0, seconds: 3_600, counters: {} },
    ]);
    const seen = old(await view(platform, job));
    // Two tasks of an hour each, a boot and the idle time afterwards: 123.50.
    expect(await machineAllowance(platform, [seen], true)('default')).to.equal(0);
    const [paused] = await guardCosts(platform, [seen], { all: true });
    expect(paused?.paused?.detail).to.equal(
      'its limit of $100.00 is too low for another instance: $33.00 spent, and one needs about $123.50',
    );
    const refused = await rejection(resume(platform, old(await view(platform, job))));
    expect(refused.message).to.include('it needs about $123.50');
  });

  it('includes the time that the group’s machines need to boot', async () => {
    const { platform, job } = await open({}, ['--max-cost', '40']);
    const seen = await view(platform, job);
    expect(await machineAllowance(platform, [seen], true)('default')).to.equal(2);
    for (const n of [1, 2, 3]) await recordBootTime(platform.store, 'default', { instance: `i-${n}`, seconds: 600 });
    expect(await machineAllowance(platform, [seen], true)('default')).to.equal(1);
    const { stderr } = await workspace.run(['submit', 'job.json', '--max-cost', '20']);
    expect(stderr).to.include('idling cost about $22.00');
  });

  it('charges machines that have not worked yet to the jobs that share them, in parts', async () => {
    const { platform, job } = await open({}, ['--max-cost', '30']);
    const second = await workspace.submit('--no-scale');
    for (const n of [1, 2, 3, 4])
      await machine(platform, 10, { worker: `w-${n}`, host: `i-${n}`, state: 'idle', spent: {} });
    const both = [old(await view(platform, job)), old(await view(platform, second))];
    // 40 minutes and 8 idle ones, of which the job's share is 24 dollars.
    expect(await guardCosts(platform, both, { all: true })).to.deep.equal([]);
    const [paused] = await guardCosts(platform, both.slice(0, 1), { all: true });
    expect(paused?.paused?.detail).to.match(/\$40\.\d\d spent, and finishing the running tasks costs about \$8\.00/);
  });

  it('applies the profile’s limit only to a job without its own', async () => {
    const { platform, job } = await open({ budget: { job: 20 } });
    await machine(platform, 31, { spent: { [job]: 600 } });
    await workspace.well('adjust', job, '--max-cost', '90');
    expect(await guardCosts(platform, [old(await view(platform, job))], { all: true })).to.deep.equal([]);
    await workspace.well('adjust', job, '--max-cost', 'none');
    const [paused] = await guardCosts(platform, [old(await view(platform, job))], { all: true });
    expect(paused?.paused?.detail).to.include('its limit of $20.00');
  });

  it('pauses every job that has begun once the month’s budget is spent, busy or not, and refuses new ones', async () => {
    // A zone in which the month did not just begin.
    const now = new Date();
    const tz = now.getUTCDate() === 1 && now.getUTCHours() < 12 ? 'Etc/GMT+12' : 'UTC';
    const { platform, job } = await open({ tz, budget: { month: 100 } });
    const second = await workspace.submit('--no-scale');
    const later = await workspace.submit('--no-scale', '--at', 'in 6h');
    await machine(platform, 50);
    const watch = new JobWatcher(platform, platform.leaseSeconds, undefined, { raises: false });
    await watch.round();
    expect(await pauses(platform, job)).to.deep.equal([]);
    await machine(platform, 60, { worker: 'w-2', host: 'i-2', spent: { other: 5 } });
    await new JobWatcher(platform, platform.leaseSeconds, undefined, { raises: false }).round();
    for (const each of [job, second]) {
      const [pause] = await pauses(platform, each);
      expect(pause).to.include({ reason: 'budget' });
      expect(pause?.detail).to.include("the month's budget of $100.00 is reached: $110.");
    }
    expect(await pauses(platform, later)).to.deep.equal([]);
    for (const words of [
      ['submit', 'job.json'],
      ['run', 'job.json'],
      ['plan', 'job.json'],
      ['resume', job],
    ]) {
      const { code, stderr } = await workspace.run(words);
      expect(code, stderr).to.equal(7);
      expect(stderr).to.include("the month's budget of $100.00 is reached").and.include('budget.month');
    }
  });

  it('refuses a limit without a known price, and says what to configure', async () => {
    const groups = { default: { instances: ['c7g.large', 'm7g.large'], spot: false, visibility: '30s' } };
    workspace = await scalingWorkspace(cloud, { groups, prices: { 'c7g.large': 60 } });
    await makeScalingGroup(cloud, workspace.stack);
    workspace.write('job.json', whyJobFile(4, 'echo done'));
    await workspace.well('tick');
    for (const verb of ['submit', 'run', 'plan']) {
      const { code, stderr } = await workspace.run([verb, 'job.json', '--max-cost', '30']);
      expect(code, stderr).to.equal(7);
      expect(stderr).to.include('the price of m7g.large is unknown').and.include('"prices": { "m7g.large": USD }');
    }
    const job = await workspace.submit('--no-scale');
    const shown = JSON.parse((await workspace.well('status', job, '--json')).stdout);
    expect(shown).to.deep.include({ cost: 0, costProjected: null, costUnknown: ['m7g.large'], maxCost: null });
  });

  it('reports that a limit can’t be enforced when a price is missing, and pauses nothing for it', async () => {
    const { platform, job } = await open({}, ['--max-cost', '30']);
    const machineOf = { type: 'g5.xlarge', zone: 'us-east-1a', lifeCycle: 'on-demand' } as const;
    await machine(platform, 31, { spent: { [job]: 600 }, machine: machineOf });
    const told: string[] = [];
    await guardCosts(platform, [old(await view(platform, job))], {
      all: true,
      onTrouble: (_, { message }) => told.push(message),
    });
    expect(told).to.deep.equal(['the price of g5.xlarge is unknown, so no cost limit can be enforced']);
    expect(await pauses(platform, job)).to.deep.equal([]);
  });

  it('lets a group grow by no more than the remaining budget pays for', async () => {
    const { platform, job } = await open({}, ['--max-cost', '40']);
    const seen = await view(platform, job);
    // 400 tasks of a minute each on two slots would need 8 machines. Each costs at least 13.50.
    expect(await machineAllowance(platform, [seen], true)('default')).to.equal(2);
    const [raised] = await raiseGroups(platform, [seen], { fresh: true, all: true });
    expect(raised).to.deep.include({ outcome: 'raised', before: 0, unpaid: 6 });
    const watching = workspace.start(['watch', job]);
    await until('it says so', () => /needs \d instances, but the remaining budget pays for 2\n/.test(watching.said()));
    watching.child.kill('SIGINT');
    await watching.ended;
    expect(JSON.parse((await workspace.well('scale', '--json')).stdout)).to.include({ desired: 2 });
  });

  it('asks AWS for no machines or prices if there is no limit', async () => {
    const { platform, job } = await open();
    const seen = await view(platform, job);
    cloud.takeCalls();
    expect(await machineAllowance(platform, [seen], true)('default')).to.equal(Number.POSITIVE_INFINITY);
    await new JobWatcher(platform, platform.leaseSeconds, undefined, { raises: false }).guardCosts();
    expect(cloud.takeCalls()).to.deep.equal([]);
  });
});
