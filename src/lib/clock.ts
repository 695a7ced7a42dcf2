/** The source of time, injected so that tests need not wait. */
export interface Clock {
  /** Wall time in milliseconds since the epoch, for instants shown to people. */
  now(): number;
  /** Monotonic milliseconds, for durations and leases. */
  monotonic(): number;
}

/** Milliseconds added to wall time, to test a process at another time; `BATCHCTL_TEST_AHEAD_SECONDS`. */
const AHEAD = 1_000 * Number(process.env.BATCHCTL_TEST_AHEAD_SECONDS ?? 0);

export const systemClock: Clock = {
  now: () => Date.now() + AHEAD,
  // Unlike `performance`, which most commands don't need, this loads nothing.
  monotonic: () => process.uptime() * 1_000,
};
