// Protects: the suggestion for a misspelled word is the right one, and an unrelated word gets none.
import { expect } from 'chai';
import fc from 'fast-check';
import { closest, editDistance } from '../../src/lib/closest.ts';

describe('the closest word', () => {
  for (const [word, expected] of [
    ['timout', 'timeout'],
    ['tiemout', 'timeout'],
    ['Timeout', 'timeout'],
    ['step', 'steps'],
    ['colour', null],
    ['x', null],
  ] as const) {
    it(`to ${word} is ${expected}`, () => {
      expect(closest(word, ['timeout', 'steps', 'to'])).to.equal(expected);
    });
  }

  it('is chosen by a symmetric distance that is zero only for equal words', () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        return (
          distance === editDistance(b, a) && (distance === 0) === (a === b) && distance <= Math.max(a.length, b.length)
        );
      }),
    );
  });
});
