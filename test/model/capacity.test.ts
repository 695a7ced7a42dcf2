// Protects: a group gets enough instances for its work within the target time, and never more than its bounds allow.
// Protects: workers are scaled up in time, because the boot time is estimated from real boots and one slow boot is
// ignored.

import { expect } from 'chai';
import fc from 'fast-check';
import {
  bootSecondsOf,
  DEFAULT_SIZING_TIMES,
  type Fleet,
  instancesFor,
  secondsToDrain,
} from '../../src/model/capacity.ts';
import { ASSUMED_SECONDS, type Load } from '../../src/model/load.ts';
import { dueOf, fleetOf, loadOf } from './loads.ts';

describe('sizing a group', () => {
  for (const { what, loads, of = {}, expected } of [
    { what: 'requests the minimum if nothing waits', loads: [], of: { min: 2 }, expected: 2 },
    { what: 'requests one for one task', loads: [loadOf({ tasks: 1, seconds: 1 })], expected: 1 },
    { what: 'requests one for a task that takes no time', loads: [loadOf({ tasks: 1, seconds: 0 })], expected: 1 },
    // 112,860 / 3,420 is 33, plus a floating-point error.
    {
      what: 'requests no instance for a rounding error',
      loads: [loadOf({ tasks: 102_600, seconds: 1.1 })],
      expected: 33,
    },
    // 2,000 x 60 s on 2 slots, in 1,800 s less 90 s of boot: 120,000 / 3,420 = 35.1
    {
      what: 'starts from zero so that 2,000 minutes are done in half an hour',
      loads: [loadOf({ tasks: 2_000 })],
      expected: 36,
    },
    // Running instances need no boot: 120,000 / 3,600 = 33.3
    { what: 'keeps enough running instances', loads: [loadOf({ tasks: 2_000 })], of: { current: 40 }, expected: 34 },
    // 10 do 36,000 of it in time; the rest needs 84,000 / 3,420 = 24.6 more.
    { what: 'adds to running instances', loads: [loadOf({ tasks: 2_000 })], of: { current: 10 }, expected: 35 },
    {
      what: 'requests one slot for each long task, and no more',
      loads: [loadOf({ tasks: 10, seconds: 36_000 })],
      expected: 5,
    },
    {
      what: 'requests an instance for each task that needs a whole one',
      loads: [loadOf({ tasks: 10, seconds: 36_000, slots: 'all' })],
      expected: 10,
    },
    {
      what: 'fits two tasks of two slots on four',
      loads: [loadOf({ tasks: 9, seconds: 9e5, slots: 2 })],
      of: { slots: 4 },
      expected: 5,
    },
    { what: 'obeys a limit on running tasks', loads: [loadOf({ tasks: 500, seconds: 9e5, atOnce: 6 })], expected: 3 },
    { what: 'never exceeds the maximum', loads: [loadOf({ tasks: 1e6 })], of: { max: 20 }, expected: 20 },
    { what: 'never goes below the minimum', loads: [loadOf({ tasks: 1 })], of: { min: 3 }, expected: 3 },
    {
      what: 'adds up different kinds of tasks',
      loads: [loadOf({ tasks: 1_000 }), loadOf({ tasks: 100, seconds: 600 })],
      expected: 36,
    },
  ] satisfies { what: string; loads: Load[]; of?: Partial<Fleet>; expected: number }[]) {
    it(what, () => {
      expect(instancesFor(loads, fleetOf(of)).instances).to.equal(expected);
    });
  }

  it('assumes a minute for a task of unknown duration, and says so', () => {
    const [unknown, known] = [null, ASSUMED_SECONDS].map((seconds) => instancesFor([loadOf({ seconds })], fleetOf()));
    expect(unknown).to.deep.equal({ ...known, assumed: true });
    expect(known?.assumed).to.equal(false);
    const unready = loadOf({ tasks: 0, seconds: null, due: dueOf({ deviation: null }) });
    expect(instancesFor([loadOf(), unready], fleetOf()).assumed).to.equal(false);
  });

  it('says how many the work would need without the maximum', () => {
    expect(instancesFor([loadOf({ tasks: 2_000 })], fleetOf({ max: 20 }))).to.include({ instances: 20, unbounded: 36 });
  });

  const loads = fc.array(
    fc.record({
      tasks: fc.integer({ min: 0, max: 100_000 }),
      seconds: fc.option(fc.double({ min: 0.001, max: 40_000, noNaN: true })),
      slots: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constant('all' as const)),
      atOnce: fc.option(fc.integer({ min: 1, max: 1_000 })),
    }),
    { maxLength: 4 },
  );
  const fleets = fc
    .record({
      slots: fc.integer({ min: 1, max: 64 }),
      current: fc.integer({ min: 0, max: 500 }),
      min: fc.integer({ min: 0, max: 50 }),
      more: fc.integer({ min: 0, max: 500 }),
    })
    .map(({ more, ...rest }): Fleet => ({ ...rest, max: Math.max(1, rest.min + more) }));
  const paces = fc.record({ target: fc.integer({ min: 60, max: 86_400 }), boot: fc.integer({ min: 0, max: 600 }) });

  it('stays within the bounds, has at least one if something waits, and none without tasks', () => {
    fc.assert(
      fc.property(loads, fleets, paces, (some, of, pace) => {
        const { instances } = instancesFor(some, of, pace);
        const tasks = some.reduce((sum, each) => sum + each.tasks, 0);
        expect(instances).to.be.within(of.min, of.max);
        if (tasks > 0) expect(instances).to.be.at.least(1);
        const width = some.map(({ tasks: n, slots }) => n * (slots === 'all' ? of.slots : Math.min(slots, of.slots)));
        const most = Math.ceil(width.reduce((sum, each) => sum + each, 0) / of.slots);
        expect(instances).to.be.at.most(Math.max(of.min, most));
      }),
    );
  });

  it('never asks for fewer when more waits', () => {
    fc.assert(
      fc.property(loads, fleets, paces, fc.nat({ max: 50_000 }), fc.nat(3), (some, of, pace, more, which) => {
        const grown = some.map((each, index) => (index === which ? { ...each, tasks: each.tasks + more } : each));
        expect(instancesFor(grown, of, pace).instances).to.be.at.least(instancesFor(some, of, pace).instances);
      }),
    );
  });

  it('finishes the work in time, if bounds and widths allow it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.double({ min: 0.1, max: 600, noNaN: true }),
        (tasks, seconds) => {
          const of = fleetOf({ max: 1e9 });
          const { instances } = instancesFor([loadOf({ tasks, seconds })], of);
          const each = (tasks * seconds) / (instances * of.slots);
          // With one task per slot, nothing is faster than a task.
          const onePerSlot = instances * of.slots >= tasks;
          expect(
            onePerSlot || each <= DEFAULT_SIZING_TIMES.target - DEFAULT_SIZING_TIMES.boot + 1e-6,
            `${each}`,
          ).to.equal(true);
        },
      ),
    );
  });
});

