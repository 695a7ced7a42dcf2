import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `look` answers something other than false, null or undefined, and answers it; fails after `ms`. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  ms = 120_000,
): Promise<Exclude<T, false | null | undefined>> {
  const start = performance.now();
  for (;;) {
    const found = await look();
    if (isSomething(found)) return found;
    if (performance.now() - start > ms) throw new Error(`waited ${ms} ms in vain: ${what}`);
    await sleep(5);
  }
}

function isSomething<T>(found: T): found is Exclude<T, false | null | undefined> {
  return found !== false && found !== null && found !== undefined;
}
