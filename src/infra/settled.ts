import { setTimeout as sleep } from 'node:timers/promises';
import { jitter, wait } from '../lib/wait.ts';

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
  'NoSuchEntity',
  'ConcurrentModification',
  'EntityTemporarilyUnmodifiable',
]);

/**
 * Does something again for as long as AWS says that what was made before isn't everywhere yet; two minutes at most.
 * `also` are further errors that pass, by their names or by what their messages match.
 */
export async function onceSettled<T>(attempt: () => Promise<T>, also: readonly (string | RegExp)[] = []): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await attempt();
    } catch (error) {
      // The SDK names IAM's errors by their code with `Exception` behind it.
      const name = error instanceof Error ? error.name.replace(/Exception$/, '') : '';
      const message = error instanceof Error ? error.message : '';
      const passes =
        PASSING.has(name) || also.some((one) => (typeof one === 'string' ? one === name : one.test(message)));
      if (!passes || performance.now() + pause > end) throw error;
      await sleep(pause);
    }
  }
}

/** Milliseconds between two looks: at first what takes a second is waited for, later what takes minutes. */
const FIRST_LOOK_MS = 500;
const LONGEST_LOOK_MS = 5_000;

/** Looks until it says yes, or time is over: then answers false. Throws the signal's reason when it aborts. */
export async function lookUntil(
  look: () => Promise<boolean>,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(1.5 * pause, LONGEST_LOOK_MS)) {
    if (await look()) return true;
    const left = end - performance.now();
    if (left <= 0) return false;
    await wait(Math.min(jitter(pause), left), signal);
    signal.throwIfAborted();
  }
}
