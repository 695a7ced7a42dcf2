import { type Finding, pass, warn } from '../../ports/check.ts';
import type { Platform } from '../../ports/platform.ts';
import { lostNotices } from '../notify/untold.ts';

/** So many are named. */
const NAMED = 3;

/** What people were not told of, and that nobody tries any more: `prune` forgets it. */
export async function toldCheck({ store }: Pick<Platform, 'store'>): Promise<Finding> {
  const lost = await lostNotices(store);
  if (lost.length === 0) return pass('all notifications were sent, or are being retried');
  const named = lost.slice(-NAMED).map(({ to, event }) => `${to}, of ${event}`);
  return warn(
    `given up after a day: ${named.join('; ')}${lost.length > NAMED ? `; ${lost.length - NAMED} more` : ''}`,
    'batchctl notify test shows which receivers accept it now; batchctl prune removes old records',
  );
}
