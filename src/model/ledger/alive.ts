/** A worker whose last heartbeat is older than this counts as gone, milliseconds. */
export const aliveMs = (leaseSeconds: number): number => 2 * leaseSeconds * 1_000;
