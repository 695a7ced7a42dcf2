// Protects: a retry requests what ended without an output and can run, and nothing else.
import { expect } from 'chai';
import { chooseRetry } from '../../src/model/task-choice.ts';
import { factsOf, SENT, viewOf } from './job-of.ts';

const FACTS = [factsOf(4, [0], [1]), factsOf(4, []), factsOf(1, [])];

describe('the tasks of a retry', () => {
  it('are the failed ones; in a stopped job also given-up ones that have an input', () => {
    const all = { tasks: [], canaries: null };
    expect(chooseRetry(viewOf([SENT]), FACTS, all)).to.deep.include({ tasks: { price: '1' }, count: 1 });
    const stopped = viewOf([SENT, { what: 'stop', cause: '1 failed' }]);
    expect(chooseRetry(stopped, FACTS, all).tasks).to.deep.equal({ price: '1-3', check: '0' });
  });

  it('have canaries only if those are fewer than all', () => {
    const stopped = viewOf([SENT, { what: 'stop', cause: '1 failed' }]);
    const canaries = (count: number) => chooseRetry(stopped, FACTS, { tasks: [], canaries: count });
    expect(canaries(3)).to.deep.include({ canaries: { price: '1-3' }, canaryCount: 3, count: 4 });
    expect(canaries(4)).to.deep.include({ canaries: null, canaryCount: 0, count: 4 });
  });
});
