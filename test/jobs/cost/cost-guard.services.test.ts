// Protects: a job or month that reaches its cost limit is paused, and no machine starts beyond it.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { recordBootTime } from '../../../src/jobs/boots.ts';
import { resume } from '../../../src/jobs/change/lifecycle.ts';
import { guardCosts } from '../../../src/jobs/cost/cost-guard.ts';
import { machineAllowance } from '../../../src/jobs/cost/machine-allowance.ts';
import { raiseGroups } from '../../../src/jobs/grid/raise.ts';
import { readEntries, requireView } from '../../../src/jobs/journal.ts';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import type { LedgerWorker, StepCounts } from '../../../src/model/ledger/records.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { BusyCostCheck } from '../../../src/worker/heartbeat.ts';
import { worker } from '../../contracts/ledger-events.ts';
import { retryOf } from '../../model/job-of.ts';
import type { AwsWorkspace } from '../../support/aws-workspace.ts';
import { addEntry } from '../../support/claims-job.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forSuite } from '../../support/fixture.ts';
import { startCloud } from '../../support/grid/cloud.ts';
import { failsWith } from '../../support/rejection.ts';
import { createScalingGroup, scalingWorkspace } from '../../support/scaling-group.ts';
import { countsOf } from '../../support/step-counts.ts';
import { until } from '../../support/until.ts';
import { rangeJobFile } from '../../support/why-job.ts';

const MINUTE = 60_000;

