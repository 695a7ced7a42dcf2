// Protects: scripts see by its exit code how a job ended, in every state.
import { expect } from 'chai';
import { jobExit } from '../../src/jobs/job-exit.ts';
import type { JobStatus } from '../../src/model/answers/status.ts';

const DEADLINE = '2026-11-30T06:00:00.000Z';
const [EARLY, EXACT, LATE] = ['2026-11-30T05:59:59.999Z', DEADLINE, '2026-11-30T06:00:00.001Z'];

/** By state: when it closed, its deadline, and the exit code. */
const EXITS: readonly (readonly [JobStatus['state'], string | null, string | null, number])[] = [
  ['succeeded', EARLY, null, 0],
  ['succeeded', EARLY, DEADLINE, 0],
  ['succeeded', EXACT, DEADLINE, 0],
  ['succeeded', LATE, DEADLINE, 10],
  ['failed', EARLY, null, 5],
  ['failed', LATE, DEADLINE, 5],
  ['cancelled', EARLY, null, 5],
  ['cancelled', LATE, DEADLINE, 5],
  ['cancelled', null, DEADLINE, 5],
  ['paused', null, null, 7],
  ['paused', null, DEADLINE, 7],
  ['submitted', null, null, 6],
  ['running', null, null, 6],
  ['running', null, DEADLINE, 6],
];

describe('the exit code of a job', () => {
  for (const [state, closedAt, finishBy, code] of EXITS) {
    it(`is ${code} if it is ${state}, closed at ${closedAt}, with the deadline ${finishBy}`, () => {
      expect(jobExit({ state, closedAt, finishBy })).to.equal(code);
    });
  }
});
