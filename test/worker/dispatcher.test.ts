// Protects: the cost of a worker is shared among its jobs without losing a second.
import { expect } from 'chai';
import fc from 'fast-check';
import { SlotSeconds } from '../../src/worker/dispatcher.ts';

describe('the slot-seconds that a worker spent on jobs', () => {
  it('are summed by job, including those of running attempts', () => {
    const spent = new SlotSeconds();
    spent.note('a', 1.5);
    spent.note('b', 2);
    spent.note('a', 1);
    expect(spent.with([])).to.deep.equal({ a: 2.5, b: 2 });
    expect(
      spent.with([
        ['a', 3],
        ['c', 0.25],
      ]),
    ).to.deep.equal({ a: 5.5, b: 2, c: 0.25 });
  });

  it('are listed for the latest 64 jobs, and summed up for the others', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 99 }))), (notes) => {
        const spent = new SlotSeconds();
        for (const [job, seconds] of notes) spent.note(`j${job}`, seconds);
        const told = spent.with([]);
        const named = Object.keys(told).filter((name) => name !== '');
        expect(named.length).to.be.at.most(64);
        const last = notes.at(-1);
        if (last !== undefined) expect(named).to.include(`j${last[0]}`);
        const sum = Object.values(told).reduce((a, b) => a + b, 0);
        expect(sum).to.equal(notes.reduce((total, [, seconds]) => total + seconds, 0));
      }),
    );
  });
});
