import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds between two checks. */
const [SHORTEST, LONGEST] = [5, 250];
/** Milliseconds between two checks that cost nothing, after some seconds, when a little more delay is acceptable. */
const PATIENT = 25;

/** Waits until `check` returns something other than false, null or undefined, and returns it; throws after `ms`. */
export async function until<T>(
  what: string,
  check: () => T | Promise<T>,
  ms = 120_000,
): Promise<Exclude<T, false | null | undefined>> {
  const start = performance.now();
  for (;;) {
    const checked = performance.now();
    const found = await check();
    if (isSomething(found)) return found;
    const now = performance.now();
    if (now - start > ms) throw new Error(`waited ${ms} ms in vain: ${what}`);
    // An expensive check leaves most of the time to the work that it waits for.
    const least = Math.min(Math.max(SHORTEST, (now - start) / 200), PATIENT);
    await sleep(Math.min(Math.max(least, (now - checked) * 4), LONGEST));
  }
}

function isSomething<T>(found: T): found is Exclude<T, false | null | undefined> {
  return found !== false && found !== null && found !== undefined;
}
