import { type BatchctlError, isKind } from '../errors.ts';
import { orderOf } from '../model/job.ts';
import type { LedgerJob } from '../model/ledger/records.ts';
import { type JobView, reasonOf, stateOf } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { refreshView } from './journal.ts';
import { stepTotals } from './listing.ts';

/**
 * Writes a job's state according to its journal to the ledger. The journal decides (law 1): if the ledger is
 * unavailable, this only warns, and the next look updates it.
 */
export async function recordView(platform: Platform, view: JobView): Promise<void> {
  const { job } = view.record;
  await ifLedgerAvailable(
    async () => (await platform.ledger()).recordJob(ledgerJob(view)),
    ({ message }) =>
      platform.warn?.(
        `${message}; job ${job} is ${stateOf(view)}; the next worker, tick or batchctl wait ${job} updates the ledger`,
      ),
  );
}

/** Writes something to the ledger that others would write if this process can't. False: the ledger is unavailable. */
export async function ifLedgerAvailable(
  tell: () => Promise<unknown>,
  onUnavailable: (error: BatchctlError) => void = () => undefined,
): Promise<boolean> {
  try {
    await tell();
    return true;
  } catch (error) {
    if (!isKind(error, 'unavailable')) throw error;
    onUnavailable(error);
    return false;
  }
}

/**
 * Updates an open job's state in the ledger if it differs, as the writer of the last journal entry may have died
 * before. Reads the journal again first, as it may have moved on.
 */
export async function updateStaleRecord(platform: Platform, view: JobView): Promise<void> {
  if ((await viewIfStale(platform, view)) === null) return;
  const now = await viewIfStale(platform, await refreshView(platform.store, view));
  if (now === null) return;
  await ifLedgerAvailable(async () => (await platform.ledger()).recordJob(ledgerJob(now)));
}

async function viewIfStale(platform: Platform, view: JobView): Promise<JobView | null> {
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
    createdAt: Date.parse(orderOf(record)),
    closedAt: view.closed === null ? null : Date.parse(view.closed.when),
    createdBy: record.createdBy,
    labels: record.spec.labels,
    steps: record.spec.steps.map((step, index) => ({ name: step.name, group: step.group, total: totals[index] ?? 0 })),
  };
}
