// Protects: sets of tasks, such as 0-2,4, are written and read back exactly, and malformed ones are refused.
// Protects: sets of tasks are combined and counted correctly.
// Protects: a growing set of tasks keeps each number once and is written in the usual form.
import { expect } from 'chai';
import fc from 'fast-check';
import {
  countIn,
  formatTaskSet,
  inRanges,
  parseTaskSet,
  type Ranges,
  subtractRanges,
  TaskRanges,
  taskSetHas,
  tasksIn,
  unionOf,
} from '../../src/model/task-set.ts';

describe('sets of tasks as text', () => {
  it('property: parses what it formats, and contains exactly those numbers', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(60)), (numbers) => {
        const sorted = [...numbers].sort((a, b) => a - b);
        const text = formatTaskSet(sorted);
        expect([...tasksIn(text)]).to.deep.equal(sorted);
        for (let n = 0; n < 61; n += 1) expect(taskSetHas(text, n)).to.equal(numbers.includes(n));
      }),
    );
  });

  it('writes neighbours as a range', () => {
    expect(formatTaskSet([0, 1, 2, 4, 17, 18])).to.equal('0-2,4,17-18');
  });

  for (const text of ['3-1', '1,1', '5,2', '1-4,3', '1,', 'a', '-1', '1234567890']) {
    it(`refuses ${text}`, () => expect(() => parseTaskSet(text)).to.throw(RangeError));
  }
});

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
        expect(subtractRanges(rangesOf(a), rangesOf(b))).to.deep.equal(rangesOf(a.filter((n) => !b.includes(n))));
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

function growing(numbers: readonly number[]): TaskRanges {
  const ranges = new TaskRanges();
  for (const n of numbers) ranges.add(n);
  return ranges;
}

describe('a growing set of tasks', () => {
  for (const numbers of [[], [0], [7], [0, 1, 2], [0, 2, 4], [3, 17, 18, 19, 40]]) {
    it(`holds ${JSON.stringify(numbers)} and is written like any set of tasks`, () => {
      const ranges = growing(numbers);
      expect([...ranges]).to.deep.equal(numbers);
      expect(ranges.count).to.equal(numbers.length);
      expect(String(ranges)).to.equal(formatTaskSet(numbers));
    });
  }

  it('accepts no number twice and none below the last', () => {
    expect(() => growing([3, 3])).to.throw(RangeError);
    expect(() => growing([3, 2])).to.throw(RangeError);
  });
});
