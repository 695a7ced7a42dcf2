// How soon a manager repeats its duties. Requests to a remote store cost money; files of this machine don't.

/**
 * Milliseconds between two looks at the open jobs: the longest that a gather, a close or a resend waits. `remote`: the
 * store is a service. A look costs some requests per job, so many jobs are looked at less often: four per second, but
 * each at least once a minute.
 */
export function lookIntervalMs({ open, remote }: { readonly open: number; readonly remote: boolean }): number {
  if (!remote) return open === 0 ? 2_000 : Math.min(Math.max(1_000, 50 * open), 60_000);
  return open === 0 ? 15_000 : Math.min(Math.max(5_000, 250 * open), 60_000);
}

/** Milliseconds before the next try after this many consecutive failures, without jitter. */
export function failureDelayMs(failures: number): number {
  return Math.min(1_000 * 2 ** Math.max(0, failures - 1), 60_000);
}

/** Interval of what is due in any case: schedules are read again, sizes are lowered, the keeper's mark is put. */
export const MINUTE_MS = 60_000;

/** Milliseconds until the earliest of the instants, at most a minute: a clock may be set in that time. */
export function untilNextMs(instants: readonly number[], now: number): number {
  return Math.min(MINUTE_MS, ...instants.map((at) => Math.max(0, at - now)));
}
