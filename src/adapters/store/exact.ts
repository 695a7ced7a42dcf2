import { addDecimals, type DecimalSums, decimalTexts } from '../../model/ledger/decimals.ts';
import { compareExact } from '../../model/ledger/transitions.ts';
import type { ExactCounts, StepCounts } from '../../ports/ledger.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * A step's counts after exact totals taken in `round`; null if those are outdated: a newer round was counted already,
 * or exact totals of the same round know more tasks. Values that only attempts give stay as they were counted.
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
  if (known !== undefined) {
    if (known.round > round) return null;
    if (known.round === round && compareExact(known.counts, exact) >= 0) return null;
  }
  const counters: DecimalSums = new Map();
  addDecimals(counters, exact.counters, 1);
  const { step, done, failed, bytesIn, bytesOut, seconds } = exact;
  const { retried, interrupted, movedAt } = counted;
  return {
    ...{ step, running: 0, done, failed, retried, interrupted, bytesIn, bytesOut },
    ...{ counters: decimalTexts(counters), seconds, movedAt: movedAt ?? now, exact: true },
  };
}
