// Protects: the projected end of a job is realistic, and its interval is shown only when it is known.
import { expect } from 'chai';
import fc from 'fast-check';
import type { Load, LoadDeadline } from '../../src/model/load.ts';
import { claimsOf, type GroupShare, type Projection, projectionOf, secondsToEnd } from '../../src/model/projection.ts';
import { dueOf, loadOf } from './loads.ts';

const load = (fields: Partial<Load> = {}, due: Partial<LoadDeadline> = {}): Load =>
  loadOf({ tasks: 600, ...fields, due: dueOf({ in: 7_200, deviation: 30, measured: 100, ...due }) });
const share = (loads: readonly Load[], fields: Partial<GroupShare> = {}): GroupShare => ({
  loads,
  ground: { slots: 2, current: 5, boot: 90 },
  instances: 5,
  ...fields,
});
const projected = (...shares: readonly GroupShare[]): Projection => {
  const projection = projectionOf('a', shares);
  if (projection === null) throw new Error('the projection is unknown');
  return projection;
};

describe('a projection', () => {
  it('uses the model that sizes groups, with the existing instances', () => {
    const loads = [load({}, { after: 20 })];
    const [claim] = claimsOf(loads, 2);
    if (claim === undefined) throw new Error('no claim');
    expect(projected(share(loads)).ends).to.equal(secondsToEnd(claim, 5, { slots: 2, current: 5, boot: 90 }));
    // 36,000 slot-seconds on ten slots, the last task and one of the next step.
    expect(projected(share(loads)).ends).to.be.within(3_600, 3_700);
  });

  it('has an error that combines those of the remaining sum, the measured mean and the longest task', () => {
    const { ends, within } = projected(share([load()]));
    // Twice the root of 600 x 30² + 600² x 30² / 100, on ten slots.
    expect(ends - (within?.earliest ?? 0)).to.be.closeTo(389, 1);
    expect((within?.latest ?? 0) - ends).to.be.within(389 + 60, 389 + 180);
  });

  it('has a smaller error with more measured tasks, fewer remaining tasks and more similar ones', () => {
    const width = (one: Load): number => {
      const { within } = projected(share([one]));
      return (within?.latest ?? 0) - (within?.earliest ?? 0);
    };
    expect(width(load({}, { measured: 400 }))).to.be.below(width(load()));
    expect(width(load({ tasks: 100 }))).to.be.below(width(load()));
    expect(width(load({}, { deviation: 5 }))).to.be.below(width(load()));
  });

  it('is that of the group that ends last', () => {
    const later = share([load({ tasks: 100 }, { deviation: 5 })], { instances: 1 });
    const all = projected(share([load({ tasks: 100 })]), later);
    expect(all.ends).to.equal(projected(later).ends);
  });

  it('shares slots evenly with other work', () => {
    const other = load({ tasks: 6_000 }, { job: '', in: Number.POSITIVE_INFINITY, deviation: null });
    expect(projected(share([load(), other])).ends).to.be.closeTo(2 * projected(share([load()])).ends, 120);
  });

  for (const [what, one, facts] of [
    ['there is no instance', load(), { instances: 0 }],
    ['the duration of a ready task is unknown', load({ seconds: null }), {}],
    ['no task of it is left', load({ tasks: 0 }), {}],
  ] as const) {
    it(`is unknown if ${what}`, () => {
      expect(projectionOf('a', [share([one], facts)])).to.equal(null);
    });
  }

  it('does not assume a minute for a later step without a measured duration', () => {
    const seen = projected(share([load({}, { after: 20 })])).ends;
    expect(projected(share([load({}, { after: 80, guessed: 60 })])).ends).to.equal(seen);
  });

  for (const [what, due] of [
    ['the spread of durations', { deviation: null }],
    ['any duration of this run', { measured: 0 }],
    ['the duration of a later step', { after: 60, guessed: 60 }],
  ] as const) {
    it(`has no interval while ${what} is unknown`, () => {
      expect(projected(share([load({}, due)])).within).to.equal(null);
    });
  }

  it('is within its interval, whatever is left', () => {
    const facts = fc.record({
      tasks: fc.integer({ min: 1, max: 100_000 }),
      seconds: fc.double({ min: 0.01, max: 10_000, noNaN: true }),
    });
    const due = fc.record({
      deviation: fc.double({ min: 0, max: 10_000, noNaN: true }),
      measured: fc.integer({ min: 1, max: 10_000 }),
      after: fc.double({ min: 0, max: 5_000, noNaN: true }),
    });
    fc.assert(
      fc.property(facts, due, fc.integer({ min: 1, max: 300 }), (one, of, instances) => {
        const { ends, within } = projected(share([load(one, of)], { instances }));
        expect(within?.earliest).to.be.at.most(ends).and.at.least(0);
        expect(within?.latest).to.be.at.least(ends);
      }),
    );
  });
});
