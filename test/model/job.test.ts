// Protects: a job gives up exactly when more chains of a section failed than it tolerates.
import { expect } from 'chai';
import { exceedsTolerance } from '../../src/model/job.ts';
import { EXPLODES, SENT, viewOf } from './job-of.ts';

describe('the decision that too many failed', () => {
  it('is made for each section from its explode on, including its gathers, and only for more failures than are tolerated', () => {
    const view = viewOf([SENT], EXPLODES);
    const exceeds = (...failed: readonly number[]): boolean => exceedsTolerance(view, [4, 9, 9, 1], failed);
    expect(exceeds(1, 0, 0, 0)).to.equal(false);
    expect(exceeds(2, 0, 0, 0)).to.equal(true);
    expect(exceeds(1, 1, 0, 0), 'another section').to.equal(false);
    expect(exceeds(1, 1, 1, 0)).to.equal(true);
    expect(exceeds(0, 1, 0, 1)).to.equal(true);
  });
});
