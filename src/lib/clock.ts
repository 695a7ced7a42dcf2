/** Where time comes from: injected, so that tests need not wait. */
export interface Clock {
  /** Wall time in milliseconds since the epoch, for instants that people read. */
  now(): number;
  /** Monotonic milliseconds, for durations and leases. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
