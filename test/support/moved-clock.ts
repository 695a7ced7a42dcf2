import { trueNow } from './run/environment.ts';
import { installed } from './run/lacking.ts';

/** The environment of a batchctl whose wall clock shows `at` when it is the same in all that are moved by as much. */
export function movedClock(at: string): Readonly<Record<string, string>> {
  return { BATCHCTL_TEST_AHEAD_SECONDS: String(secondsAhead(at)) };
}

/**
 * The same for every program, as for a shell script that asks `date`. Files' times stay those of the machine, and the clock
 * that measures durations stays true.
 */
export function movedMachine(at: string): Readonly<Record<string, string>> {
  const seconds = secondsAhead(at);
  const FAKETIME = `${seconds < 0 ? '' : '+'}${seconds}`;
  return { LD_PRELOAD: installed('faketime'), FAKETIME, ...TRUE_CLOCK };
}

/**
 * Without shared memory: that is named by the process's id, and one that is killed leaves it, in the way of the next
 * process of that id.
 */
export const TRUE_CLOCK = { FAKETIME_DONT_FAKE_MONOTONIC: '1', FAKETIME_DISABLE_SHM: '1' } as const;

/** Never before it: a second earlier may be another month. */
const secondsAhead = (at: string): number => Math.ceil((Date.parse(at) - trueNow()) / 1_000);
