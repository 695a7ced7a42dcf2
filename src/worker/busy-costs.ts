import { CostGuard } from '../jobs/cost/cost-guard.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';

/** Between two looks of a worker that works, about, milliseconds. */
const EVERY_MS = 3_600_000;

/**
 * A worker at work sees to limits on cost where nobody else may: once in about an hour. However many machines there are,
 * so somebody looks once in a machine-hour, which is what a limit may be passed by, and what is read stays in proportion.
 */
export class BusyCosts {
  readonly #guard: CostGuard;
  readonly #clock: Platform['clock'];
  #next: number;

  /** `random`: from 0 to below 1; a thousand workers that start together look one after another. */
  constructor(platform: Platform, onTrouble: (job: string, error: Error) => void, random: () => number = Math.random) {
    this.#guard = new CostGuard(platform, onTrouble);
    this.#clock = platform.clock;
    this.#next = this.#clock.monotonic() + EVERY_MS * random();
  }

  /** `views`: the jobs that it works for. */
  async round(views: readonly JobView[]): Promise<void> {
    const now = this.#clock.monotonic();
    if (views.length === 0 || now < this.#next) return;
    this.#next = now + EVERY_MS;
    await this.#guard.round(views);
  }
}
