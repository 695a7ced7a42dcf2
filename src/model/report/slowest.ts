import type { AttemptFacts } from './attempt-facts.ts';

/** So many tasks are named. */
const NAMED = 20;

export interface SlowAttempt {
  readonly facts: AttemptFacts;
  readonly milliseconds: number;
  /** Of the task, over all rounds. */
  readonly attempts: number;
}

/** Keeps the winning attempts that took longest. */
export class Slowest {
  /** Longest first; of two that took as long, the one that came first. */
  readonly #kept: SlowAttempt[] = [];

  add(facts: AttemptFacts, milliseconds: number, attempts: number): void {
    const kept = this.#kept;
    const least = kept[NAMED - 1];
    if (least !== undefined && milliseconds <= least.milliseconds) return;
    let at = kept.length;
    while (at > 0 && (kept[at - 1]?.milliseconds ?? 0) < milliseconds) at -= 1;
    kept.splice(at, 0, { facts, milliseconds, attempts });
    if (kept.length > NAMED) kept.pop();
  }

  get tasks(): readonly SlowAttempt[] {
    return this.#kept;
  }
}
