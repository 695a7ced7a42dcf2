// Protects: a misspelled word gets the right "did you mean" suggestion, and an unrelated word gets none.

import { expect } from 'chai';
import fc from 'fast-check';
import { closest, editDistance } from '../../src/lib/closest.ts';

describe('the closest word', () => {
  const table: readonly (readonly [word: string, meant: string | null])[] = [
    ['timout', 'timeout'],
    ['tiemout', 'timeout'],
    ['Timeout', 'timeout'],
    ['step', 'steps'],
    ['colour', null],
    ['x', null],
  ];
  for (const [word, meant] of table) {
    it(`to ${word} is ${meant}`, () => {
      expect(closest(word, ['timeout', 'steps', 'to'])).to.equal(meant);
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
