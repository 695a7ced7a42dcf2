import type { AttemptEvent } from '../../ports/ledger.ts';
import type { DecimalSums } from './decimals.ts';
import { addTotals, type KnownTaskState, mergeAttempt, standingOf } from './transitions.ts';

/**
 * What a writer that sees only its own events counts of a step, by round: pure. Sums of several writers are those of
 * the step wherever their tasks differ; for a task that two of them know, take back what each counted and add what both
 * come to.
 */
export interface RoundSums {
  retried: number;
  interrupted: number;
  bytesIn: number;
  bytesOut: number;
  millis: number;
  /** When the last news of the round came, milliseconds since the epoch; null if none did. */
  movedAt: number | null;
  readonly counters: DecimalSums;
}

export type SumsByRound = Map<number, RoundSums>;

export function sumsOf(sums: SumsByRound, round: number): RoundSums {
  let found = sums.get(round);
  if (found === undefined) {
    found = { retried: 0, interrupted: 0, bytesIn: 0, bytesOut: 0, millis: 0, movedAt: null, counters: new Map() };
    sums.set(round, found);
  }
  return found;
}

/** Adds (or with -1 takes away) what all attempts of one task give: outcomes to their rounds, totals to the winner's. */
export function addShare(sums: SumsByRound, attempts: readonly AttemptEvent[], by: 1 | -1): void {
  for (const { outcome, round } of attempts) {
    if (outcome === 'failedAttempt') sumsOf(sums, round).retried += by;
    if (outcome === 'interrupted') sumsOf(sums, round).interrupted += by;
  }
  const { state, by: winner } = standingOf(attempts);
  if (state === 'done' && winner !== undefined) addTotals(sumsOf(sums, winner.round), winner, by);
}

/** Where a task stands within each round that an attempt of it was in. */
export function statesByRound(attempts: readonly AttemptEvent[]): ReadonlyMap<number, KnownTaskState> {
  const states = new Map<number, KnownTaskState>();
  for (const { round } of attempts) {
    if (states.has(round)) continue;
    states.set(round, standingOf(attempts.filter((each) => each.round === round)).state);
  }
  return states;
}

/** Attempts merged by id, in the order in which they were first heard of. */
export function mergeAll(events: Iterable<AttemptEvent>): AttemptEvent[] {
  const merged = new Map<string, AttemptEvent>();
  for (const event of events) merged.set(event.attempt, mergeAttempt(merged.get(event.attempt), event));
  return [...merged.values()];
}
