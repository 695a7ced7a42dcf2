import { type JobView, reasonOf, stateOf } from '../model/view.ts';
import type { LedgerJob } from '../ports/ledger.ts';
import type { Platform } from '../ports/platform.ts';
import { refreshView } from './journal.ts';
import { stepTotals } from './listing.ts';

/** Writes a job's state, as its journal tells it, to the ledger. */
export async function recordView(platform: Platform, view: JobView): Promise<void> {
  const ledger = await platform.ledger();
  await ledger.recordJob(ledgerJob(view));
}

/**
 * Tells the ledger of an open job's state where it says another, or knows none: whoever wrote the journal's last entry
 * may have died before it did. The journal is read again first, as it may have moved on meanwhile.
 */
export async function recordBehind(platform: Platform, view: JobView): Promise<void> {
  if ((await differs(platform, view)) === null) return;
  const now = await differs(platform, await refreshView(platform.store, view));
  if (now !== null) await recordView(platform, now);
}

async function differs(platform: Platform, view: JobView): Promise<JobView | null> {
  if (view.closed !== null || view.cancelled) return null;
  const known = await (await platform.ledger()).job(view.record.job);
  const { state, reason, round } = ledgerJob(view);
  return known?.state === state && known.reason === reason && known.round === round ? null : view;
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
