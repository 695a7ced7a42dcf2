import { type Finding, pass, warn } from '../../ports/check.ts';
import type { Platform } from '../../ports/platform.ts';
import { lostNotices } from '../notify/untold.ts';

/** So many are named. */
const NAMED = 3;

/** What people were not told of, and that nobody tries any more: `prune` forgets it. */
export async function toldCheck({ store }: Pick<Platform, 'store'>): Promise<Finding> {
  const lost = await lostNotices(store);
  if (lost.length === 0) return pass('whoever was to be told of something was, or is tried again');
  const named = lost.slice(-NAMED).map(({ to, event }) => `${to}, of ${event}`);
  return warn(
    `after a day nobody tries any more to tell: ${named.join('; ')}${lost.length > NAMED ? `; ${lost.length - NAMED} more` : ''}`,
    'batchctl notify test says who takes it now; batchctl prune forgets what was lost',
  );
}
