/** Monotonic milliseconds that all threads of the process share; `performance.now()` begins anew in each. */
export function sharedMonotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
