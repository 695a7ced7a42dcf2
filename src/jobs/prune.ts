import { type JobView, stateOf } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import type { PruneChoice, Spared } from './prune-choice.ts';
import { pruneJob } from './prune-job.ts';
import { type Leftovers, pruneLeftovers } from './prune-leftovers.ts';
import { addRemoved, type Removed, type RemoveOptions } from './remove-listed.ts';

export interface PrunedJob extends Removed {
  readonly job: string;
  readonly state: ReturnType<typeof stateOf>;
  /** ISO-8601 UTC. */
  readonly closedAt: string | null;
  /** True when a proof is kept of it. */
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
 * Removes what was chosen, one job after the other, then what lies about besides. Safe to run several times at once, and
 * to end anywhere: the next one goes on. `olderThan` in milliseconds.
 */
export async function prune(
  platform: Platform,
  choice: PruneChoice,
  olderThan: number,
  options: RemoveOptions,
): Promise<Pruned> {
  const jobs: PrunedJob[] = [];
  const spared = [...choice.spared];
  for (const { view, proof, begun } of choice.jobs) {
    options.signal?.throwIfAborted();
    const removed = await pruneJob(platform, view, options);
    if (removed === null) spared.push({ job: view.record.job, why: 'open', detail: 'it was opened again meanwhile' });
    else if ('readBy' in removed) spared.push({ job: view.record.job, why: 'read', detail: removed.readBy });
    // Swept once more, and nothing was there: not worth a line.
    else if (!begun || removed.objects > 0) jobs.push(prunedJob(view, proof, removed));
  }
  const leftovers = await pruneLeftovers(platform, choice, olderThan, options);
  const total = [...jobs, ...Object.values(leftovers)].reduce<Removed>(addRemoved, { objects: 0, bytes: 0 });
  return { jobs, spared, leftovers, total };
}

function prunedJob(view: JobView, proof: boolean, removed: Removed): PrunedJob {
  return { job: view.record.job, state: stateOf(view), closedAt: view.closed?.when ?? null, proof, ...removed };
}
