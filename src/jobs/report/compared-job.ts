import { BatchctlError } from '../../errors.ts';
import { isRehearsal } from '../../model/rehearsal.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { findJob } from '../find.ts';
import { readView } from '../journal.ts';

/** So many of the name's newest jobs are looked through for an earlier one. */
const LATEST = 1_000;

/**
 * The job that a person compares with: `last` is the latest finished job of the same name that was accepted earlier,
 * anything else is a JOB. Throws `notFound`, and `usage` when it is the same job.
 */
export async function comparedJob(platform: Platform, view: JobView, text: string): Promise<JobView> {
  if (text === 'last') return lastBefore(platform, view);
  const found = await findJob(platform, text);
  if (found.record.job !== view.record.job) return found;
  throw new BatchctlError('usage', `expected another job to compare with, found ${found.record.job} itself`, {
    hint: `batchctl report ${found.record.job} --compare last`,
  });
}

async function lastBefore(platform: Platform, { record }: JobView): Promise<JobView> {
  const { name } = record.spec;
  const ledger = await platform.ledger();
  const before = Date.parse(record.createdAt);
  for (const { job, createdAt, steps } of await ledger.jobs({ name, states: ['succeeded', 'failed'], limit: LATEST })) {
    if (job === record.job || createdAt > before || isRehearsal(steps)) continue;
    const view = await readView(platform.store, job);
    if (view !== null && view.pruned === null) return view;
  }
  throw new BatchctlError('notFound', `there is no finished job named "${name}" before ${record.job}`, {
    hint: `batchctl jobs --name ${name}`,
  });
}
