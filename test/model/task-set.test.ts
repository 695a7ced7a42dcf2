// Protects: sets of tasks, such as 0-2,4, are written and read back exactly, and malformed ones are refused.

import { expect } from 'chai';
import fc from 'fast-check';
import { formatTaskSet, parseTaskSet, taskSetHas, tasksIn } from '../../src/model/task-set.ts';

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
