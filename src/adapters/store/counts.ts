import { isDeepStrictEqual } from 'node:util';
import { addDecimals, type DecimalSums, decimalTexts } from '../../model/ledger/decimals.ts';
import type { AttemptEvent, ExactCounts, StepCounts } from '../../model/ledger/records.ts';
import {
  addTaskAttempts,
  compareExact,
  type KnownTaskState,
  noCounts,
  type SumsByRound,
  standingOf,
} from '../../model/ledger/transitions.ts';
import type { AttemptObjects } from './attempt-objects.ts';
import { readAttempts } from './read-attempts.ts';
import type { Snapshot } from './snapshot.ts';
import { addRounds, latest, sumRounds } from './totals.ts';

/** Disputed tasks examined at once: only their attempts are held in memory. */
const DISPUTED_AT_ONCE = 5000;
/** Names of states by their codes (`STATE_CODES`). */
const NAMES: readonly (KnownTaskState | null)[] = [null, 'waiting', 'running', 'failed', 'done'];

type StateCounts = Record<KnownTaskState, number>;

/**
 * A step's counts: exact totals, if taken, plus all that writers counted in later rounds. The writers' sets of tasks
 * are merged, so that no task counts twice, even if several workers recorded it. For disputed tasks the attempts are
 * read.
 */
export async function countStep(
  objects: AttemptObjects,
  snapshot: Snapshot,
  job: string,
  step: string,
): Promise<StepCounts> {
  const exact = snapshot.exact.get(step);
  const view = snapshot.step(step);
  const base = exact?.counts ?? noCounts(step);
  const after = exact?.round ?? -1;
  if (view.round <= after) return exact === undefined ? base : { ...base, exact: true };
  const states: StateCounts = { waiting: 0, running: 0, failed: 0, done: 0 };
  for (let task = 0; task < view.end; task += 1) {
    if (view.roundOf(task) <= after || view.isDisputed(task)) continue;
    addState(states, NAMES[view.codeBefore(task)] ?? null, -1);
    addState(states, NAMES[view.code(task)] ?? null, 1);
  }
  const rounds: SumsByRound = new Map();
  for (const totals of snapshot.totals) addRounds(rounds, totals.steps[step]?.rounds ?? {}, after);
  const disputed = view.disputed();
  for (let at = 0; at < disputed.length; at += DISPUTED_AT_ONCE) {
    const tasks = new Set(disputed.slice(at, at + DISPUTED_AT_ONCE));
    for (const { merged, byWriter } of (await readAttempts(objects, snapshot, { job, step }, tasks)).values()) {
      for (const own of byWriter) addTaskAttempts(rounds, own, -1);
      addTaskAttempts(rounds, merged, 1);
      addDisputed(states, merged, after);
    }
  }
  const sum = sumRounds(rounds, after);
  const counters: DecimalSums = sum.counters;
  addDecimals(counters, base.counters, 1);
  return {
    step,
    running: base.running + states.running,
    done: base.done + states.done,
    failed: base.failed + states.failed,
    retried: base.retried + sum.retried,
    interrupted: base.interrupted + sum.interrupted,
    bytesIn: base.bytesIn + sum.bytesIn,
    bytesOut: base.bytesOut + sum.bytesOut,
    counters: decimalTexts(counters),
    seconds: base.seconds + sum.millis / 1000,
    movedAt: latest(base.movedAt, sum.movedAt),
    exact: false,
  };
}

function addDisputed(states: StateCounts, attempts: readonly AttemptEvent[], after: number): void {
  const standing = standingOf(attempts);
  if (standing.round <= after) return;
  const before = standingOf(attempts.filter(({ round }) => round <= after)).state;
  // Exact totals contain no running tasks.
  addState(states, before === 'running' ? null : before, -1);
  addState(states, standing.state, 1);
}

function addState(states: StateCounts, state: KnownTaskState | null, by: 1 | -1): void {
  if (state !== null) states[state] += by;
}

/**
 * A step's counts after exact totals taken in `round`; null if those are outdated or known: a newer round was counted
 * already, or exact totals of the same round know more tasks, or are the same. Values that only attempts give stay as
 * they were counted.
 */
export function replaceByExact(
  snapshot: Snapshot,
  counted: StepCounts,
  round: number,
  exact: ExactCounts,
  now: number,
): StepCounts | null {
  const known = snapshot.exact.get(exact.step);
  if (snapshot.step(exact.step).round > round) return null;
  if (known !== undefined && known.round > round) return null;
  if (known?.round === round && compareExact(known.counts, exact) > 0) return null;
  const counters: DecimalSums = new Map();
  addDecimals(counters, exact.counters, 1);
  const { step, done, failed, bytesIn, bytesOut, seconds } = exact;
  const { retried, interrupted, movedAt } = counted;
  const replaced: StepCounts = {
    step,
    running: 0,
    done,
    failed,
    retried,
    interrupted,
    bytesIn,
    bytesOut,
    counters: decimalTexts(counters),
    seconds,
    movedAt: movedAt ?? now,
    exact: true,
  };
  return known?.round === round && isDeepStrictEqual(replaced, known.counts) ? null : replaced;
}
