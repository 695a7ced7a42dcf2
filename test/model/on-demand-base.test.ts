// Protects: on-demand instances replace missing spot only when a deadline needs them, and never more than allowed.
import { expect } from 'chai';
import fc from 'fast-check';
import { DEFAULT_SIZING_TIMES, onDemandBaseFor, type SpotState } from '../../src/model/capacity.ts';
import type { Load } from '../../src/model/load.ts';
import { dueOf, loadOf } from './loads.ts';

const HOUR = 3_600;
const FLEET = { slots: 2, min: 0, max: 100 };
const SPOT: SpotState = {
  up: 5,
  base: 0,
  most: 25,
  since: null,
  refused: true,
  refusedToo: false,
  takenBack: 0,
};

/** An hour's work for twenty slots, due within an hour: about ten instances, or more if tasks are unequal. */
const load = (fields: Partial<Load> = {}, within = HOUR): Load =>
  loadOf({ tasks: 1_200, due: dueOf({ in: within, deviation: 10 }), ...fields });

const baseFor = (spot: Partial<SpotState> = {}, loads: readonly Load[] = [load()]): number =>
  onDemandBaseFor(loads, FLEET, { ...SPOT, ...spot }, DEFAULT_SIZING_TIMES);

describe('on-demand instances that replace spot', () => {
  it('are as many as a deadline lacks', () => {
    expect(baseFor()).to.be.within(6, 9);
    expect(baseFor({ up: 0 })).to.be.within(11, 14);
    expect(baseFor({ up: 5, base: 3 })).to.equal(3 + baseFor());
  });

  for (const [what, spot, loads] of [
    ['there is time and a few would be enough', {}, [load({ tasks: 700 })]],
    ['spot is available', { refused: false }, [load()]],
    ['the running instances are enough', { up: 14 }, [load()]],
    ['no job has a deadline', {}, [loadOf({ tasks: 1_200 })]],
    ['a duration is only assumed, and a running instance will measure it', {}, [load({ seconds: null })]],
    ['they are not available either', { refusedToo: true }, [load()]],
    ['they were raised a minute ago', { since: 60 }, [load()]],
    ['the profile allows none', { most: 0 }, [load()]],
    ['nothing waits', {}, []],
    ['two of five were interrupted', { refused: false, takenBack: 2 }, [load()]],
    ['few of many were interrupted', { refused: false, up: 20, takenBack: 3 }, [load({}, HOUR / 2)]],
  ] as const) {
    it(`are none if ${what}`, () => {
      expect(baseFor(spot, loads)).to.equal(0);
    });
  }

  it('are bought at once if those that are allowed could not make up for half an hour of waiting', () => {
    const soon = [load({ tasks: 400 }, 2_400)];
    expect(baseFor({ most: 8 }, soon)).to.equal(1);
    expect(baseFor({ most: 50 }, soon)).to.equal(0);
  });

  it('come if three instances, and a fifth of those that run, were interrupted', () => {
    const hurried = [load({}, HOUR / 2)];
    expect(baseFor({ refused: false, up: 15, takenBack: 3 }, hurried)).to.be.greaterThan(0);
    expect(baseFor({ refused: false, up: 16, takenBack: 3 }, hurried)).to.equal(0);
  });

  it('are only one if durations are assumed and nothing is running, so that a first task gets measured', () => {
    expect(baseFor({ up: 0 }, [load({ seconds: null })])).to.equal(1);
    expect(baseFor({ up: 0, refused: false }, [load({ seconds: null })])).to.equal(0);
    expect(baseFor({ up: 0, most: 0 }, [load({ seconds: null })])).to.equal(0);
  });

  it('are few for little work, which would never need many, and would come too late', () => {
    const little = [load({ tasks: 600, seconds: 3 }, HOUR / 2)];
    expect(baseFor({ up: 0 }, little)).to.equal(1);
    // In half an hour the deadline can still be met.
    expect(baseFor({ up: 0, most: 60 }, [load({ tasks: 600, seconds: 3 }, 2 * HOUR)])).to.equal(0);
  });

  it('are few if few help: four tasks of half an hour don’t wait for a time when many would', () => {
    const long = { tasks: 4, seconds: HOUR / 2 };
    expect(baseFor({ up: 0 }, [load(long)])).to.equal(2);
    expect(baseFor({ up: 0, most: 1 }, [load(long)])).to.equal(1);
  });

  it('come after a storm of interruptions, and again once requested ones had time to arrive', () => {
    expect(baseFor({ refused: false, takenBack: 3 })).to.equal(baseFor());
    expect(baseFor({ since: 179, base: 2 })).to.equal(2);
    expect(baseFor({ since: 180, base: 2 })).to.be.above(2);
  });

  it('are never fewer than already exist, and never more than the profile or the group allows', () => {
    const whole = fc.nat({ max: 120 });
    fc.assert(
      fc.property(whole, whole, whole, fc.nat({ max: 20_000 }), fc.boolean(), (up, base, most, tasks, refused) => {
        const found = baseFor({ up, base, most, refused, takenBack: 4 }, [load({ tasks })]);
        expect(found).to.be.at.least(base);
        expect(found).to.be.at.most(Math.max(base, most, 0));
        expect(found).to.be.at.most(Math.max(base, FLEET.max));
      }),
    );
  });
});
