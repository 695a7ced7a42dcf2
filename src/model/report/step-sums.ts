import type { Distribution } from '../answers/report.ts';
import type { AttemptFacts, EndedAttempt } from './attempt-facts.ts';

export class StepSums {
  readonly duration = new DurationSketch();
  readonly wait = new DurationSketch();
  done = 0;
  retried = 0;
  interrupted = 0;
  cpuSeconds: number | null = null;
  peakMemory: number | null = null;
  /** Winning attempts of which CPU or memory is known: those that ran long enough to be sampled. */
  measured = 0;
  /** Seconds that those ran whose CPU is known. */
  measuredSeconds = 0;
  #begun = Number.POSITIVE_INFINITY;
  #ended = Number.NEGATIVE_INFINITY;

  /** Seconds from the first start to the last end of the winning attempts; null while there is none. */
  get seconds(): number | null {
    return this.done === 0 ? null : Math.max(0, this.#ended - this.#begun) / 1_000;
  }

  /** All attempts of one task, ended. */
  add(attempts: readonly EndedAttempt[]): void {
    for (const attempt of attempts) this.#addAttempt(attempt);
    this.#addWaits(attempts);
  }

  #addAttempt({ facts, outcome, end }: EndedAttempt): void {
    if (outcome === 'failedAttempt') this.retried += 1;
    if (outcome === 'interrupted') this.interrupted += 1;
    if (outcome !== 'done') return;
    this.done += 1;
    this.duration.add(end - facts.startedAt);
    this.#begun = Math.min(this.#begun, facts.startedAt);
    this.#ended = Math.max(this.#ended, end);
    if (facts.cpuSeconds !== null || facts.peakMemory !== null) this.measured += 1;
    if (facts.cpuSeconds !== null) {
      this.cpuSeconds = (this.cpuSeconds ?? 0) + facts.cpuSeconds;
      this.measuredSeconds += (end - facts.startedAt) / 1_000;
    }
    if (facts.peakMemory !== null) this.peakMemory = Math.max(this.peakMemory ?? 0, facts.peakMemory);
  }

  /** A task waits for its first attempt of a round; an interrupted one waited only until the interrupted attempt. */
  #addWaits(attempts: readonly EndedAttempt[]): void {
    if (attempts.length === 1) this.#addWait(attempts[0]?.facts);
    else for (const first of firstOfRounds(attempts)) this.#addWait(first);
  }

  #addWait(facts: AttemptFacts | undefined): void {
    if (facts !== undefined && facts.waitSeconds !== null) this.wait.add(facts.waitSeconds * 1_000);
  }
}

function firstOfRounds(attempts: readonly EndedAttempt[]): Iterable<AttemptFacts> {
  const first = new Map<number, AttemptFacts>();
  for (const { facts } of attempts) {
    const known = first.get(facts.round);
    if (known === undefined || facts.startedAt < known.startedAt) first.set(facts.round, facts);
  }
  return first.values();
}

/** Quantiles are exact up to this number of values. */
const EXACT = 10_000;

/** Below this many milliseconds each has its bin; above it bins grow by `GROWTH`, which has the same width there. */
const LINEAR = 50;

const GROWTH = 1.02;

const LOG_GROWTH = Math.log(GROWTH);

/** The last bin takes everything longer: some 40 years. */
const BINS = 1_024;

const SHOWN_BINS = 60;

/**
 * Millions of durations in a few kilobytes. Count, sum, minimum and maximum are exact; quantiles are exact up to 10,000
 * values, and at most 1 % too high beyond. A quantile is one of the values (nearest rank), never between two. Values
 * are rounded to whole milliseconds.
 */
export class DurationSketch {
  readonly #bins = new Float64Array(BINS);
  /** Null once there are too many. */
  #values: number[] | null = [];
  #sorted = true;
  #count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds a duration in milliseconds; a negative one (a clock was set) counts as 0. */
  add(milliseconds: number): void {
    const value = Math.max(0, Math.round(milliseconds));
    this.#count += 1;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    const bin = binOf(value);
    this.#bins[bin] = (this.#bins[bin] ?? 0) + 1;
    if (this.#values === null) return;
    this.#values.push(value);
    this.#sorted = false;
    if (this.#values.length > EXACT) this.#values = null;
  }

  /** The value at rank `share` (0 to 1), in milliseconds; 0 if there is none. */
  quantile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#count));
    if (this.#values !== null) return this.#exact(rank);
    let seen = 0;
    for (let bin = 0; bin < BINS; bin += 1) {
      seen += this.#bins[bin] ?? 0;
      if (seen < rank) continue;
      const middle = bin < LINEAR ? bin : Math.sqrt(edgeOf(bin) * edgeOf(bin + 1));
      return Math.min(this.#max, Math.max(this.#min, middle));
    }
    return this.#max;
  }

  /** The distribution in seconds; null if nothing was added. */
  distribution(): Distribution | null {
    if (this.#count === 0) return null;
    const seconds = (milliseconds: number): number => Math.round(milliseconds) / 1_000;
    return {
      count: this.#count,
      min: seconds(this.#min),
      mean: seconds(this.#sum / this.#count),
      p50: seconds(this.quantile(0.5)),
      p95: seconds(this.quantile(0.95)),
      p99: seconds(this.quantile(0.99)),
      max: seconds(this.#max),
      sum: this.#sum / 1_000,
      bins: this.#shownBins(),
    };
  }

  #exact(rank: number): number {
    const values = this.#values ?? [];
    if (!this.#sorted) values.sort((a, b) => a - b);
    this.#sorted = true;
    return values[Math.min(rank, values.length) - 1] ?? 0;
  }

  /** Joins fine bins until each spans the same ratio, so that there are few enough to draw. */
  #shownBins(): Distribution['bins'] {
    const [first, last] = [binOf(this.#min), binOf(this.#max)];
    const low = Math.max(1, edgeOf(first));
    const ratio = (edgeOf(last + 1) / low) ** (1 / (SHOWN_BINS - 2));
    const shown: { from: number; to: number; count: number }[] = [];
    for (let bin = first; bin <= last; ) {
      const from = edgeOf(bin);
      let count = 0;
      do {
        count += this.#bins[bin] ?? 0;
        bin += 1;
      } while (bin <= last && edgeOf(bin) < from * ratio * (1 - 1e-9));
      shown.push({ from: edge(from), to: edge(edgeOf(bin)), count });
    }
    return shown;
  }
}

/** In seconds, with enough digits to distinguish neighboring bins. */
const edge = (milliseconds: number): number => Number((milliseconds / 1_000).toPrecision(6));

function binOf(milliseconds: number): number {
  if (milliseconds < LINEAR) return milliseconds;
  return Math.min(BINS - 1, LINEAR + Math.floor(Math.log(milliseconds / LINEAR) / LOG_GROWTH + 1e-9));
}

/** The lower bound of a bin, milliseconds. */
function edgeOf(bin: number): number {
  return bin <= LINEAR ? bin : LINEAR * GROWTH ** (bin - LINEAR);
}
