/** How soon a manager does its duties again. Requests to a store elsewhere cost money; files of this machine don't. */

/** What one look at the open jobs is followed by. */
export interface LookedAt {
  /** How many jobs are open. */
  readonly open: number;
  /** The store is a service. */
  readonly remote: boolean;
}

/**
 * Milliseconds between two looks at the open jobs: a gather, a close and a resend wait for so long at most. A look costs
 * some requests a job, so many jobs are looked at more seldom: four a second, and each once a minute at least.
 */
export function lookAgainMs({ open, remote }: LookedAt): number {
  if (!remote) return open === 0 ? 2_000 : Math.min(Math.max(1_000, 50 * open), 60_000);
  return open === 0 ? 15_000 : Math.min(Math.max(5_000, 250 * open), 60_000);
}

/** Milliseconds before the next try after so many that failed in a row, without jitter. */
export function troubleMs(failures: number): number {
  return Math.min(1_000 * 2 ** Math.max(0, failures - 1), 60_000);
}

/** What is due once a minute whatever happens: schedules are read again, sizes are lowered, the mark is left. */
export const MINUTE_MS = 60_000;

/** Milliseconds until the earliest of the instants, at most a minute: a clock may be set meanwhile. */
export function untilNextMs(instants: readonly number[], now: number): number {
  return Math.min(MINUTE_MS, ...instants.map((at) => Math.max(0, at - now)));
}
