import type { Throughput } from '../answers/report.ts';
import type { AttemptFacts, EndedAttempt } from './attempt-facts.ts';
import { hundredths, type Series, type TimeGrid } from './time-grid.ts';
import type { Presence } from './worker-sums.ts';

/** With a handful of attempts per bin, a line over them doesn't alternate between ones and zeros. */
const ATTEMPTS_A_BIN = 6;

const FEWEST_BINS = 24;

/** What ended when, and how much ran at once. */
export class ThroughputSums {
  readonly #grid: TimeGrid;
  readonly #ended: Readonly<Record<Exclude<AttemptFacts['outcome'], 'running'>, Series>>;
  readonly #running: Series;
  readonly #slots: Series;
  #attempts = 0;

  constructor(grid: TimeGrid) {
    this.#grid = grid;
    this.#ended = {
      done: grid.series(),
      failedAttempt: grid.series(),
      failed: grid.series(),
      interrupted: grid.series(),
    };
    this.#running = grid.series();
    this.#slots = grid.series();
  }

  /** Adds an attempt, whose time the grid has reached. */
  add({ facts, outcome, end }: EndedAttempt): void {
    this.#attempts += 1;
    this.#grid.addSpan(this.#running, facts.startedAt, end);
    if (outcome !== 'running') this.#grid.add(this.#ended[outcome], end, 1);
  }

  /** The result; `presences` are those of its workers, within `span`: from the first start to the last end. */
  throughput(presences: readonly Presence[], span: Pick<Presence, 'from' | 'to'>): Throughput {
    for (const { from, to, slots } of presences) this.#grid.addSpan(this.#slots, from, to, slots);
    const most = Math.max(FEWEST_BINS, Math.floor(this.#attempts / ATTEMPTS_A_BIN));
    const view = this.#grid.view(most);
    if (view === null) return { from: null, seconds: 0, bins: [] };
    const of = (series: Series): readonly number[] => this.#grid.values(series, most);
    const [done, retried] = [of(this.#ended.done), of(this.#ended.failedAttempt)];
    const [failed, interrupted] = [of(this.#ended.failed), of(this.#ended.interrupted)];
    const slots = of(this.#slots);
    // The first and the last bin are only partly within the time in which anything ran.
    const within = (at: number): number =>
      Math.min(span.to, view.from + (at + 1) * view.width) - Math.max(span.from, view.from + at * view.width);
    return {
      from: new Date(view.from).toISOString(),
      seconds: view.width / 1_000,
      bins: of(this.#running).map((milliseconds, at) => ({
        done: done[at] ?? 0,
        retried: retried[at] ?? 0,
        failed: failed[at] ?? 0,
        interrupted: interrupted[at] ?? 0,
        running: hundredths(milliseconds / view.width),
        slots: within(at) <= 0 ? 0 : hundredths((slots[at] ?? 0) / within(at)),
      })),
    };
  }
}
