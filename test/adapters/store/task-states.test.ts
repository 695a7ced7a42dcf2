// Protects: the store ledger keeps the state of each task of a huge job, in little space.

import { expect } from 'chai';
import fc from 'fast-check';
import { eachStateRun, STATE_CODES, TaskStates } from '../../../src/adapters/store/task-states.ts';

const STATES = ['waiting', 'running', 'failed', 'done'] as const;

describe("the store ledger's sets of tasks", () => {
  it('are read as they were written, with the last state of each task', () => {
    const changes = fc.array(fc.tuple(fc.oneof(fc.nat(300), fc.nat(2_000_000)), fc.constantFrom(...STATES)));
    fc.assert(
      fc.property(changes, (changed) => {
        const states = new TaskStates();
        for (const [task, state] of changed) states.set(task, state);
        const read = new Map<number, number>();
        eachStateRun(states.sets(), (code, from, to) => {
          for (let task = from; task < to; task += 1) read.set(task, code);
        });
        expect(read).to.deep.equal(new Map(changed.map(([task, state]) => [task, STATE_CODES[state]])));
      }),
      { numRuns: 40 },
    );
  });

  it("cost a few bytes for a million tasks without gaps, and under three per task for a worker's share of them", () => {
    const whole = new TaskStates();
    const share = new TaskStates();
    for (let task = 0; task < 1_000_000; task += 1) {
      whole.set(task, 'done');
      if ((task * 7919) % 101 === 0) share.set(task, 'done');
    }
    expect(whole.sets().done).to.have.length.below(12);
    expect(share.sets().done).to.have.length.below(9_901 * 3);
  });
});
