import type { JobState } from '../model/job.ts';
import type { Platform } from '../ports/platform.ts';
import { readView } from './journal.ts';
import type { Prunable, PruneChoice, Spared } from './prune-choice.ts';
import { pruneJob } from './prune-job.ts';
import { type Leftovers, pruneLeftovers } from './prune-leftovers.ts';
import { addRemoved, type Removed, type RemoveOptions } from './remove-listed.ts';

export interface PrunedJob extends Removed {
  readonly job: string;
  readonly state: JobState;
  /** ISO-8601 UTC. */
  readonly closedAt: string | null;
  /** True if a proof is stored. */
  readonly proof: boolean;
}

export interface Pruned {
  readonly jobs: readonly PrunedJob[];
  readonly spared: readonly Spared[];
  readonly leftovers: Leftovers;
  /** Of jobs and leftovers. */
  readonly total: Removed;
}

/**
 * Removes the chosen jobs one by one, then leftovers. Several may run at once, and any may be interrupted; the next one
 * continues. `olderThan` in milliseconds.
 */
export async function prune(
  platform: Platform,
  choice: PruneChoice,
  olderThan: number,
  options: RemoveOptions,
): Promise<Pruned> {
  const jobs: PrunedJob[] = [];
  const spared = [...choice.spared];
  for (const chosen of choice.jobs) {
    options.signal?.throwIfAborted();
    const removed = await pruneChosen(platform, chosen, options);
    const { job, state, closedAt, proof, begun } = chosen;
    if (removed === null) spared.push({ job, why: 'open', detail: 'it was reopened meanwhile' });
    else if ('readBy' in removed) spared.push({ job, why: 'read', detail: removed.readBy });
    // Swept again without finding anything: not worth a line.
    else if (!begun || removed.objects > 0) jobs.push({ job, state, closedAt, proof, ...removed });
  }
  const leftovers = await pruneLeftovers(platform, choice, olderThan, options);
  const total = [...jobs, ...Object.values(leftovers)].reduce<Removed>(addRemoved, { objects: 0, bytes: 0 });
  return { jobs, spared, leftovers, total };
}

/** Null for a job whose journal changed since it was chosen, unless by another prune. */
async function pruneChosen(
  platform: Platform,
  { job, next }: Prunable,
  options: RemoveOptions,
): Promise<Removed | { readonly readBy: string } | null> {
  const view = await readView(platform.store, job);
  if (view === null || (view.next !== next && view.pruned === null)) return null;
  return pruneJob(platform, view, options);
}
