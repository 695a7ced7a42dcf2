import { setTimeout as sleep } from 'node:timers/promises';

/** How long what was just made may be unknown to the next call, milliseconds. */
const PATIENCE_MS = 120_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/** Errors by which AWS says that a change before this one has not come everywhere yet. */
const PASSING = new Set([
  'NoSuchBucket',
  'OperationAborted',
  'QueueDoesNotExist',
  'QueueDeletedRecently',
  'NoSuchDomain',
]);

/** Does something again for as long as AWS says that what was made before isn't everywhere yet; two minutes at most. */
export async function onceSettled<T>(attempt: () => Promise<T>): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await attempt();
    } catch (error) {
      const passes = error instanceof Error && PASSING.has(error.name);
      if (!passes || performance.now() + pause > end) throw error;
      await sleep(pause);
    }
  }
}
