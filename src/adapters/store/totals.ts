import { addDecimals, type DecimalSums, decimalTexts } from '../../model/ledger/decimals.ts';
import type { StepCounts } from '../../model/ledger/records.ts';
import { type RoundSums, type SumsByRound, sumsOf } from '../../model/ledger/transitions.ts';
import type { TaskSets } from './task-states.ts';

/**
 * One writer's knowledge of a job: one object, put whole at each flush. So a flush is atomic, and
 * sums, tasks and attempts agree whatever is killed when.
 */
export interface Totals {
  readonly format: 1;
  readonly writer: string;
  /** Objects of attempts that were moved out of `recent`. */
  readonly objects: readonly AttemptsObject[];
  /** The newest attempts, as lines (`attemptLine`); a later line of an attempt includes all earlier ones. */
  readonly recent: string;
  readonly steps: Readonly<Record<string, StepTotals>>;
}

export interface AttemptsObject {
  readonly n: number;
  /** First and last task of each step in it. */
  readonly tasks: Readonly<Record<string, readonly [number, number]>>;
}

export interface StepTotals {
  readonly rounds: Readonly<Record<string, RoundTotals>>;
  /** Tasks whose attempts by other workers the writer recorded, as text (`eachTaskRun`). */
  readonly others?: string;
}

export interface RoundTotals extends Omit<RoundSums, 'counters'> {
  readonly counters: Readonly<Record<string, string>>;
  readonly tasks: TaskSets;
}

/** Exact totals of some of a job's steps, taken when it closed in `round`; the object is never changed. */
export interface ExactTotals {
  readonly format: 1;
  readonly round: number;
  /** Higher than that of any exact totals that their writer saw; absent before 0.2.0. Of equal counts the highest holds. */
  readonly order?: number;
  readonly steps: readonly StepCounts[];
  /** Writers' totals that add nothing to these, as key and tag: counts needn't read them. */
  readonly replaces: readonly string[];
}

/** A pruned job's last counts. */
export interface PrunedCounts {
  readonly format: 1;
  readonly counts: readonly StepCounts[];
}

export function roundTotals(sums: RoundSums, tasks: TaskSets): RoundTotals {
  return { ...sums, counters: decimalTexts(sums.counters), tasks };
}

/** Adds a writer's sums of rounds after `after` to `sums`. */
export function addRounds(sums: SumsByRound, rounds: StepTotals['rounds'], after: number): void {
  for (const [key, totals] of Object.entries(rounds)) {
    if (Number(key) <= after) continue;
    const sum = sumsOf(sums, Number(key));
    addSums(sum, totals);
    addDecimals(sum.counters, totals.counters, 1);
  }
}

/** The counts that rounds after `after` add to a step's, and the time of their last change. */
export function sumRounds(rounds: SumsByRound, after: number): RoundSums {
  const all: SumsByRound = new Map();
  const sum = sumsOf(all, 0);
  for (const [round, part] of rounds) {
    if (round <= after) continue;
    addSums(sum, part);
    for (const [name, value] of part.counters) addTo(sum.counters, name, value);
  }
  return sum;
}

function addSums(sum: RoundSums, part: Omit<RoundSums, 'counters'>): void {
  for (const field of ['retried', 'interrupted', 'bytesIn', 'bytesOut', 'millis'] as const) sum[field] += part[field];
  sum.movedAt = latest(sum.movedAt, part.movedAt);
}

function addTo(counters: DecimalSums, name: string, value: Parameters<DecimalSums['set']>[1]): void {
  counters.set(name, counters.get(name)?.plus(value) ?? value);
}

export function latest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.max(a, b);
}
