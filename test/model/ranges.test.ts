// Protects: sets of tasks are combined and counted correctly.

import { expect } from 'chai';
import fc from 'fast-check';
import {
  countIn,
  formatTaskSet,
  inRanges,
  parseTaskSet,
  type Ranges,
  unionOf,
  without,
} from '../../src/model/task-set.ts';

const SIZE = 40;
const sets = fc.uniqueArray(fc.integer({ min: 0, max: SIZE - 1 }));
const rangesOf = (numbers: readonly number[]): Ranges =>
  parseTaskSet(formatTaskSet([...numbers].sort((a, b) => a - b)));
const numbersOf = (ranges: Ranges): readonly number[] =>
  Array.from({ length: SIZE }, (_, n) => n).filter((n) => inRanges(ranges, n));

describe('ranges of tasks', () => {
  it('join and subtract as sets do, and stay sorted and disjoint', () => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        const sorted = (numbers: Iterable<number>) => [...numbers].sort((x, y) => x - y);
        expect(unionOf(rangesOf(a), rangesOf(b))).to.deep.equal(rangesOf(sorted(new Set([...a, ...b]))));
        expect(without(rangesOf(a), rangesOf(b))).to.deep.equal(rangesOf(a.filter((n) => !b.includes(n))));
        expect(numbersOf(rangesOf(a))).to.deep.equal(sorted(a));
      }),
    );
  });

  it('count the tasks below a size', () => {
    expect(
      countIn(
        [
          [0, 3],
          [8, 9],
        ],
        9,
      ),
    ).to.equal(5);
    expect(countIn(undefined, 9)).to.equal(0);
  });
});
