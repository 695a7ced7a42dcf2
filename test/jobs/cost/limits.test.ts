// Protects: limits count what was spent, what still has to be paid and what another machine costs, neither more nor less.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { costOfForecast, requireResumeAffordable, requireWithinBudget } from '../../../src/jobs/cost/affordable.ts';
import { CostGuard, guardCosts } from '../../../src/jobs/cost/cost-guard.ts';
import { machineAllowance } from '../../../src/jobs/cost/machine-allowance.ts';
import { readStandings } from '../../../src/jobs/cost/standings.ts';
import { CostReader } from '../../../src/jobs/cost/status-cost.ts';
import { append, readEntries } from '../../../src/jobs/journal.ts';
import { recordView } from '../../../src/jobs/record-view.ts';
import type { JobView } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { countsOf } from '../../support/step-counts.ts';
import { type Group, MINUTE, NOW, PricedGroups, shown } from './priced-groups.ts';

/** A machine costs a dollar a minute: 1.50 to boot, 2 to idle, and 10 for the work that makes it worth its start. */
const PRICED = { default: { usd: 60 } };
const UNKNOWN = { default: { usd: null } };
const of = (group: string): string => `{ name: price, run: [cat], group: ${group} }`;

/** A submission's limits and what it is expected to cost, US dollars; its steps, and the groups that there are. */
interface Submitted {
  readonly month?: number;
  readonly job?: number;
  readonly maxCost?: number;
  readonly expected?: number;
  readonly groups?: Readonly<Record<string, Group>>;
  readonly steps?: string;
}

describe('the machines that limits allow', () => {
  const world = forEachTest(() => PricedGroups.open());
  const allowed = (groups: Readonly<Record<string, Group>>, month: number | null, ...views: readonly JobView[]) =>
    machineAllowance(world.platform(groups, { month }), views, true)('default');

  it('are those that the jobs of the group can pay together', async () => {
    const [one, two] = [await world.job('one', { maxCost: 27 }), await world.job('two', { maxCost: 40 })];
    expect(await allowed(PRICED, null, one)).to.equal(2);
    expect(await allowed(PRICED, null, one, two)).to.equal(4);
    const elsewhere = await world.job('three', { maxCost: 270, steps: of('gpu') });
    expect(await allowed({ ...PRICED, gpu: { usd: 6 } }, null, one, elsewhere)).to.equal(2);
  });

  it('are any number if one of its jobs has no limit, unless the month has', async () => {
    const views = [await world.job('one', { maxCost: 27 }), await world.job('two')];
    expect(await allowed(PRICED, null, ...views)).to.equal(Number.POSITIVE_INFINITY);
    expect(await allowed(PRICED, 54, ...views)).to.equal(4);
  });

  it('are none if a price is unknown, and any number if the machines cost nothing', async () => {
    const one = await world.job('one', { maxCost: 27 });
    expect(await allowed(UNKNOWN, null, one)).to.equal(0);
    expect(await allowed({ default: {}, gpu: { usd: 60 } }, 10, one)).to.be.greaterThan(1_000);
  });

  it('are fewer by those that boot, for a job and for the month', async () => {
    const view = await world.job('one', { maxCost: 64 });
    for (const [group, job, month] of [
      [{}, 4, 4],
      [{ desired: 1 }, 3, 3],
      [{ pending: 2 }, 2, 2],
      [{ inService: 1, pending: 1 }, 2, 2],
      [{ desired: 2, inService: 1 }, 2, 2],
    ] as const) {
      const groups = { default: { usd: 60, ...group } };
      expect(await allowed(groups, null, view), JSON.stringify(group)).to.equal(job);
      expect(await allowed(groups, 64, { ...view, maxCost: null }), JSON.stringify(group)).to.equal(month);
    }
  });

  it('are not fewer by one whose worker is up, but by one whose worker is gone', async () => {
    const view = await world.job('one', { maxCost: 64 });
    const groups = { default: { usd: 60, desired: 1 } };
    await world.machine(0, view, { state: 'gone' });
    expect(await allowed(groups, null, view)).to.equal(3);
    await world.machine(0, view, { state: 'idle', group: 'gpu', host: 'i-2' });
    expect(await allowed(groups, null, view), 'another group').to.equal(3);
    await world.machine(0, view, { state: 'idle' });
    expect(await allowed(groups, null, view)).to.equal(4);
  });

  it('are fewer for long tasks: of the step that takes longest, not of all', async () => {
    const view = await world.job('one', {
      maxCost: 130,
      steps: '{ name: a, run: [cat] }, { name: b, run: [cat] }',
    });
    await world.counts(view, { done: 3, seconds: 180 }, { done: 2, seconds: 7_200 });
    // An hour a task, two tasks, booting and idling: 123.50.
    expect(await allowed(PRICED, null, view)).to.equal(1);
    expect(await allowed(PRICED, 130, { ...view, maxCost: null }), 'the month does not count them').to.equal(9);
  });
});

