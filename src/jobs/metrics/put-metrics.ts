import { metricsOf } from '../../model/metrics.ts';
import type { Platform } from '../../ports/platform.ts';
import { readMetrics, type TalliesSeen } from './read-metrics.ts';

/** Between two looks of one keeper, milliseconds: a figure a minute is what one pays for, and what alarms look at. */
const EVERY_MS = 55_000;

/** Puts what is measured where the profile says so, once a minute at most, whoever of its keepers looks how often. */
export class MetricsPutter {
  readonly #platform: Platform;
  #seen: TalliesSeen | null;

  /** `seen`: what `seen()` of an earlier process answered. */
  constructor(platform: Platform, seen: TalliesSeen | null = null) {
    this.#platform = platform;
    this.#seen = seen;
  }

  /** Throws where the store or the ledger is away, or the figures can't be put: then those of this moment are missing. */
  async round(): Promise<void> {
    const { metrics: sink, clock } = this.#platform;
    const now = clock.now();
    if (sink === undefined || (this.#seen !== null && now - this.#seen.at < EVERY_MS)) return;
    const { snapshot, tallies } = await readMetrics(this.#platform, this.#seen);
    this.#seen = tallies;
    await sink.put(metricsOf(snapshot), new Date(snapshot.at));
  }

  /** For a process that comes after this one; null where nothing is put. */
  seen(): TalliesSeen | null {
    return this.#seen;
  }
}
