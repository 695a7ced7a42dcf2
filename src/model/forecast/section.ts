import type { PartSizes } from './part-sizes.ts';

/** How many chains are scheduled one by one. If there are more, the first ones count as work that fills all slots. */
const MAX_SCHEDULED = 1_500;

/** The number and sizes of a section's tasks: for parts, their sizes; for files and the like, only the number. */
export interface SectionSize {
  readonly count: number;
  readonly sizes: Float64Array;
  /** The bins of the whole; one of size 0 if size doesn't matter. */
  readonly bins: readonly { readonly count: number; readonly size: number }[];
}

/** The parts of an input, in random order. */
export function partsSection(parts: PartSizes, random: Random): SectionSize {
  const bins = parts.bins();
  const sizes = new Float64Array(Math.min(parts.count, MAX_SCHEDULED));
  if (parts.count <= MAX_SCHEDULED) {
    let at = 0;
    for (const { count, size } of bins) for (let i = 0; i < count; i += 1) sizes[at++] = size;
    shuffle(sizes, random);
  } else for (let i = 0; i < sizes.length; i += 1) sizes[i] = sizeAtRank(bins, random() * parts.count);
  return { count: parts.count, sizes, bins };
}

/** Tasks whose size doesn't matter. */
export function plainSection(count: number): SectionSize {
  return { count, sizes: new Float64Array(Math.min(count, MAX_SCHEDULED)), bins: [{ count, size: 0 }] };
}

export interface StepDraw {
  /** For the chains that are scheduled one by one. */
  readonly seconds: Float64Array;
  /** Their sum. */
  readonly scheduled: number;
  /** For all tasks together. */
  readonly work: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly files: number;
  readonly cpuSeconds: number | null;
  readonly peakMemory: number | null;
}

/**
 * Draws the duration of a step for a whole section, from observed tasks resampled with replacement, so that the
 * uncertainty of a small sample shows as spread. `drift`: the factor by which everything is slower this time.
 */
export function drawStep(
  seen: readonly Observation[],
  { count, sizes, bins }: SectionSize,
  { random, drift, sized }: { readonly random: Random; readonly drift: number; readonly sized: boolean },
): StepDraw {
  const some = resample(seen, random);
  const measured = (value: (at: Observation) => number): readonly Measure[] =>
    some.map((at) => ({ size: sized ? at.size : 0, value: value(at) }));
  const total = (value: (at: Observation) => number): number => sumOver(bins, fitSizes(measured(value)));
  const times = measured((at) => at.seconds);
  const time = fitSizes(times);
  const ratios = ratiosOf(times, time);
  const seconds = new Float64Array(sizes.length);
  let scheduled = 0;
  for (let i = 0; i < seconds.length; i += 1) {
    const each = time.predict(sizes[i] ?? 0) * (ratios[Math.floor(random() * ratios.length)] ?? 1) * drift;
    seconds[i] = each;
    scheduled += each;
  }
  const work = sumOver(bins, time) * drift;
  const busy = mean(some.map((at) => at.seconds));
  const cpu = some.every((at) => at.cpuSeconds !== null) ? mean(some.map((at) => at.cpuSeconds ?? 0)) : null;
  const memory = some.flatMap((at) => at.peakMemory ?? []);
  return {
    seconds,
    scheduled,
    work: count === sizes.length ? scheduled : Math.max(work, scheduled),
    bytesIn: total((at) => at.bytesIn),
    bytesOut: total((at) => at.bytesOut),
    files: Math.round(total((at) => at.files ?? 0)),
    cpuSeconds: cpu === null ? null : busy === 0 ? cpu * count : (cpu / busy) * work,
    peakMemory: memory.length === 0 ? null : Math.max(...memory),
  };
}

function sumOver(bins: SectionSize['bins'], { predict }: SizeModel): number {
  let sum = 0;
  for (const { count, size } of bins) sum += count * predict(size);
  return sum;
}

/**
 * Draws the duration of a one-task step with `grown` times the observed input. How much of the time grows with the
 * input can't be learned from one task: every share is equally likely.
 */
export function drawOne(
  seen: Observation,
  grown: number,
  { random, drift }: { readonly random: Random; readonly drift: number },
): StepDraw {
  const scaled = (value: number): number => {
    const fixed = random();
    return value * (fixed + (1 - fixed) * grown);
  };
  const work = scaled(seen.seconds) * drift;
  return {
    seconds: Float64Array.of(work),
    scheduled: work,
    work,
    bytesIn: seen.bytesIn * grown,
    bytesOut: scaled(seen.bytesOut),
    files: Math.round(scaled(seen.files ?? 0)),
    cpuSeconds:
      seen.cpuSeconds === null ? null : seen.seconds === 0 ? seen.cpuSeconds : (seen.cpuSeconds / seen.seconds) * work,
    peakMemory: seen.peakMemory === null ? null : scaled(seen.peakMemory),
  };
}

