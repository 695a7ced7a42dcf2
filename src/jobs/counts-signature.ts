import type { JobView } from '../model/view.ts';
import type { StepCounts } from '../ports/ledger.ts';

/** Changes whenever a job's journal or its counters of ended tasks change. */
export function countsSignature(view: JobView, counts: readonly StepCounts[]): string {
  return [view.next, ...counts.map((count) => `${count.step}:${count.done}/${count.failed}`)].join(' ');
}