describe('the machines that limits allow beside jobs that are not given', () => {
  const world = forEachTest(() => PricedGroups.open());

  it('include those that the others can pay', async () => {
    const [one] = [await world.job('one'), await world.job('two')];
    expect(await machineAllowance(world.platform(PRICED, { job: 27 }), [one], false)('default')).to.equal(4);
    expect(await machineAllowance(world.platform(PRICED, { job: 27 }), [one], true)('default')).to.equal(2);
  });
});

describe('the expected cost of a job', () => {
  const world = forEachTest(() => PricedGroups.open());

  it('is that of its work, and of booting and idling a machine; null without a price', async () => {
    const { record } = await world.job('one');
    const known = (expected: number) => ({ low: expected, expected, high: expected });
    const forecast = { steps: [{ name: 'price', tasks: known(6), taskSeconds: known(60), bytesOut: known(0) }] };
    const cost = (of: Group) => costOfForecast(world.platform({ default: of }), record.spec, forecast);
    expect(await cost({ usd: 60 })).to.equal(9.5);
    expect(await cost({ usd: 60, slots: 2 })).to.equal(6.5);
    expect(await cost({ usd: null })).to.equal(null);
    expect(await cost({})).to.equal(null);
  });
});

describe('costs compared with limits', () => {
  const world = forEachTest(() => PricedGroups.open());

  it("are the month's machines of all groups, from its first day on, whatever the jobs", async () => {
    const view = await world.job('one', { minutes: 5 });
    const groups = { ...PRICED, gpu: { usd: 120 } };
    await world.machine(30, null, { seenAt: NOW - 15 * 86_400_000 });
    await world.machine(30, null, { seenAt: NOW - 25 * 86_400_000, host: 'i-2' });
    const machine = { type: 'of-gpu', zone: 'a', lifeCycle: 'on-demand', launchedAt: NOW - 10 * MINUTE } as const;
    await world.machine(10, null, { group: 'gpu', host: 'i-3', machine });
    const standings = await readStandings(world.platform(groups, { month: 100 }), [view]);
    expect(shown(standings?.month)).to.deep.equal({ limit: 100, soFar: 50, draining: 0 });
    expect(standings?.jobs.size).to.equal(0);
  });

  it("include spot machines of types that the group doesn't launch any more", async () => {
    const view = await world.job('one', { maxCost: 50 });
    const machine = { type: 'former', zone: 'a', lifeCycle: 'spot', launchedAt: NOW - 10 * MINUTE } as const;
    await world.machine(10, view, { machine });
    const standings = await readStandings(world.platform({ default: { usd: 60, lifeCycle: 'spot' } }), [view]);
    expect(shown(standings?.jobs.get(view.record.job))).to.deep.equal({ limit: 50, soFar: 10, draining: 0 });
  });

  it('include what is still to be paid: all of it for the month, its own part for a job', async () => {
    const [one, two] = [await world.job('one', { maxCost: 50 }), await world.job('two')];
    const busy = [`${one.record.job}/price/0`, `${two.record.job}/price/1`];
    await world.machine(0, one, { state: 'busy', busy });
    await world.machine(0, one, { state: 'idle', host: 'i-2' });
    const standings = await readStandings(world.platform(PRICED, { month: 100 }), [one, two]);
    // A task takes a minute, as long as nothing is known; then its machine idles for two. The other one idles.
    expect(shown(standings?.month)).to.include({ draining: 5 });
    expect(shown(standings?.jobs.get(one.record.job))).to.include({ draining: 2.5 });
    await world.counts(one, { done: 2, seconds: 1_200 });
    const later = await readStandings(world.platform(PRICED, { month: 100 }), [one, two]);
    expect(shown(later?.month)).to.include({ draining: 14 });
  });

  it('are unknown, with the types, as long as a price is missing', async () => {
    const view = await world.job('one', { maxCost: 50 });
    const standings = await readStandings(world.platform({ default: { usd: null, desired: 1 } }, { month: 9 }), [view]);
    for (const standing of [standings?.month, standings?.jobs.get(view.record.job)])
      expect(standing).to.have.property('unknown').that.deep.equals(['of-default']);
  });

  it("use the job's own limit before the profile's", async () => {
    const [own, other] = [await world.job('one', { maxCost: 50 }), await world.job('two')];
    const standings = await readStandings(world.platform(PRICED, { job: 20 }), [own, other]);
    const limits = [own, other].map(({ record }) => shown(standings?.jobs.get(record.job)));
    expect(limits).to.deep.equal([50, 20].map((limit) => ({ limit, soFar: 0, draining: 0 })));
  });
});

