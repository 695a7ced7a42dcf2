import { CostGuard } from '../jobs/cost/cost-guard.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';

/** Approximate interval between checks by a busy worker, milliseconds. */
const EVERY_MS = 3_600_000;

/**
 * A busy worker enforces cost limits about once an hour, in case nothing else does. With any number of instances this
 * makes about one check per instance-hour, which bounds the overrun and keeps the reads in proportion.
 */
export class BusyCosts {
  readonly #guard: CostGuard;
  readonly #clock: Platform['clock'];
  #next: number;

  /** `random`: from 0 to below 1; spreads the checks of a thousand workers that start together. */
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
