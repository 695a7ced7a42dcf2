import { jitter, wait } from '../lib/wait.ts';

/** Milliseconds between two looks: at first what takes a second is waited for, later what takes minutes. */
const FIRST_MS = 500;
const LONGEST_MS = 5_000;

/** Looks until it says yes, or time is over: then answers false. Throws the signal's reason when it aborts. */
export async function lookUntil(
  look: () => Promise<boolean>,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  for (let pause = FIRST_MS; ; pause = Math.min(1.5 * pause, LONGEST_MS)) {
    if (await look()) return true;
    const left = end - performance.now();
    if (left <= 0) return false;
    await wait(Math.min(jitter(pause), left), signal);
    signal.throwIfAborted();
  }
}
