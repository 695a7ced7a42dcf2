import { trueNow } from './run/environment.ts';
import { installed } from './run/lacking.ts';

/** The environment of a batchctl whose wall clock now shows `at`, or less than a second later. */
export function movedClock(at: string): Readonly<Record<string, string>> {
  return { BATCHCTL_TEST_AHEAD_SECONDS: String(secondsAhead(at)) };
}

/**
 * The same for any program, such as a shell script that calls `date`. Files keep the machine's times, and the monotonic
 * clock is not moved.
 */
export function movedSystemClock(at: string): Readonly<Record<string, string>> {
  const seconds = secondsAhead(at);
  const FAKETIME = `${seconds < 0 ? '' : '+'}${seconds}`;
  return { LD_PRELOAD: installed('faketime'), FAKETIME, ...FAKETIME_OPTIONS };
}

/**
 * No shared memory: its name contains the process id, and a killed process leaves it behind, where it would disturb the
 * next process with that id.
 */
export const FAKETIME_OPTIONS = { FAKETIME_DONT_FAKE_MONOTONIC: '1', FAKETIME_DISABLE_SHM: '1' } as const;

/** Rounded up: a second earlier may be another month. */
const secondsAhead = (at: string): number => Math.ceil((Date.parse(at) - trueNow()) / 1_000);
