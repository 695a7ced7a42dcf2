import type { Tolerance } from './job.ts';

/** A tolerance as a person writes it: `3`, `0.1%`. */
export function toleranceText(tolerance: Tolerance): string {
  return tolerance.kind === 'count' ? String(tolerance.count) : `${Number((tolerance.share * 100).toPrecision(12))}%`;
}
