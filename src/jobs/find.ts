import { BatchctlError } from '../errors.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { mustReadView } from './journal.ts';

export async function findJob(platform: Platform, text: string | undefined): Promise<JobView> {
  if (text !== undefined && text !== 'last') return mustReadView(platform.store, text);
  const [latest] = await (await platform.ledger()).jobs({ limit: 1 });
  if (latest === undefined)
    throw new BatchctlError('notFound', 'there is no job yet', { hint: 'batchctl run job.yaml' });
  return mustReadView(platform.store, latest.job);
}