describe('a submission', () => {
  const world = forEachTest(() => PricedGroups.open());
  const TWO = { default: { usd: 6 }, gpu: { usd: 120 } };
  const BOTH = '{ name: a, run: [cat] }, { name: b, run: [cat], group: gpu }';
  const rows: readonly (readonly [string, boolean, Submitted])[] = [
    ['a limit of exactly one machine passes', true, { maxCost: 13.5 }],
    ['a limit below one machine is refused', false, { maxCost: 13.49 }],
    ['a limit of exactly the expected cost passes', true, { maxCost: 20, expected: 20 }],
    ['a limit below the expected cost is refused', false, { maxCost: 20, expected: 20.01 }],
    ['a limit that only the cheaper group fits is refused', false, { maxCost: 20, groups: TWO, steps: BOTH }],
    ['a limit that both groups fit passes', true, { maxCost: 27, groups: TWO, steps: BOTH }],
    ['a month with exactly one machine left passes', true, { month: 13.5 }],
    ['a month with less than one machine left is refused', false, { month: 13.49 }],
    ['a month with less than the expected cost left is refused', false, { month: 100, expected: 101 }],
    ["the profile's limit counts without its own", false, { job: 13 }],
    ['its own limit counts before that', true, { job: 13, maxCost: 14 }],
    [
      'a missing price in any of its groups is refused',
      false,
      { month: 100, groups: { ...PRICED, gpu: { usd: null } }, steps: BOTH },
    ],
    ['a missing price without a limit passes', true, { groups: UNKNOWN }],
    ['a group that costs nothing passes', true, { maxCost: 0.01, groups: { default: {} } }],
  ];
  for (const [title, passes, row] of rows) {
    it(title, async () => {
      const { groups = PRICED, month = null, job = null, maxCost = null, expected = null, steps } = row;
      const { record } = await world.job('one', steps === undefined ? {} : { steps });
      await world.platform(groups).store.delete([`open/${record.job}.0`]);
      const check = requireWithinBudget(world.platform(groups, { month, job }), {
        spec: record.spec,
        maxCost,
        expected,
      });
      if (passes) await check;
      else await failsWith('refused', check);
    });
  }

  it('is refused while the spending of the month is unknown', async () => {
    const { record } = await world.job('one');
    const machine = { type: 'unpriced', zone: 'a', lifeCycle: 'on-demand', launchedAt: NOW - MINUTE } as const;
    await world.machine(1, null, { machine });
    const check = requireWithinBudget(world.platform(PRICED, { month: 100 }), {
      spec: record.spec,
      maxCost: null,
      expected: null,
    });
    expect((await failsWith('refused', check)).message).to.include('the price of unpriced is unknown');
  });

  it('leaves of the month what the running tasks of other jobs still cost; so does the resumption of a job', async () => {
    const { record, ...view } = await world.job('one');
    const platform = (month: number) => world.platform(PRICED, { month });
    await platform(0).store.delete([`open/${record.job}.0`]);
    const other = await world.job('two');
    await world.counts(other, { done: 2, seconds: 1_200 });
    await world.machine(0, other, { state: 'busy', busy: [`${other.record.job}/price/0`] });
    // Ten minutes for the task and two to idle, and then a machine for this job.
    for (const act of [
      (month: number) => requireWithinBudget(platform(month), { spec: record.spec, maxCost: null, expected: null }),
      (month: number) => requireResumeAffordable(platform(month), { ...view, record }),
    ]) {
      await act(12 + 13.5);
      await failsWith('refused', act(12 + 13.4));
    }
  });

  it('of a paused job again needs a machine: for two of its tasks by its own limit, for any by the month', async () => {
    const view = await world.job('one');
    await world.counts(view, { done: 1, seconds: 3_600 });
    const resume = (maxCost: number | null, month: number | null) =>
      requireResumeAffordable(world.platform(PRICED, { month }), { ...view, maxCost });
    await resume(123.5, null);
    await failsWith('refused', resume(123, null));
    await resume(null, 13.5);
    await failsWith('refused', resume(null, 13));
  });
});

