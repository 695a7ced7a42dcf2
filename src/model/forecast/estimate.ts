import type { Estimate } from './sample.ts';

/** The middle and both ends of what was drawn; empty: all 0. */
export function estimateOf(draws: readonly number[]): Estimate {
  const sorted = [...draws].sort((a, b) => a - b);
  return { low: quantile(sorted, 0.1), expected: quantile(sorted, 0.5), high: quantile(sorted, 0.9) };
}

function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return below + (above - below) * (at - Math.floor(at));
}
