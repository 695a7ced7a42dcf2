import type { Tolerance } from './job.ts';

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
