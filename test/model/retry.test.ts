// Protects: tries of a task move apart, up to five minutes, and those that failed together don't return together.
import { expect } from 'chai';
import { retryDelay } from '../../src/model/failure.ts';

describe('the delay before the next try', () => {
  it('is at most a second after the first failure, twice as long after each further one, and five minutes in the end', () => {
    const bounds = [1, 2, 3, 4, 8, 9, 10, 1_000].map((failed) => retryDelay(failed, 1));
    expect(bounds).to.deep.equal([1, 2, 4, 8, 128, 256, 300, 300]);
  });

  it('is any time up to that bound, in tenths of a second', () => {
    expect([0, 0.25, 0.333, 0.999].map((random) => retryDelay(4, random))).to.deep.equal([0, 2, 2.7, 8]);
  });
});
