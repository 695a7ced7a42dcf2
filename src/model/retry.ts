/**
 * Seconds before the next try: exponential from one second to five minutes, with full jitter
 * (any time up to the bound, so that failures that came together don't return together).
 */
export function retryDelay(failedAttempts: number, random: number): number {
  const bound = Math.min(300, 2 ** Math.min(failedAttempts - 1, 9));
  return Math.round(random * bound * 10) / 10;
}