describe('the guard of costs', () => {
  const world = forEachTest(() => PricedGroups.open());
  const pauses = async (
    platform: Parameters<typeof guardCosts>[0],
    views: Parameters<typeof guardCosts>[1],
    all = true,
  ) => (await guardCosts(platform, views, { all })).map(({ paused }) => paused?.detail ?? '');

  it('looks once a minute', async () => {
    const view = await world.job('one', { maxCost: 30 });
    const guard = new CostGuard(world.platform(PRICED), expect.fail);
    expect(await guard.round([view], true)).to.deep.equal([]);
    await world.machine(31, view);
    world.clock.pass(59);
    expect(await guard.round([view], true)).to.deep.equal([]);
    world.clock.pass(1);
    expect(await guard.round([view], true)).to.have.length(1);
  });

  it('pauses other jobs too, unless it is told that none runs; running tasks may end', async () => {
    const [one, two] = [await world.job('one'), await world.job('two')];
    await world.machine(31, null);
    const platform = world.platform(PRICED, { month: 30 });
    expect(await pauses(platform, [one], false)).to.have.length(2);
    const after = await guardCosts(platform, [two], { all: true });
    expect(after.map(({ paused }) => paused)).to.have.length(1);
    expect(after[0]?.paused).to.include({ reason: 'budget', now: false });
  });

  it('counts no part of the costs for a job that was stopped, whether it is given or found', async () => {
    const [one, two] = [await world.job('one', { maxCost: 30 }), await world.job('two')];
    await world.machine(31, null);
    const platform = world.platform(PRICED);
    expect(await pauses(platform, [one], false), 'shared by two').to.deep.equal([]);
    const { view: stopped } = await append(platform, two, () => ({ what: 'stop', cause: 'price/0' }));
    expect(await new CostGuard(platform, expect.fail).round([one, { ...two, ...stopped }], true)).to.have.length(1);
    await append(platform, one, () => ({ what: 'resume' }));
    expect(await pauses(platform, [one], false)).to.have.length(1);
  });

  it('pauses no job that was closed or cancelled since its view was read', async () => {
    for (const [name, entry] of [
      ['one', { what: 'close', state: 'failed', reason: null, round: 0 }],
      ['two', { what: 'cancel' }],
    ] as const) {
      const view = await world.job(name, { maxCost: 30 });
      const platform = world.platform(PRICED);
      await world.machine(31, view);
      await append(platform, view, () => entry);
      expect(await pauses(platform, [view])).to.deep.equal([]);
      expect((await readEntries(platform.store, view.record.job)).map(({ what }) => what)).to.not.include('pause');
    }
  });

  it('reports a group that is not configured, and lets the caller try again if one can not be reached', async () => {
    const view = await world.job('one', { maxCost: 30 });
    const told: string[] = [];
    const guardWith = (kind: 'config' | 'unavailable') => {
      const group = () => Promise.reject(new BatchctlError(kind, `the group is ${kind}`));
      return new CostGuard({ ...world.platform(PRICED), group }, (job, { message }) => told.push(`${job} ${message}`));
    };
    expect(await guardWith('config').round([view], true)).to.deep.equal([]);
    await failsWith('unavailable', guardWith('unavailable').round([view], true));
    expect(told).to.deep.equal([`${view.record.job} the group is config`]);
  });

  it('pauses nothing that needs no further machine', async () => {
    const view = await world.job('one', { maxCost: 40 });
    const platform = world.platform(PRICED);
    await world.machine(33, view);
    await world.begin(view, 0);
    expect(await pauses(platform, [view]), 'a task runs on a machine without a price').to.deep.equal([]);
    await world.machine(50, view);
    await world.begin(view, 1, 2, 3);
    expect(await pauses(platform, [view]), 'nothing is left to begin').to.deep.equal([]);
    const retried = { ...view, round: 1 };
    expect(await pauses(platform, [retried]), 'nor of a retry').to.deep.equal([]);
    expect(await pauses(platform, [await world.job('two', { maxCost: 0 })])).to.have.length(1);
  });

  it('pauses a job at its limit while tasks of it are still to begin', async () => {
    const view = await world.job('one', { maxCost: 40 });
    await world.machine(50, view);
    await world.begin(view, 0, 1, 2);
    expect(await pauses(world.platform(PRICED), [view])).to.have.length(1);
  });

  for (const [what, steps, counts, isPaused] of [
    ['the last tasks of chains of which one failed', 'MAP', [{ done: 3, failed: 1 }, { done: 3 }], false],
    ['a task after one that failed', 'MAP', [{ done: 3, failed: 1 }, { done: 2 }], true],
    ['a gather after tasks that failed', 'GATHER', [{ done: 3, failed: 1 }], true],
    ['tasks whose number is not known yet', 'EXPLODE', [{ done: 4 }], true],
  ] as const) {
    it(`at its limit, ${isPaused ? 'pauses before' : 'does not pause after'} ${what}`, async () => {
      const [a, b] = ['{ name: a, run: [cat]', '{ name: b, run: [cat]'];
      const STEPS = {
        MAP: `${a} }, ${b} }`,
        GATHER: `${a} }, ${b}, gather: true }`,
        EXPLODE: `${a}, output: files, explode: true }, ${b} }`,
      };
      const view = await world.job('one', { maxCost: 40, steps: STEPS[steps] });
      await world.machine(50, view);
      await world.counts(view, ...counts);
      expect(await pauses(world.platform(PRICED), [view])).to.have.length(isPaused ? 1 : 0);
    });
  }

  it('pauses if the month pays for no further machine, however long the tasks are', async () => {
    const view = await world.job('one');
    await world.counts(view, { done: 1, seconds: 3_600 });
    expect(await pauses(world.platform(PRICED, { month: 13.5 }), [view])).to.deep.equal([]);
    const [detail] = await pauses(world.platform(PRICED, { month: 13 }), [view]);
    expect(detail).to.include("the month's budget of $13.00 is too low for another instance");
  });

  it('judges by the cheapest group that could continue the job', async () => {
    const groups = { default: { usd: 60 }, gpu: { usd: 600 } };
    const steps = '{ name: a, run: [cat] }, { name: b, run: [cat], group: gpu }';
    const view = await world.job('one', { maxCost: 20, steps });
    expect(await pauses(world.platform(groups), [view])).to.deep.equal([]);
    await world.counts(view, { done: 4, seconds: 4 });
    expect(await pauses(world.platform(groups), [view])).to.have.length(1);
  });

  it('reports every job while the month can not be judged', async () => {
    const view = await world.job('one');
    const machine = { type: 'unpriced', zone: 'a', lifeCycle: 'on-demand', launchedAt: NOW - MINUTE } as const;
    await world.machine(1, null, { machine });
    const told: string[] = [];
    const onTrouble = (job: string, { message }: Error): void => void told.push(`${job}: ${message}`);
    await guardCosts(world.platform(PRICED, { month: 100 }), [view], { all: true, onTrouble });
    expect(told).to.deep.equal([
      `${view.record.job}: the price of unpriced is unknown, so no cost limit can be enforced`,
    ]);
  });
});

