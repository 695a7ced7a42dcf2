import { execFileSync } from 'node:child_process';

/**
 * The environment of processes whose clock will show `at` when it is the same in all of them: they are moved by as much,
 * and files' times with them. The clock that measures durations stays true.
 */
export function movedClock(at: string): Readonly<Record<string, string>> {
  // As the program names it: the loader finds the machine's own.
  const library = execFileSync('faketime', ['@0', 'printenv', 'LD_PRELOAD'], { encoding: 'utf8' }).trim();
  const seconds = Math.round((Date.parse(at) - Date.now()) / 1_000);
  const FAKETIME = `${seconds < 0 ? '' : '+'}${seconds}`;
  return { LD_PRELOAD: library, FAKETIME, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}
