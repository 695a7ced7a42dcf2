import { wait } from '../../lib/wait.ts';

/** Milliseconds: what the first wait is drawn from, and the longest. */
const FIRST = 50;
const LONGEST = 5_000;

/** Waits before try `count` + 1 with full jitter, doubling. Throws the signal's reason when it aborts. */
export async function backOff(count: number, signal?: AbortSignal): Promise<void> {
  await wait(Math.random() * Math.min(FIRST * 2 ** count, LONGEST), signal);
  signal?.throwIfAborted();
}