describe('the cost in a status', () => {
  const world = forEachTest(() => PricedGroups.open());
  const LEFT = [{ total: 4, waiting: 2, running: 1 }];
  const COUNTS = [countsOf('price', { done: 1, seconds: 60 })];

  it('is read again once a minute', async () => {
    const view = await world.job('one');
    const reader = new CostReader(world.platform(PRICED));
    const cost = async () => (await reader.of(view, COUNTS, LEFT)).cost;
    expect(await cost()).to.equal(0);
    await world.machine(10, view);
    world.clock.pass(59);
    expect(await cost()).to.equal(0);
    world.clock.pass(1);
    expect(await cost()).to.equal(10);
  });

  it('has what was spent and what the rest will cost', async () => {
    const view = await world.job('one', { maxCost: 50 });
    await world.machine(10, view);
    const read = (
      groups: Readonly<Record<string, Group>>,
      left: Parameters<CostReader['of']>[2],
      of: typeof view = view,
    ) => new CostReader(world.platform(groups, { job: 20 })).of(of, COUNTS, left);
    // Two and a half minutes on one slot, or on one of two.
    expect(await read(PRICED, LEFT)).to.deep.equal({ cost: 10, costProjected: 12.5, maxCost: 50, costUnknown: [] });
    expect(await read({ default: { usd: 60, slots: 2 } }, LEFT)).to.include({ costProjected: 11.25 });
    expect(await read(PRICED, [{ total: null, waiting: 0, running: 1 }])).to.include({ cost: 10, costProjected: null });
    expect(await read({ default: {} }, LEFT)).to.include({ cost: null, costProjected: null });
    expect(await read(PRICED, LEFT, { ...view, maxCost: null })).to.include({ maxCost: 20 });
    expect(await read(PRICED, LEFT, { ...view, cancelled: true })).to.include({ cost: 10, costProjected: null });
    expect(await read({ default: { usd: null } }, LEFT)).to.deep.include({ cost: null, costUnknown: ['of-default'] });
  });

  it('expects of steps that have not run yet what an earlier job of the same name took, and of others what they take', async () => {
    const platform = world.platform(PRICED);
    const earlier = await world.job('one', { at: '1000', minutes: 120 });
    await world.counts(earlier, { done: 4, seconds: 480 });
    const close = { what: 'close', state: 'succeeded', reason: null, round: 0 } as const;
    const { view: closed } = await append(platform, earlier, () => close);
    await recordView(platform, { ...earlier, ...closed, record: earlier.record });
    const view = await world.job('one');
    expect(await new CostReader(platform).of(view, [], LEFT)).to.include({ cost: 0, costProjected: 5 });
    expect(await new CostReader(platform).of(view, COUNTS, LEFT)).to.include({ costProjected: 2.5 });
  });

  it('names no price that only further machines would need once the job has ended', async () => {
    const view = await world.job('one');
    const when = new Date(NOW).toISOString();
    const closed = { state: 'succeeded', reason: null, when, round: 0 } as const;
    const reader = () => new CostReader(world.platform(UNKNOWN));
    expect((await reader().of(view, COUNTS, LEFT)).costUnknown).to.deep.equal(['of-default']);
    expect((await reader().of({ ...view, closed }, COUNTS, LEFT)).costUnknown).to.deep.equal([]);
  });

  it('assumes the fewest slots of the machines that were seen in the group', async () => {
    const view = await world.job('one');
    await world.machine(10, view, { slots: 4 });
    await world.machine(0, view, { slots: 2, host: 'i-2' });
    await world.machine(0, view, { slots: 1, host: 'i-3', group: 'gpu' });
    const groups = { default: { usd: 60, slots: null }, gpu: { usd: 60 } };
    const { costProjected } = await new CostReader(world.platform(groups)).of(view, COUNTS, LEFT);
    expect(costProjected).to.equal(11.25);
  });

  it('is shared with the other jobs of a group whose machines have not worked yet', async () => {
    const [one] = [await world.job('one'), await world.job('two')];
    await world.machine(10, null, { state: 'idle' });
    expect(await new CostReader(world.platform(PRICED)).of(one, COUNTS, LEFT)).to.include({ cost: 5 });
  });

  it('ends ten minutes after the job', async () => {
    const view = await world.job('one');
    await world.machine(55, view);
    const when = new Date(NOW - 45 * MINUTE).toISOString();
    const closed = { state: 'succeeded', reason: null, when, round: 0 } as const;
    const { cost, costProjected } = await new CostReader(world.platform(PRICED)).of({ ...view, closed }, COUNTS, LEFT);
    expect({ cost, costProjected }).to.deep.equal({ cost: 20, costProjected: null });
  });

  it('is unknown, and no error, if a group is no longer configured', async () => {
    const view = await world.job('one', { maxCost: 50 });
    const group = () => Promise.reject(new BatchctlError('config', 'there is no group default'));
    const read = new CostReader({ ...world.platform(PRICED), group }).of(view, COUNTS, LEFT);
    expect(await read).to.deep.equal({ cost: null, costProjected: null, maxCost: 50, costUnknown: [] });
  });
});
