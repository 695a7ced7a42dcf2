import { type Tolerance, takesFiles, toleratedOf } from './job.ts';
import type { JobView } from './view.ts';

/** A tolerance as a person writes it: `3`, `0.1%`. */
export function toleranceText(tolerance: Tolerance): string {
  return tolerance.kind === 'count' ? String(tolerance.count) : `${Number((tolerance.share * 100).toPrecision(12))}%`;
}

/** `3`, `0.1%`. Throws a RangeError on anything else. */
export function parseTolerance(text: string): Tolerance {
  const share = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (share?.[1] !== undefined) return { kind: 'share', share: Number(share[1]) / 100 };
  if (/^\d+$/.test(text)) return { kind: 'count', count: Number(text) };
  throw new RangeError(`expected a count or a percentage, found ${text}`);
}

/**
 * Whether more tasks failed for good than may, by step: the chains of the first section and of each one behind an
 * `explode` are counted by themselves, with the gathers that follow them.
 */
export function exceedsTolerance(
  { record, tolerance }: JobView,
  sizes: readonly number[],
  failed: readonly number[],
): boolean {
  let [start, count] = [0, 0];
  return record.spec.steps.some((_, index) => {
    if (takesFiles(record.spec.steps, index)) [start, count] = [index, 0];
    count += failed[index] ?? 0;
    return count > toleratedOf(tolerance, sizes[start] ?? 0);
  });
}
