import { existsSync, readdirSync } from 'node:fs';

/**
 * The environment of processes whose clock will show `at` when it is the same in all of them: they are moved by as much,
 * and files' times with them. The clock that measures durations stays true.
 */
export function movedClock(at: string): Readonly<Record<string, string>> {
  // Never before it: a second earlier may be another month.
  const seconds = Math.ceil((Date.parse(at) - Date.now()) / 1_000);
  const FAKETIME = `${seconds < 0 ? '' : '+'}${seconds}`;
  return { LD_PRELOAD: faketimeLibrary(), FAKETIME, ...TRUE_CLOCK };
}

/**
 * Without shared memory: that is named by the process's id, and one that is killed leaves it, in the way of the next
 * process of that id.
 */
export const TRUE_CLOCK = { FAKETIME_DONT_FAKE_MONOTONIC: '1', FAKETIME_DISABLE_SHM: '1' } as const;

/** Where Debian's package `faketime` has its library. */
export function faketimeLibrary(): string {
  const found = readdirSync('/usr/lib')
    .map((name) => `/usr/lib/${name}/faketime/libfaketime.so.1`)
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error("expected libfaketime, Debian's package faketime");
  return found;
}
