// Protects: the autoscaler asks for just enough instances to meet each deadline that can be met.
import { expect } from 'chai';
import fc from 'fast-check';
import { DEFAULT_SIZING_TIMES, type Fleet, instancesFor } from '../../src/model/capacity.ts';
import type { Load } from '../../src/model/load.ts';
import { type Claim, claimsOf, secondsForClaim, secondsToEnd } from '../../src/model/projection.ts';
import { dueOf, fleetOf, loadOf, sizingCases } from './loads.ts';

const HOUR = 3_600;
const load = (fields: Partial<Load> = {}): Load => loadOf({ tasks: 6_000, ...fields });

describe('sizing a group for a deadline', () => {
  for (const [what, loads, expected, fleet] of sizingCases([
    // 360,000 slot-seconds in 18,000 x 0.9 - 60 (tail) - 90 (boot) = 16,050 s on 2 slots: 11.2
    ['requests the fewest that finish in time', [load({ due: dueOf() })], 12],
    ['plans for half an hour without a deadline', [load()], 106],
    // Running instances have 16,140 s: 360,000 / 32,280 = 11.2
    ['plans no boot for running instances', [load({ due: dueOf() })], 12, { current: 12 }],
    // The longest of 6,000 tasks may take 45 minutes more, which leaves 13,360 s: 13.5
    ['reserves time for a long last task', [load({ due: dueOf({ deviation: 120 }) })], 14],
    ['reserves at most half of the time', [load({ due: dueOf({ deviation: 600 }) })], 23],
    ['reserves time for later steps', [load({ due: dueOf({ after: 2 * HOUR }) })], 21],
    ['counts expected tasks as work', [load({ due: dueOf() }), load({ tasks: 0, due: dueOf({ coming: 6_000 }) })], 23],
    ['requests none if only expected tasks are left', [load({ tasks: 0, due: dueOf({ coming: 6_000 }) })], 0],
    // 360,000 / (2 x 60) = 3,000, limited by the number of tasks.
    ['requests as many as still help once the deadline has passed', [load({ due: dueOf({ in: -HOUR }) })], 3_000],
    [
      'requests none after the deadline if the work ends before another instance boots',
      [load({ tasks: 20, due: dueOf({ in: -HOUR }) })],
      4,
      { current: 5 },
    ],
    ['never exceeds the maximum', [load({ due: dueOf() })], 5, { max: 5 }],
    // With evenly shared slots 200,000 of it would be done in an hour; taking turns by task, all of it is.
    [
      'allows for a job of longer tasks, which gets more of the slots when both take turns',
      [
        load({ tasks: 10_000, seconds: 10, due: dueOf({ in: HOUR }) }),
        load({ tasks: 10_000, seconds: 100, due: dueOf({ job: 'b', in: 20 * HOUR }) }),
      ],
      176,
    ],
    [
      'uses the larger of target and deadline, with shared slots',
      [load({ tasks: 1_200 }), load({ tasks: 6_000, due: dueOf() })],
      43,
    ],
  ])) {
    it(what, () => {
      expect(instancesFor(loads, fleetOf(fleet)).instances).to.equal(expected);
    });
  }

  it('names the job that determines the size, and the one that will still be late', () => {
    const loads = [load({ due: dueOf() }), load({ tasks: 10, due: dueOf({ job: 'b', in: 20 * HOUR }) })];
    expect(instancesFor(loads, fleetOf())).to.deep.include({ decides: 'a', late: null });
    const { late, unbounded } = instancesFor(loads, fleetOf({ max: 5 }));
    expect(unbounded).to.equal(12);
    expect(late?.job).to.equal('a');
    // 360,600 on 10 slots, and a boot: 36,150 s, of which the deadline leaves 18,000.
    expect(late?.by).to.be.within(18_000, 18_400);
    expect(instancesFor([load({ due: dueOf({ in: -10 }) })], fleetOf()).late?.by).to.be.greaterThan(10);
  });

  const dues = fc.record({
    job: fc.constantFrom('a', 'b', 'c'),
    in: fc.integer({ min: -HOUR, max: 20 * HOUR }),
    coming: fc.integer({ min: 0, max: 5_000 }),
    deviation: fc.option(fc.double({ min: 0, max: 2_000, noNaN: true })),
    after: fc.integer({ min: 0, max: HOUR }),
  });
  const loads = fc.array(
    fc
      .record({
        tasks: fc.integer({ min: 0, max: 100_000 }),
        seconds: fc.option(fc.double({ min: 0.001, max: 40_000, noNaN: true })),
        slots: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constant('all' as const)),
        atOnce: fc.option(fc.integer({ min: 1, max: 1_000 })),
        due: fc.option(dues),
      })
      .map(({ due, ...rest }): Load => (due === null ? rest : { ...rest, due })),
    { minLength: 1, maxLength: 5 },
  );
  const fleets = fc
    .record({
      slots: fc.integer({ min: 1, max: 64 }),
      current: fc.integer({ min: 0, max: 500 }),
      min: fc.integer({ min: 0, max: 50 }),
      more: fc.integer({ min: 0, max: 2_000 }),
    })
    .map(({ more, ...rest }): Fleet => ({ ...rest, max: Math.max(1, rest.min + more) }));
  const paces = fc.record({ target: fc.integer({ min: 60, max: 86_400 }), boot: fc.integer({ min: 0, max: 600 }) });
  const unlimited = fleets.map((of) => ({ ...of, max: 1e12 }));

  const changed = (some: readonly Load[], which: number, change: (load: Load) => Load): readonly Load[] =>
    some.map((each, index) => (index === which % some.length ? change(each) : each));

  it('never asks for fewer when more waits, or is expected', () => {
    fc.assert(
      fc.property(loads, fleets, paces, fc.nat(4), fc.nat({ max: 50_000 }), fc.boolean(), (...args) => {
        const [some, of, pace, which, more, coming] = args;
        const grown = changed(some, which, (each) =>
          coming && each.due !== undefined
            ? { ...each, due: { ...each.due, coming: each.due.coming + more } }
            : { ...each, tasks: each.tasks + more },
        );
        expect(instancesFor(grown, of, pace).instances).to.be.at.least(instancesFor(some, of, pace).instances);
      }),
      { numRuns: 200 },
    );
  });

  it('never asks for fewer when a deadline comes closer', () => {
    fc.assert(
      fc.property(loads, fleets, fc.nat(4), fc.nat({ max: 20 * HOUR }), (some, of, which, nearer) => {
        const later = changed(some, which, (each) =>
          each.due === undefined ? each : { ...each, due: { ...each.due, in: each.due.in - nearer } },
        );
        expect(instancesFor(later, of).instances).to.be.at.least(instancesFor(some, of).instances);
      }),
    );
  });

  it('requests a whole number within the bounds, for any durations and times', () => {
    const absurd = fc.oneof(
      fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1e-12, 1e300),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
    );
    const within = fc.oneof(fc.constantFrom(-1e12, 0, 1e12), fc.integer({ min: -HOUR, max: HOUR }));
    const pace = fc.record({ target: fc.constantFrom(1, 60, 1_800), boot: fc.constantFrom(0, 90, 900, 7_200) });
    fc.assert(
      fc.property(loads, fleets, absurd, absurd, within, pace, (some, of, seconds, deviation, time, of2) => {
        const odd = some.map((each) => ({
          ...each,
          seconds,
          ...(each.due && { due: { ...each.due, in: time, deviation, after: 1e9 } }),
        }));
        const { instances, late } = instancesFor(odd, { ...of, min: 0 }, of2);
        expect(Number.isSafeInteger(instances), String(instances)).to.equal(true);
        expect(instances).to.be.within(0, of.max);
        if (odd.some(({ tasks }) => tasks > 0)) expect(instances).to.be.at.least(1);
        if (late !== null) expect(late.by).to.be.greaterThan(0);
        const frozen = instancesFor(odd, { ...of, current: 0, min: 0, max: 0 }, of2);
        expect(frozen.instances).to.equal(0);
        expect(frozen.late?.ends ?? Number.POSITIVE_INFINITY).to.equal(Number.POSITIVE_INFINITY);
      }),
    );
  });

  it('stays within the bounds, requests at most one instance per task, and the minimum when nothing waits', () => {
    fc.assert(
      fc.property(loads, fleets, paces, (some, of, pace) => {
        const { instances } = instancesFor(some, of, pace);
        expect(instances).to.be.within(of.min, of.max);
        const tasks = some.reduce((sum, each) => sum + each.tasks, 0);
        const held = some.map(({ tasks: n, slots }) => n * (slots === 'all' ? of.slots : Math.min(slots, of.slots)));
        const most = Math.ceil(held.reduce((sum, each) => sum + each, 0) / of.slots);
        expect(instances).to.be.at.most(Math.max(of.min, most));
        if (tasks === 0) expect(instances).to.equal(of.min);
        else expect(instances).to.be.at.least(1);
      }),
      { numRuns: 200 },
    );
  });

  /** Whether this many instances do a claim's share of the work in the time that is left. */
  const meets = (claim: Claim, instances: number, { slots, current }: Fleet, inexact: number): boolean => {
    const time = secondsForClaim(claim, DEFAULT_SIZING_TIMES.boot) + claim.tail;
    return secondsToEnd(claim, instances, { slots, current, boot: DEFAULT_SIZING_TIMES.boot }) <= time * (1 + inexact);
  };

  it('meets each deadline that can be met, and would miss one with one instance fewer', () => {
    let smaller = 0;
    fc.assert(
      fc.property(loads, unlimited, (all, of) => {
        const some = all.filter((each) => each.due !== undefined).map((each) => ({ ...each, atOnce: null }));
        const { unbounded } = instancesFor(some, of);
        if (unbounded === 0) return;
        const claims = claimsOf(some, of.slots);
        // A chain's next tasks can't begin before it has ended, whatever the number of slots.
        const chained = claims.some(({ work, width, each }) => work / width > each * (1 + 1e-9));
        if (!chained) for (const claim of claims) expect(meets(claim, unbounded, of, 1e-9)).to.equal(true);
        if (unbounded > 1) {
          smaller += 1;
          expect(claims.every((claim) => meets(claim, unbounded - 1, of, -1e-9))).to.equal(false);
        }
      }),
      { numRuns: 500 },
    );
    expect(smaller).to.be.greaterThan(100);
  });
});
