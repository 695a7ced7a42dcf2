// Protects: tries of a task spread out, up to five minutes apart, and tasks that failed together don't retry together.
import { expect } from 'chai';
import { retryDelay } from '../../src/model/failure.ts';

describe('the delay before the next try', () => {
  it('is at most a second after the first failure, doubles after each further one, and is limited to five minutes', () => {
    const bounds = [1, 2, 3, 4, 8, 9, 10, 1_000].map((failed) => retryDelay(failed, 1));
    expect(bounds).to.deep.equal([1, 2, 4, 8, 128, 256, 300, 300]);
  });

  it('is random up to that bound, in tenths of a second', () => {
    expect([0, 0.25, 0.333, 0.999].map((random) => retryDelay(4, random))).to.deep.equal([0, 2, 2.7, 8]);
  });
});
