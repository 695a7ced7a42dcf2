import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { createInterface } from 'node:readline';
import { hasCode, nullIfUnreadable } from '../../errors.ts';
import { isAlive } from '../../lib/leftovers.ts';
import { stepIndex } from '../../model/job.ts';
import { isClosed } from '../../model/job-state.ts';
import { FAULT_KINDS, type FaultKind } from '../../model/rehearsal.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { cancel } from '../change/lifecycle.ts';
import { readView } from '../journal.ts';
import { openJobs } from '../open-jobs.ts';
import { pruneJob } from '../prune/prune.ts';
import { ledgerTasks, type TaskName } from '../tasks.ts';

export type FaultCounts = Readonly<Record<FaultKind, number>>;

/** Counts the faults that a rehearsal's workers recorded in their file; none if there is no file. */
export async function countFaults(file: string): Promise<FaultCounts> {
  const counts = { kill: 0, duplicate: 0, fail: 0, 'slow-disk': 0 };
  try {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const kind = FAULT_KINDS.find((known) => known === line);
      if (kind !== undefined) counts[kind] += 1;
    }
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  return counts;
}

/** Splits the permanent failures of a closed job: those caused only by faults, and the number of real ones. */
export async function failedByFaults(
  platform: Platform,
  { record: { job, spec } }: JobView,
): Promise<{ readonly injected: readonly TaskName[]; readonly others: number }> {
  const ledger = await platform.ledger();
  const injected: TaskName[] = [];
  let others = 0;
  for await (const { step, task } of ledgerTasks(platform, job, { states: ['failed'] })) {
    const attempts = await ledger.attempts(job, step, task);
    const failed = attempts.filter(({ outcome }) => outcome === 'failed' || outcome === 'failedAttempt');
    if (failed.every(({ reason }) => reason === INJECTED))
      injected.push({ step: stepIndex(spec, step), name: step, task });
    else others += 1;
  }
  return { injected, others };
}

/** The reason recorded for injected failures. */
const INJECTED = 'rehearsal';

/** Empties the queue of a rehearsal's own group, including dead letters, and removes its file of faults. */
async function clearGroup(platform: Platform, group: string, tally: string): Promise<void> {
  const queue = await platform.queue(group);
  await queue.redrive({});
  await queue.purge({});
  await rm(tally, { force: true });
}

/**
 * Ends a rehearsal, whatever its result: afterwards it is closed, its group's queue is empty and, unless it is kept,
 * its objects are gone. Its job.json, journal and proof stay, as for any pruned job. Safe to repeat.
 */
export async function endRehearsal(
  platform: Platform,
  view: JobView,
  { keep, tally }: { readonly keep: boolean; readonly tally: (group: string) => string },
): Promise<void> {
  const closed = isClosed(stateOf(view)) ? view : (await cancel(platform, view)).view;
  const group = view.record.spec.steps[0]?.group;
  if (group !== undefined) await clearGroup(platform, group, tally(group));
  if (!keep) await pruneJob(platform, closed, {});
}

/** Removes what killed rehearsals left on this machine; returns their ids. */
export async function clearAbandoned(platform: Platform, tally: (group: string) => string): Promise<readonly string[]> {
  const cleared: string[] = [];
  // Uses their marks, because the ledger may not know one that was killed early.
  for (const job of await openJobs(platform.store)) {
    const view = await readView(platform.store, job).catch(nullIfUnreadable);
    const { rehearsal, host } = view?.record ?? {};
    if (view === null || !rehearsal || host !== hostname() || isAlive(rehearsal.pid)) continue;
    await endRehearsal(platform, view, { keep: false, tally });
    cleared.push(job);
  }
  return cleared;
}