describe('the guard of job costs', () => {
  const cloud = forSuite(startCloud);
  let workspace: AwsWorkspace;
  let platform: Platform;
  let job: string;
  afterEach(() => workspace?.remove());

  /** Makes a group whose machines cost a dollar a minute, and submits a job of 400 tasks. */
  async function submit(maxCost: number | null, profile: object = {}): Promise<void> {
    const groups = { default: { instances: ['c7g.large'], spot: false, visibility: '30s', slots: 2, max: 50 } };
    workspace = await scalingWorkspace(cloud, { groups, prices: { 'c7g.large': 60 }, ...profile });
    await createScalingGroup(cloud, workspace.stack, { max: 50 });
    workspace.write('job.json', rangeJobFile(400, 'echo done'));
    await workspace.runSuccessfully('tick');
    job = await workspace.submit('--no-scale', ...(maxCost === null ? [] : ['--max-cost', String(maxCost)]));
    // Machines cost nothing more while a test runs.
    platform = { ...(await workspace.platform()), clock: new FakeClock() };
  }
  const viewOf = (id = job): Promise<JobView> => requireView(platform.store, id);
  /** The same job an hour older. It is older than its machines, so that their whole lives count. */
  async function oldView(id = job): Promise<JobView> {
    const { record, ...view } = await viewOf(id);
    const createdAt = new Date(Date.parse(record.createdAt) - 60 * MINUTE).toISOString();
    return { ...view, record: { ...record, createdAt } };
  }
  /** Records a machine that has worked for this many minutes: on the job, unless fields say otherwise. */
  async function recordMachine(minutes: number, fields: Partial<LedgerWorker> = {}): Promise<void> {
    const now = platform.clock.now();
    const heartbeat = worker({
      host: 'i-1',
      state: 'gone',
      busy: [],
      startedAt: now - minutes * MINUTE + 90_000,
      seenAt: now,
      machine: { type: 'c7g.large', zone: 'us-east-1a', lifeCycle: 'on-demand' },
      spent: { [job]: 600 },
      ...fields,
    });
    await (await platform.ledger()).heartbeat(heartbeat);
  }
  const recordCounts = async (counts: Partial<StepCounts>) =>
    (await platform.ledger()).recordExact(job, 0, [countsOf('price', counts)]);
  /** The jobs that the guard pauses when it looks at some, by default at the job. */
  const guard = async (...views: readonly JobView[]) =>
    guardCosts(platform, views.length === 0 ? [await oldView()] : views, { all: true });
  /** Why the guard pauses the job; undefined if it doesn't. */
  const pauseDetail = async () => (await guard())[0]?.paused?.detail;
  const allowance = async (view: JobView) => machineAllowance(platform, [view], true)('default');
  const pauses = async (id = job) =>
    (await readEntries(platform.store, id)).flatMap((entry) => (entry.what === 'pause' ? [entry] : []));

  it('pauses once, however many watchers look at the same moment', async () => {
    await submit(30);
    await recordMachine(31);
    const view = await oldView();
    const others = await Promise.all([1, 2, 3].map(() => workspace.platform()));
    const all = await Promise.all([platform, ...others].map((each) => guardCosts(each, [view], { all: true })));
    for (const found of all) expect(found.map(({ paused }) => paused?.reason)).to.deep.equal(['budget']);
    const [first, ...further] = await pauses();
    expect(further).to.deep.equal([]);
    expect(first?.detail).to.equal(
      'its limit of $30.00 is reached: $31.00 spent, and finishing the running tasks costs about $0.00',
    );
    expect((await (await platform.ledger()).job(job))?.state).to.equal('paused');
  });

  it('uses the limit at the moment of the pause, including one raised meanwhile', async () => {
    await submit(30);
    await recordMachine(31);
    const before = await oldView();
    await workspace.runSuccessfully('adjust', job, '--max-cost', '100');
    expect(await guard(before)).to.deep.equal([]);
    expect(await pauses()).to.deep.equal([]);
  });

  it('does not pause a job that is below its limit, or whose tasks are all done', async () => {
    await submit(48);
    await recordMachine(31);
    expect(await guard()).to.deep.equal([]);
    await recordMachine(50);
    await recordCounts({ done: 400, seconds: 400 });
    expect(await guard()).to.deep.equal([]);
  });

  it('pauses a retry that is over its limit even if no task of its round has begun', async () => {
    await submit(30);
    await recordMachine(31);
    await recordCounts({ failed: 400 });
    await addEntry(platform, await viewOf(), retryOf(1, { price: '0-399' }));
    const [paused] = await guard();
    expect(paused?.paused?.reason).to.equal('budget');
  });

  it('reports a group that the profile no longer has, and does not stop the watcher’s round', async () => {
    await submit(30);
    const fail = (group: string) => Promise.reject(new BatchctlError('config', `there is no group ${group}`));
    const broken: Platform = { ...platform, groups: ['other'], group: fail, queue: fail };
    const troubles: string[] = [];
    const onTrouble = (of: string, error: unknown) => troubles.push(`${of}: ${(error as Error).message}`);
    // Leases of zero length: missing tasks would be sent again at once.
    const watcher = new JobWatcher(broken, 0, onTrouble, { raises: 'waiting' });
    expect([...(await watcher.round(true)).keys()]).to.deep.equal([job]);
    expect(troubles).to.deep.equal(Array(2).fill(`${job}: there is no group default`));
  });

  it('includes the cost of letting running tasks end', async () => {
    await submit(40);
    // One minute, as task durations are unknown, and two idle minutes: 3 dollars.
    await recordMachine(36, { state: 'busy', busy: [`${job}/price/1`] });
    expect(await guard()).to.deep.equal([]);
    await recordMachine(37.1, { state: 'busy', busy: [`${job}/price/1`] });
    expect(await pauseDetail()).to.include('$37.10 spent, and finishing the running tasks costs about $3.00');
  });

  it('runs in a busy worker once an hour if no other process looks', async () => {
    await submit(30);
    await recordMachine(31);
    const view = await oldView();
    const clock = new FakeClock(platform.clock.now());
    const costs = new BusyCostCheck({ ...platform, clock }, expect.fail, () => 0.5);
    cloud.takeCalls();
    clock.pass(1_799);
    await costs.round([view]);
    expect([cloud.takeCalls(), await pauses()]).to.deep.equal([[], []]);
    clock.pass(1);
    await costs.round([view]);
    expect((await pauses()).map(({ reason }) => reason)).to.deep.equal(['budget']);
  });

  it('pauses a job without machines if no further one can be started', async () => {
    await submit(40);
    await recordMachine(33);
    expect(await pauseDetail()).to.equal(
      'its limit of $40.00 is too low for another instance: $33.00 spent, and one needs about $13.50',
    );
    const { hint } = await failsWith('refused', resume(platform, await oldView()));
    expect(hint).to.equal(`batchctl adjust ${job} --max-cost N, then batchctl resume ${job}`);
  });

  it('pauses a job if its tasks take longer than the budget pays for, because no machine would ever start', async () => {
    await submit(100);
    await recordMachine(33, { spent: { [job]: 3_600 } });
    await recordCounts({ done: 1, seconds: 3_600 });
    // Two tasks of an hour each, a boot and the idle time afterwards: 123.50.
    expect(await allowance(await oldView())).to.equal(0);
    expect(await pauseDetail()).to.equal(
      'its limit of $100.00 is too low for another instance: $33.00 spent, and one needs about $123.50',
    );
    const { message } = await failsWith('refused', resume(platform, await oldView()));
    expect(message).to.include('it needs about $123.50');
  });

  it('includes the time that the group’s machines need to boot', async () => {
    await submit(40);
    expect(await allowance(await viewOf())).to.equal(2);
    for (const n of [1, 2, 3]) await recordBootTime(platform.store, 'default', { instance: `i-${n}`, seconds: 600 });
    expect(await allowance(await viewOf())).to.equal(1);
    const { stderr } = await workspace.run(['submit', 'job.json', '--max-cost', '20']);
    expect(stderr).to.include('idling cost about $22.00');
  });

  it('charges machines that have not worked yet to the jobs that share them, in parts', async () => {
    await submit(30);
    const second = await workspace.submit('--no-scale');
    for (const n of [1, 2, 3, 4])
      await recordMachine(10, { worker: `w-${n}`, host: `i-${n}`, state: 'idle', spent: {} });
    // 40 minutes and 8 idle ones, of which the job's share is 24 dollars.
    expect(await guard(await oldView(), await oldView(second))).to.deep.equal([]);
    expect(await pauseDetail()).to.include('$40.00 spent, and finishing the running tasks costs about $8.00');
  });

  it('applies the profile’s limit only to a job without its own', async () => {
    await submit(null, { budget: { job: 20 } });
    await recordMachine(31);
    await workspace.runSuccessfully('adjust', job, '--max-cost', '90');
    expect(await guard()).to.deep.equal([]);
    await workspace.runSuccessfully('adjust', job, '--max-cost', 'none');
    expect(await pauseDetail()).to.include('its limit of $20.00');
  });

  it('pauses every job that has begun once the month’s budget is spent, busy or not, and refuses new ones', async () => {
    // A zone in which the month did not just begin.
    const now = new Date();
    const tz = now.getUTCDate() === 1 && now.getUTCHours() < 12 ? 'Etc/GMT+12' : 'UTC';
    await submit(null, { tz, budget: { month: 100 } });
    const second = await workspace.submit('--no-scale');
    const later = await workspace.submit('--no-scale', '--at', 'in 6h');
    await recordMachine(50, { spent: {} });
    const watch = () => new JobWatcher(platform, platform.leaseSeconds, undefined, { raises: false }).round();
    await watch();
    expect(await pauses()).to.deep.equal([]);
    await recordMachine(60, { worker: 'w-2', host: 'i-2', spent: { other: 5 } });
    await watch();
    for (const id of [job, second]) {
      const [pause] = await pauses(id);
      expect(pause).to.include({ reason: 'budget' });
      expect(pause?.detail).to.include("the month's budget of $100.00 is reached: $110.");
    }
    expect(await pauses(later)).to.deep.equal([]);
    for (const line of ['submit job.json', 'run job.json', 'plan job.json', `resume ${job}`]) {
      const { code, stderr } = await workspace.run(line.split(' '));
      expect(code, stderr).to.equal(7);
      expect(stderr).to.include("the month's budget of $100.00 is reached").and.include('budget.month');
    }
  });

  it('refuses a limit without a known price, and says what to configure', async () => {
    const groups = { default: { instances: ['c7g.large', 'm7g.large'], spot: false, visibility: '30s' } };
    workspace = await scalingWorkspace(cloud, { groups, prices: { 'c7g.large': 60 } });
    await createScalingGroup(cloud, workspace.stack);
    workspace.write('job.json', rangeJobFile(4, 'echo done'));
    await workspace.runSuccessfully('tick');
    for (const verb of ['submit', 'run', 'plan']) {
      const { code, stderr } = await workspace.run([verb, 'job.json', '--max-cost', '30']);
      expect(code, stderr).to.equal(7);
      expect(stderr).to.include('the price of m7g.large is unknown').and.include('"prices": { "m7g.large": USD }');
    }
    const status = JSON.parse(
      (await workspace.runSuccessfully('status', await workspace.submit('--no-scale'), '--json')).stdout,
    );
    expect(status).to.deep.include({ cost: 0, costProjected: null, costUnknown: ['m7g.large'], maxCost: null });
  });

  it('reports that a limit can’t be enforced when a price is missing, and pauses nothing for it', async () => {
    await submit(30);
    await recordMachine(31, { machine: { type: 'g5.xlarge', zone: 'us-east-1a', lifeCycle: 'on-demand' } });
    const troubles: string[] = [];
    const onTrouble = (_: string, { message }: Error) => void troubles.push(message);
    await guardCosts(platform, [await oldView()], { all: true, onTrouble });
    expect(troubles).to.deep.equal(['the price of g5.xlarge is unknown, so no cost limit can be enforced']);
    expect(await pauses()).to.deep.equal([]);
  });

  it('raises a group by no more machines than the remaining budget pays for', async () => {
    await submit(40);
    const view = await viewOf();
    // 400 tasks of a minute each on two slots would need 8 machines. Each costs at least 13.50.
    expect(await allowance(view)).to.equal(2);
    const [raised] = await raiseGroups(platform, [view], { fresh: true, all: true });
    expect(raised).to.deep.include({ outcome: 'raised', before: 0, unpaid: 6 });
    // The two that boot have used up what is left.
    const [again] = await raiseGroups(platform, [view], { fresh: true, all: true });
    expect(again).to.deep.include({ outcome: 'enough', unpaid: 5 });
    const watching = workspace.start(['watch', job]);
    const reason = /needs \d instances, but the remaining budget pays for 2\n/;
    await until('the watcher says so', () => reason.test(watching.printed()));
    watching.child.kill('SIGINT');
    await watching.ended;
    expect(JSON.parse((await workspace.runSuccessfully('scale', '--json')).stdout)).to.include({ desired: 2 });
  });

  it("raises a group by no more machines than the month's budget pays for, although the job has no limit", async () => {
    await submit(null, { budget: { month: 40 } });
    const view = await viewOf();
    const [raised] = await raiseGroups(platform, [view], { fresh: true, all: true });
    expect(raised).to.deep.include({ outcome: 'raised', before: 0, unpaid: 6 });
    expect(JSON.parse((await workspace.runSuccessfully('scale', '--json')).stdout)).to.include({ desired: 2 });
  });

  it('asks AWS for no machines or prices if there is no limit', async () => {
    await submit(null);
    const view = await viewOf();
    cloud.takeCalls();
    expect(await allowance(view)).to.equal(Number.POSITIVE_INFINITY);
    await new JobWatcher(platform, platform.leaseSeconds, undefined, { raises: false }).guardCosts();
    expect(cloud.takeCalls()).to.deep.equal([]);
  });
});