describe('the time that a group takes for its work', () => {
  it('is work divided by slots', () => {
    expect(secondsToDrain([loadOf({ tasks: 100, seconds: 6 })], 3, 2)).to.equal(100);
    expect(secondsToDrain([loadOf({ tasks: 4, seconds: 10, slots: 'all' })], 2, 2)).to.equal(20);
  });

  it('is unknown without a worker, or without a duration', () => {
    expect(secondsToDrain([loadOf()], 0, 2)).to.equal(null);
    expect(secondsToDrain([loadOf({ seconds: null })], 1, 2)).to.equal(null);
  });
});

describe('the time that a boot takes', () => {
  for (const [what, measured, seconds] of [
    ['the default, if nothing was measured', [], 90],
    ['the time of a single boot', [70], 70],
    ['the upper quartile of four', [60, 100, 80, 70], 80],
    ['unaffected by a boot that hung', [60, 62, 64, 66, 68, 70, 72, 3_000], 70],
    ['from only the latest twenty', [...Array(30).fill(300), ...Array(20).fill(50)], 50],
    ['never faster than possible', [1, 1, 1], 15],
    ['limited to what is worth waiting for', [5_000], 900],
  ] as const) {
    it(`is ${seconds} s: ${what}`, () => {
      expect(bootSecondsOf(measured)).to.equal(seconds);
    });
  }

  it("is a measured time that at least three in four boots don't exceed, whatever their order", () => {
    const boots = fc.array(fc.integer({ min: 15, max: 900 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(boots, (measured) => {
        const seconds = bootSecondsOf(measured);
        expect(measured).to.include(seconds);
        expect(measured.filter((each) => each <= seconds).length / measured.length).to.be.at.least(0.75);
        expect(bootSecondsOf([...measured].reverse())).to.equal(seconds);
      }),
    );
  });
});
