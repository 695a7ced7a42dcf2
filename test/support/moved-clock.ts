import { installed } from './run/lacking.ts';

/**
 * The environment of processes whose clock will show `at` when it is the same in all of them: they are moved by as much.
 * Files' times stay those of the machine, and the clock that measures durations stays true.
 */
export function movedClock(at: string): Readonly<Record<string, string>> {
  // Never before it: a second earlier may be another month.
  const seconds = Math.ceil((Date.parse(at) - Date.now()) / 1_000);
  const FAKETIME = `${seconds < 0 ? '' : '+'}${seconds}`;
  return { LD_PRELOAD: installed('faketime'), FAKETIME, ...TRUE_CLOCK };
}

/**
 * Without shared memory: that is named by the process's id, and one that is killed leaves it, in the way of the next
 * process of that id.
 */
export const TRUE_CLOCK = { FAKETIME_DONT_FAKE_MONOTONIC: '1', FAKETIME_DISABLE_SHM: '1' } as const;
