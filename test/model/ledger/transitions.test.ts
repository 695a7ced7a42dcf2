// Protects: task states and counts stay right when events arrive late, twice or in any order.
import { expect } from 'chai';
import type { AttemptEvent, TaskState } from '../../../src/model/ledger/records.ts';
import {
  addOutcome,
  addTransition,
  type Delta,
  emptyDelta,
  mergeAttempt,
  standingOf,
} from '../../../src/model/ledger/transitions.ts';
import { event, T0 } from '../../contracts/ledger-events.ts';

const one = (outcome: AttemptEvent['outcome'], more: Partial<AttemptEvent> = {}): AttemptEvent =>
  event(outcome, 1, more);

describe('transitions of a task', () => {
  describe('an attempt with one more event', () => {
    const outcomes = ['running', 'interrupted', 'failedAttempt', 'failed', 'done'] as const;
    for (const [i, first] of outcomes.entries()) {
      for (const [j, second] of outcomes.entries()) {
        it(`${first}, then ${second}, is ${outcomes[Math.max(i, j)]}`, () => {
          expect(mergeAttempt(one(first), one(second)).outcome).to.equal(outcomes[Math.max(i, j)]);
        });
      }
    }

    it('is unchanged when nothing is new', () => {
      const ended = one('failed', { waitSeconds: 1, counters: { a: '1' } });
      expect(mergeAttempt(ended, one('failed', { waitSeconds: 1, counters: { a: '1' } }))).to.equal(ended);
      expect(mergeAttempt(ended, one('running'))).to.equal(ended);
    });

    it('keeps figures of its start that its end lacks, and the first of two reports', () => {
      const ended = mergeAttempt(one('running', { waitSeconds: 2 }), one('done', { bytesIn: 5 }));
      expect(ended).to.include({ outcome: 'done', waitSeconds: 2, bytesIn: 5 });
      expect(mergeAttempt(ended, one('done', { bytesIn: 6, bytesOut: 7 }))).to.include({ bytesIn: 5, bytesOut: 7 });
    });

    it('keeps its own reason when another end replaces it', () => {
      expect(mergeAttempt(one('interrupted', { reason: 'drain' }), one('done')).reason).to.equal(null);
      expect(mergeAttempt(one('done'), one('interrupted', { reason: 'drain' })).reason).to.equal(null);
    });
  });

  describe('the standing of a task', () => {
    const a = (outcome: AttemptEvent['outcome'], more: Partial<AttemptEvent> = {}) =>
      one(outcome, { attempt: 'a', ...more });
    const b = (outcome: AttemptEvent['outcome'], more: Partial<AttemptEvent> = {}) =>
      one(outcome, { attempt: 'b', startedAt: T0 + 5, ...more });
    const cases: readonly [string, readonly AttemptEvent[], TaskState, number, string | undefined][] = [
      ['never tried', [], 'waiting', 0, undefined],
      ['started', [a('running')], 'running', 0, 'a'],
      ['interrupted', [a('interrupted')], 'waiting', 0, 'a'],
      ['failed once, tried again', [a('failedAttempt'), b('running')], 'running', 0, 'b'],
      ['its worker died, the next attempt failed', [a('running'), b('failedAttempt')], 'waiting', 0, 'b'],
      [
        'retried by a worker whose clock is behind',
        [a('failedAttempt'), b('running', { number: 2, startedAt: T0 - 5 })],
        'running',
        0,
        'b',
      ],
      ['failed for good, a duplicate still runs', [a('failed'), b('running')], 'failed', 0, 'a'],
      ['failed, running in the next round', [a('failed'), b('running', { round: 1 })], 'running', 1, 'b'],
      ['failed, interrupted in the next round', [a('failed'), b('interrupted', { round: 1 })], 'waiting', 1, 'b'],
      ['failed in an older round than it runs in', [b('failed'), a('running', { round: 1 })], 'running', 1, 'a'],
      ['done, failed in the next round', [a('done'), b('failed', { round: 1 })], 'done', 1, 'a'],
      ['done twice', [a('done'), b('done', { endedAt: T0 + 10 })], 'done', 0, 'b'],
    ];
    for (const [name, attempts, state, round, by] of cases) {
      it(`${name}: ${state}, in any order`, () => {
        for (const order of [attempts, [...attempts].reverse()]) {
          const standing = standingOf(order);
          expect(standing).to.include({ state, round, attempts: attempts.length });
          expect(standing.by?.attempt).to.equal(by);
        }
      });
    }
  });

  describe('the change of a step’s counts', () => {
    const between = (before: readonly AttemptEvent[], after: readonly AttemptEvent[], exactRound = -1): Delta => {
      const delta = emptyDelta();
      addTransition(delta, standingOf(before), standingOf(after), exactRound);
      return delta;
    };

    it('subtracts exactly what it added when another attempt turns out to have won', () => {
      const slow = one('done', { attempt: 'a', endedAt: T0 + 1700, bytesIn: 3, counters: { sum: '0.3', only: '1' } });
      const fast = one('done', { attempt: 'b', endedAt: T0 + 300, bytesIn: 2, counters: { sum: '0.1' } });
      const delta = between([slow], [slow, fast]);
      expect(delta).to.include({ done: 0, bytesIn: -1, millis: -1400 });
      expect([...delta.counters].map(([name, sum]) => `${name} ${sum.toFixed()}`)).to.deep.equal([
        'sum -0.2',
        'only -1',
      ]);
    });

    it('is nothing within the round of exact totals, and counts from them in a newer one', () => {
      expect(between([], [one('done', { bytesIn: 2 })], 0)).to.deep.equal(emptyDelta());
      const again = one('running', { attempt: 'again', round: 1 });
      expect(between([one('failed')], [one('failed'), again], 0)).to.include({ failed: -1, running: 1 });
      expect(between([one('running')], [one('running'), again], 0)).to.include({ running: 1 });
    });

    it('never counts a duration below zero, and none without an end', () => {
      expect(between([], [one('done', { endedAt: T0 - 50 })]).millis).to.equal(0);
      expect(between([], [one('done', { endedAt: null })])).to.include({ done: 1, millis: 0 });
    });

    it('counts an attempt once, by its final outcome', () => {
      const delta = emptyDelta();
      addOutcome(delta, undefined, one('interrupted'), -1);
      addOutcome(delta, one('interrupted'), one('failedAttempt'), -1);
      addOutcome(delta, one('failedAttempt'), one('failedAttempt', { bytesIn: 1 }), -1);
      expect(delta).to.include({ interrupted: 0, retried: 1 });
    });
  });
});
