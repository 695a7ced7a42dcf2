/** What was measured of a task: its size (bytes, 0 where tasks have none) and what it took. */
export interface Measure {
  readonly size: number;
  readonly value: number;
}

/** What a task of a size takes, and how far tasks are off that: ratios whose mean is 1. */
export interface SizeModel {
  readonly predict: (size: number) => number;
  readonly ratios: readonly number[];
}

/** Sizes that differ by less than this share tell nothing of what a byte costs. */
const SAME_SIZE = 0.02;
const FEWEST = 5;

/**
 * Fits `fixed + perByte * size` to what was measured, both at least 0. Where sizes hardly differ, or explain nothing,
 * every task takes the mean. Throws a RangeError without a measure.
 */
export function fitSizes(measures: readonly Measure[]): SizeModel {
  const count = measures.length;
  if (count === 0) throw new RangeError('expected something measured');
  const size = mean(measures.map((measure) => measure.size));
  const value = mean(measures.map((measure) => measure.value));
  const line = count < FEWEST ? null : lineOf(measures, size, value);
  const predict = line === null ? () => value : (bytes: number) => Math.max(0, line.fixed + line.perByte * bytes);
  const spread = Math.sqrt(count / Math.max(1, count - (line === null ? 1 : 2)));
  return { predict, ratios: ratiosOf(measures, predict, spread) };
}

function lineOf(
  measures: readonly Measure[],
  size: number,
  value: number,
): { readonly fixed: number; readonly perByte: number } | null {
  let [xx, xy] = [0, 0];
  for (const measure of measures) {
    xx += (measure.size - size) ** 2;
    xy += (measure.size - size) * (measure.value - value);
  }
  if (size === 0 || Math.sqrt(xx / measures.length) < SAME_SIZE * size) return null;
  const perByte = xy / xx;
  if (!(perByte > 0)) return null;
  const fixed = value - perByte * size;
  const left = measures.reduce((sum, at) => sum + (at.value - fixed - perByte * at.size) ** 2, 0);
  const error = Math.sqrt(left / Math.max(1, measures.length - 2) / xx);
  // A slope that is no larger than its own error is noise.
  if (perByte < error) return null;
  return fixed >= 0 ? { fixed, perByte } : { fixed: 0, perByte: value / size };
}

/** Residuals of a fit are smaller than the errors it is to tell of: `spread` makes up for that. */
function ratiosOf(measures: readonly Measure[], predict: (size: number) => number, spread: number): readonly number[] {
  const raw = measures.map(({ size, value }) => {
    const expected = predict(size);
    return expected > 0 ? value / expected : 1;
  });
  const middle = mean(raw) || 1;
  return raw.map((ratio) => Math.max(0, 1 + (ratio / middle - 1) * spread));
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
