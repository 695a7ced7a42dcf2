import type { AttemptFacts, EndedAttempt } from './attempt-facts.ts';
import type { Throughput } from './report.ts';
import type { Series, TimeGrid } from './time-grid.ts';

/** With a handful of attempts a bin, a line over them is no comb of ones and zeros. */
const ATTEMPTS_A_BIN = 6;
const FEWEST_BINS = 24;

/** What ended when, and how much ran at once. */
export class ThroughputSums {
  readonly #grid: TimeGrid;
  readonly #ended: Readonly<Record<Exclude<AttemptFacts['outcome'], 'running'>, Series>>;
  readonly #running: Series;
  #attempts = 0;

  constructor(grid: TimeGrid) {
    this.#grid = grid;
    this.#ended = {
      ...{ done: grid.series(), failedAttempt: grid.series() },
      ...{ failed: grid.series(), interrupted: grid.series() },
    };
    this.#running = grid.series();
  }

  /** An attempt, whose time the grid has reached. */
  add({ facts, outcome, end }: EndedAttempt): void {
    this.#attempts += 1;
    this.#grid.cover(this.#running, facts.startedAt, end);
    if (outcome !== 'running') this.#grid.add(this.#ended[outcome], end, 1);
  }

  throughput(): Throughput {
    const most = Math.max(FEWEST_BINS, Math.floor(this.#attempts / ATTEMPTS_A_BIN));
    const view = this.#grid.view(most);
    if (view === null) return { from: null, seconds: 0, bins: [] };
    const of = (series: Series): readonly number[] => this.#grid.values(series, most);
    const [done, retried] = [of(this.#ended.done), of(this.#ended.failedAttempt)];
    const [failed, interrupted] = [of(this.#ended.failed), of(this.#ended.interrupted)];
    return {
      from: new Date(view.from).toISOString(),
      seconds: view.width / 1_000,
      bins: of(this.#running).map((milliseconds, at) => ({
        done: done[at] ?? 0,
        retried: retried[at] ?? 0,
        failed: failed[at] ?? 0,
        interrupted: interrupted[at] ?? 0,
        running: Math.round((milliseconds / view.width) * 100) / 100,
      })),
    };
  }
}
