import { type StepSpec, sectionStart, takesFiles } from './job.ts';
import { countIn } from './task-set.ts';
import type { JobView } from './view.ts';

interface Ended {
  readonly step: string;
  readonly done: number;
  readonly failed: number;
}

/**
 * Whether the ledger's counters say that it may be time to look exactly (law 11): every step that was reached
 * has all its tasks done or failed. Counters may lag or, of a rebuilt ledger, be short: they only ever say when to look.
 */
export function countsSayDecided(
  steps: readonly StepSpec[],
  totals: readonly number[],
  counts: readonly Ended[],
): boolean {
  const of = (index: number): { done: number; failed: number } => {
    const found = counts.find((count) => count.step === steps[index]?.name);
    return { done: found?.done ?? 0, failed: found?.failed ?? 0 };
  };
  for (let index = 0; index < steps.length; index += 1) {
    const { done, failed } = of(index);
    const begins = sectionStart(steps, index) === index;
    const asked = begins ? (totals[index] ?? 0) : of(index - 1).done;
    // Behind an `explode`, a step whose tasks are known is open already.
    const opens = begins && index > 0 && !(takesFiles(steps, index) && asked > 0);
    if (opens && done + failed === 0) return true;
    if (done + failed < asked) return false;
  }
  return true;
}

/** Counters with what a person went without, and did not count as failed for good before, as ended. */
export function withSkipped(view: JobView, counts: readonly Ended[]): readonly Ended[] {
  if (view.skipped.length === 0) return counts;
  return view.record.spec.steps.map(({ name: step }, index) => {
    const { done, failed } = counts.find((count) => count.step === step) ?? { done: 0, failed: 0 };
    const all = Number.MAX_SAFE_INTEGER;
    const waiting = countIn(view.skipped[0]?.get(index), all) - countIn(view.skippedFailed.get(index), all);
    return { step, done, failed: failed + waiting };
  });
}
