import { type JobView, reasonOf, stateOf } from '../model/view.ts';
import type { LedgerJob } from '../ports/ledger.ts';
import type { Platform } from '../ports/platform.ts';
import { stepTotals } from './listing.ts';

/** Writes a job's state, as its journal tells it, to the ledger. */
export async function recordView(platform: Platform, view: JobView): Promise<void> {
  const ledger = await platform.ledger();
  await ledger.recordJob(ledgerJob(view));
}

export function ledgerJob(view: JobView): LedgerJob {
  const { record } = view;
  const totals = stepTotals(view);
  return {
    job: record.job,
    name: record.spec.name,
    runKey: record.runKey,
    state: stateOf(view),
    reason: reasonOf(view),
    round: view.round,
    createdAt: Date.parse(record.createdAt),
    closedAt: view.closed === null ? null : Date.parse(view.closed.when),
    createdBy: record.createdBy,
    labels: record.spec.labels,
    steps: record.spec.steps.map((step, index) => ({ name: step.name, group: step.group, total: totals[index] ?? 0 })),
  };
}