function sizeAtRank(bins: SectionSize['bins'], at: number): number {
  let left = at;
  for (const { count, size } of bins) {
    if (left < count) return size;
    left -= count;
  }
  return bins.at(-1)?.size ?? 0;
}

function shuffle(values: Float64Array, random: Random): void {
  for (let i = values.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [values[i], values[j]] = [values[j] ?? 0, values[i] ?? 0];
  }
}

export interface Observation extends Omit<StepDraw, 'seconds' | 'scheduled' | 'work' | 'files'> {
  readonly task: number;
  /** Bytes of the part that its chain began with; 0 if parts have no size. */
  readonly size: number;
  readonly seconds: number;
  readonly files: number | null;
}

/** A finished job: some of its tasks of each step, in step order. */
export interface SampleRun {
  readonly steps: readonly (readonly Observation[])[];
  /** Input bytes of its first step, over all tasks. */
  readonly bytesIn: number;
  /** Seconds from submission to the first attempt, and from the last one to the close. */
  readonly before: number;
  readonly after: number;
}

/** A figure with its error: one in ten is below `low`, one in ten above `high`. */
export interface Estimate {
  readonly low: number;
  readonly expected: number;
  readonly high: number;
}

/** A measured task: its size (bytes, 0 if tasks have none) and its duration. */
interface Measure {
  readonly size: number;
  readonly value: number;
}

/** The duration of a task by its size. */
interface SizeModel {
  readonly predict: (size: number) => number;
  /** How many numbers were fitted: two for a line, one for a mean. */
  readonly fitted: 1 | 2;
}

/** Sizes that differ by less than this share don't show the cost of a byte. */
const SAME_SIZE = 0.02;

const MIN_MEASURES = 5;

/**
 * Fits `fixed + perByte * size` to the measurements, both at least 0. If sizes hardly differ, or explain nothing, every
 * task takes the mean. Throws a RangeError without measurements.
 */
export function fitSizes(measures: readonly Measure[]): SizeModel {
  const count = measures.length;
  if (count === 0) throw new RangeError('expected something measured');
  let [sizes, values] = [0, 0];
  for (const measure of measures) {
    sizes += measure.size;
    values += measure.value;
  }
  const [size, value] = [sizes / count, values / count];
  const line = count < MIN_MEASURES ? null : fitLine(measures, size, value);
  const { fixed, perByte } = line ?? { fixed: value, perByte: 0 };
  return { predict: (bytes) => Math.max(0, fixed + perByte * bytes), fitted: line === null ? 1 : 2 };
}

function fitLine(
  measures: readonly Measure[],
  size: number,
  value: number,
): { readonly fixed: number; readonly perByte: number } | null {
  if (size === 0 || value === 0) return null;
  let [xx, xy] = [0, 0];
  for (const measure of measures) {
    xx += (measure.size - size) ** 2;
    xy += (measure.size - size) * (measure.value - value);
  }
  if (Math.sqrt(xx / measures.length) < SAME_SIZE * size) return null;
  const perByte = xy / xx;
  if (!(perByte > 0)) return null;
  const fixed = value - perByte * size;
  let left = 0;
  for (const at of measures) left += (at.value - fixed - perByte * at.size) ** 2;
  const error = Math.sqrt(left / Math.max(1, measures.length - 2) / xx);
  // A slope smaller than its own error is noise.
  if (perByte < error) return null;
  return fixed >= 0 ? { fixed, perByte } : { fixed: 0, perByte: value / size };
}

/** The deviations from a model: ratios with mean 1. */
function ratiosOf(measures: readonly Measure[], { predict, fitted }: SizeModel): readonly number[] {
  // Residuals of a fit are smaller than prediction errors.
  const spread = Math.sqrt(measures.length / Math.max(1, measures.length - fitted));
  const raw = measures.map(({ size, value }) => {
    const expected = predict(size);
    return expected > 0 ? value / expected : 1;
  });
  const middle = mean(raw) || 1;
  return raw.map((ratio) => Math.max(0, 1 + (ratio / middle - 1) * spread));
}

function mean(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return values.length === 0 ? 0 : sum / values.length;
}

/** Numbers from 0 to below 1, the same for the same seed, so that a forecast can be repeated. */
export type Random = () => number;

/** Mulberry32: 32 bits of state, fast, good enough to draw samples. */
export function seededRandom(seed: number): Random {
  // Signed, because V8 keeps a signed 32-bit number without allocating memory for each.
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number from the normal distribution with mean 0 and deviation 1. */
export function randomNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** An element of a list that isn't empty, all with equal probability. */
export function pickOne<T>(list: readonly T[], random: Random): T {
  const found = list[Math.floor(random() * list.length)];
  if (found === undefined) throw new RangeError('nothing to choose from');
  return found;
}

/** As many elements as the list has, drawn with replacement: a bootstrap sample. */
export function resample<T>(list: readonly T[], random: Random): readonly T[] {
  return list.map(() => pickOne(list, random));
}
