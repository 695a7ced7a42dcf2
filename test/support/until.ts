import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds between two looks. */
const [SHORTEST, LONGEST] = [5, 250];
/** After some seconds, a moment more matters little: looks that cost nothing are this far apart then, milliseconds. */
const PATIENT = 25;

/** Waits until `look` answers something other than false, null or undefined, and answers it; fails after `ms`. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  ms = 120_000,
): Promise<Exclude<T, false | null | undefined>> {
  const start = performance.now();
  for (;;) {
    const looked = performance.now();
    const found = await look();
    if (isSomething(found)) return found;
    const now = performance.now();
    if (now - start > ms) throw new Error(`waited ${ms} ms in vain: ${what}`);
    // A look that is work itself leaves most of the time to what it waits for.
    const least = Math.min(Math.max(SHORTEST, (now - start) / 200), PATIENT);
    await sleep(Math.min(Math.max(least, (now - looked) * 4), LONGEST));
  }
}

function isSomething<T>(found: T): found is Exclude<T, false | null | undefined> {
  return found !== false && found !== null && found !== undefined;
}
