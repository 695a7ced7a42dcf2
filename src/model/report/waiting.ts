import type { EndedAttempt } from './attempt-facts.ts';
import type { Series, TimeGrid } from './time-grid.ts';

/**
 * How many tasks wait, over time. A task waits from when its input exists until it starts, and between its attempts: it
 * is not the wait that a worker measured, which leaves out the tasks that have not started.
 */
export class WaitingSums {
  readonly #grid: TimeGrid;
  /** By step: first attempts begun, tasks done. */
  readonly #steps = new Map<string, { readonly begun: Series; readonly done: Series }>();
  /** Between the attempts of a task. */
  readonly #between: Series;

  constructor(grid: TimeGrid) {
    this.#grid = grid;
    this.#between = grid.series();
  }

  /** All attempts of one task, whose times the grid has reached. */
  add(attempts: readonly EndedAttempt[]): void {
    const inOrder = [...attempts].sort((a, b) => a.facts.startedAt - b.facts.startedAt);
    const [first] = inOrder;
    if (first === undefined) return;
    const { begun, done } = this.#seriesOf(first.facts.step);
    this.#grid.add(begun, first.facts.startedAt, 1);
    for (const [n, { outcome, end, facts }] of inOrder.entries()) {
      if (outcome === 'done') this.#grid.add(done, end, 1);
      const before = inOrder[n - 1];
      if (before === undefined || facts.startedAt <= before.end) continue;
      // One that failed for good waits only since it was retried.
      const asked = facts.startedAt - (facts.waitSeconds ?? 0) * 1_000;
      const from = before.facts.round === facts.round ? before.end : Math.max(before.end, asked);
      this.#grid.addSpan(this.#between, from, facts.startedAt);
    }
  }

  /** Milliseconds that tasks waited in each bin. `steps`: in order, and how each gets its tasks. */
  waiting(steps: readonly WaitingStep[]): readonly number[] {
    const view = this.#grid.view();
    const sums = this.#grid.values(this.#between);
    if (view === null) return sums;
    let before: readonly number[] = [];
    for (const { name, tasks, from } of steps) {
      const { begun, done } = this.#seriesOf(name);
      const started = runningTotals(this.#grid.values(begun));
      const end = before.at(-1) ?? 0;
      for (const [at, count] of started.entries()) {
        const made = before[at] ?? 0;
        const there = from === 'start' ? tasks : from === 'each' ? made : made >= end ? tasks : 0;
        sums[at] = (sums[at] ?? 0) + Math.max(0, there - count) * view.width;
      }
      before = runningTotals(this.#grid.values(done));
    }
    return sums;
  }

  #seriesOf(step: string): { readonly begun: Series; readonly done: Series } {
    const known = this.#steps.get(step);
    if (known !== undefined) return known;
    const made = { begun: this.#grid.series(), done: this.#grid.series() };
    this.#steps.set(step, made);
    return made;
  }
}

/** A step whose tasks wait: all from the start, each for its own in the step before, or for all of these. */
export interface WaitingStep {
  readonly name: string;
  /** Tasks that were, or are still, to run. */
  readonly tasks: number;
  readonly from: 'start' | 'each' | 'all';
}

function runningTotals(values: readonly number[]): readonly number[] {
  let sum = 0;
  return values.map((value) => {
    sum += value;
    return sum;
  });
}
