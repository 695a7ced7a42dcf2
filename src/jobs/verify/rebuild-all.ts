import { isKind } from '../../errors.ts';
import type { RebuildAnswer } from '../../model/answers/upkeep.ts';
import { standingOf } from '../../model/decide.ts';
import type { Finding } from '../../model/verify/findings.ts';
import type { Platform } from '../../ports/platform.ts';
import { storedIds } from '../find.ts';
import { readView } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { forgetPruned, readPrunedMark } from '../pruned.ts';
import { ledgerJob } from '../record-view.ts';
import { rebuildLedger } from './repair.ts';

type RebuildAllResult = Omit<RebuildAnswer, 'dryRun'>;

export interface RebuildOptions {
  /** Only jobs accepted since then, milliseconds since the epoch; null: all. */
  readonly since: number | null;
  /** True only reads. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal;
  /** Called with the number of checked tasks in all jobs; the total is unknown. */
  readonly onProgress?: (done: number, total: null) => void;
}

/**
 * Writes what the store knows of every job to the ledger: its state, attempts, failures, and exact counts once it is
 * closed. Only moves forward and deletes nothing, so it is safe to repeat and to run while workers work. Facts that the
 * store doesn't keep stay unknown: workers, waiting times, returned attempts. Skips and names jobs that are damaged or
 * of a newer format.
 */
export async function rebuildAll(platform: Platform, options: RebuildOptions): Promise<RebuildAllResult> {
  let [jobs, attempts, exact] = [0, 0, 0];
  const looked = { before: 0 };
  const unreadable: { job: string; why: string }[] = [];
  const damaged: { job: string; why: string }[] = [];
  for await (const job of storedIds(platform.store)) {
    options.signal?.throwIfAborted();
    try {
      const rebuilt = await rebuildJob(platform, job, options, looked);
      if (rebuilt === null) continue;
      jobs += 1;
      attempts += rebuilt.attempts;
      if (rebuilt.exact) exact += 1;
      for (const { message } of rebuilt.damaged ?? []) damaged.push({ job, why: message });
    } catch (error) {
      if (!isKind(error, 'corrupt', 'newer')) throw error;
      unreadable.push({ job, why: error.message });
    }
  }
  return { jobs, attempts, exact, unreadable, damaged };
}

/** Null if it isn't a job, or is too old. */
async function rebuildJob(
  platform: Platform,
  job: string,
  { since, dryRun, signal, onProgress }: RebuildOptions,
  looked: { before: number },
): Promise<{ readonly attempts: number; readonly exact: boolean; readonly damaged?: readonly Finding[] } | null> {
  const view = await readView(platform.store, job);
  if (view === null || (since !== null && Date.parse(view.record.createdAt) < since)) return null;
  if (dryRun) return { attempts: 0, exact: false };
  if (view.pruned !== null) {
    const mark = await readPrunedMark(platform.store, job);
    // Without the mark, a prune died right after its entry: nothing is removed yet, and the next prune records the
    // counts.
    if (mark === null) await (await platform.ledger()).recordJob(ledgerJob(view));
    else await forgetPruned(platform, view, mark);
    return { attempts: 0, exact: mark !== null };
  }
  const { events, exact, damaged } = await rebuildLedger(platform, view, {
    signal,
    onProgress: (done) => onProgress?.(looked.before + done, null),
  });
  looked.before += events;
  const settled = view.closed !== null && standingOf(view, await listFacts(platform.store, view)).settled;
  if (view.closed !== null && settled) {
    await (await platform.ledger()).recordExact(job, view.closed.round, exact);
  }
  return { attempts: events, exact: settled, damaged };
}
