/** Seconds from an instance's launch to its worker's first sign of life, of which nothing is known yet. */
export const USUAL_BOOT = 90;
/** So many of the latest boots count. */
export const BOOTS_KEPT = 20;
/** No figure beyond these is planned by, seconds: a clock may be wrong, and an instance may have been stopped meanwhile. */
const LEAST = 15;
const MOST = 900;

/**
 * Seconds that a boot takes, by the latest that were measured: their upper quartile, so that three in four are as fast,
 * and a single slow one moves nothing. Within bounds; 90 before any is known.
 */
export function bootSecondsOf(measured: readonly number[]): number {
  const latest = measured.slice(-BOOTS_KEPT).sort((a, b) => a - b);
  const quartile = latest[Math.ceil(0.75 * latest.length) - 1];
  return quartile === undefined ? USUAL_BOOT : Math.min(MOST, Math.max(LEAST, quartile));
}
