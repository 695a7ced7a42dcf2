// Protects: a group gets enough instances for its work within the target time, and never more than its bounds allow.
// Protects: workers are scaled up in time, because the boot time is estimated from real boots and one slow boot is
// ignored.
import { expect } from 'chai';
import fc from 'fast-check';
import { bootSecondsOf, DEFAULT_SIZING_TIMES, instancesFor, secondsToDrain } from '../../src/model/capacity.ts';
import { ASSUMED_SECONDS } from '../../src/model/load.ts';
import { dueOf, fleetOf, loadOf, sizingCases } from './loads.ts';

describe('sizing a group', () => {
  for (const [what, loads, expected, fleet] of sizingCases([
    ['requests the minimum if nothing waits', [], 2, { min: 2 }],
    ['requests one for one task', [loadOf({ tasks: 1, seconds: 1 })], 1],
    ['requests one for a task that takes no time', [loadOf({ tasks: 1, seconds: 0 })], 1],
    // 112,860 / 3,420 is 33, plus a floating-point error.
    ['requests no instance for a rounding error', [loadOf({ tasks: 102_600, seconds: 1.1 })], 33],
    // 2,000 x 60 s on 2 slots, in 1,800 s less 90 s of boot: 120,000 / 3,420 = 35.1
    ['starts from zero so that 2,000 minutes are done in half an hour', [loadOf({ tasks: 2_000 })], 36],
    // Running instances need no boot: 120,000 / 3,600 = 33.3
    ['keeps enough running instances', [loadOf({ tasks: 2_000 })], 34, { current: 40 }],
    // 10 do 36,000 of it in time; the rest needs 84,000 / 3,420 = 24.6 more.
    ['adds to running instances', [loadOf({ tasks: 2_000 })], 35, { current: 10 }],
    ['requests one slot for each long task, and no more', [loadOf({ tasks: 10, seconds: 36_000 })], 5],
    [
      'requests an instance for each task that needs a whole one',
      [loadOf({ tasks: 10, seconds: 36_000, slots: 'all' })],
      10,
    ],
    ['fits two tasks of two slots on four', [loadOf({ tasks: 9, seconds: 9e5, slots: 2 })], 5, { slots: 4 }],
    ['obeys a limit on running tasks', [loadOf({ tasks: 500, seconds: 9e5, atOnce: 6 })], 3],
    ['never exceeds the maximum', [loadOf({ tasks: 1e6 })], 20, { max: 20 }],
    ['never exceeds the maximum, even if the minimum is larger', [loadOf({ tasks: 1e6 })], 3, { min: 5, max: 3 }],
    [
      'takes an instance without a known number of slots for one',
      [loadOf({ tasks: 10, seconds: 36_000 })],
      10,
      { slots: 0 },
    ],
    ['never goes below the minimum', [loadOf({ tasks: 1 })], 3, { min: 3 }],
    ['adds up different kinds of tasks', [loadOf({ tasks: 1_000 }), loadOf({ tasks: 100, seconds: 600 })], 36],
  ])) {
    it(what, () => {
      expect(instancesFor(loads, fleetOf(fleet)).instances).to.equal(expected);
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

  it('does not call a job late that the running instances finish in time, even if it would request fewer', () => {
    const loads = [loadOf({ tasks: 2_000, due: dueOf({ in: 1_800 }) })];
    const lateWith = (current: number) => instancesFor(loads, fleetOf({ current, max: 20 })).late;
    expect(lateWith(60)).to.equal(null);
    expect(lateWith(20)).to.include({ job: 'a' });
  });

  for (const seconds of [-5, 31 * 86_400]) {
    it(`assumes a minute for tasks that took ${seconds} s by a clock that was changed`, () => {
      expect(instancesFor([loadOf({ tasks: 2_000, seconds })], fleetOf()).instances).to.equal(36);
    });
  }

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
    // A task that asks for more slots than an instance has gets all of them.
    expect(secondsToDrain([loadOf({ tasks: 4, seconds: 10, slots: 8 })], 2, 2)).to.equal(20);
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
