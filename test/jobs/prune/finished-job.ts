import { choosePrunable, type PruneResult, prune } from '../../../src/jobs/prune/prune.ts';
import { storeProof } from '../../../src/jobs/verify/proof.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { Place } from '../published-job.ts';
import { LINES, publishAll, submitJob } from '../submitted-job.ts';

export const DAY = 24 * 3_600_000;

/** A job that succeeded, with a task per line and a proof. */
export async function finishedJob(place: Place, lines = '1\n2\n3\n'): Promise<JobView> {
  const view = await publishAll(place.platform, await submitJob(place, LINES, { 'a.csv': lines }));
  await storeProof(place.platform, await verifyJob(place.platform, view));
  return view;
}

/** A job file that reads the outputs of a finished job. */
export const readerOf = ({ record }: JobView): string =>
  LINES.replace('a.csv, split', `"job:${record.job}/price", split`);

/** Prunes as the command does. `olderThan`: milliseconds. */
export async function pruneAll(platform: Platform, olderThan = 0, dryRun = false): Promise<PruneResult> {
  return prune(platform, await choosePrunable(platform, olderThan), olderThan, { dryRun });
}
