// Protects: a growing set of tasks keeps each number once and is written in the usual form.

import { expect } from 'chai';
import { formatTaskSet, TaskRanges } from '../../src/model/task-set.ts';

function rangesOf(numbers: readonly number[]): TaskRanges {
  const ranges = new TaskRanges();
  for (const n of numbers) ranges.add(n);
  return ranges;
}

describe('a growing set of tasks', () => {
  for (const numbers of [[], [0], [7], [0, 1, 2], [0, 2, 4], [3, 17, 18, 19, 40]]) {
    it(`holds ${JSON.stringify(numbers)} and is written like any set of tasks`, () => {
      const ranges = rangesOf(numbers);
      expect([...ranges]).to.deep.equal(numbers);
      expect(ranges.count).to.equal(numbers.length);
      expect(String(ranges)).to.equal(formatTaskSet(numbers));
    });
  }

  it('accepts no number twice and none below the last', () => {
    expect(() => rangesOf([3, 3])).to.throw(RangeError);
    expect(() => rangesOf([3, 2])).to.throw(RangeError);
  });
});
