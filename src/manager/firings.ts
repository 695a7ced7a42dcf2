import { BatchctlError } from '../errors.ts';
import type { Troubles } from '../jobs/watch/round-memory.ts';
import type { FiredAll, Keeping } from '../jobs/watch/tick.ts';
import { Permits } from '../lib/parallel.ts';
import type { Schedule } from '../model/schedule.ts';

export interface FiringsOptions {
  readonly keeping: Pick<Keeping, 'fire'>;
  /** The troubles of a schedule's last firing, to which new ones are added. */
  readonly troublesOf: (schedule: string) => Troubles;
  readonly onFired: (fired: FiredAll) => void;
  readonly now: () => number;
}

/** Concurrent submissions: each may read its whole input. */
const AT_ONCE = 4;
/**
 * A firing without a sign of life for this long hangs, milliseconds: between two signs it may read a whole large input.
 */
const HUNG_MS = 3 * 3_600_000;

/** Fires each schedule separately, so that one whose input takes an hour to split doesn't delay the others. */
export class Firings {
  readonly #options: FiringsOptions;
  readonly #permits = new Permits(AT_ONCE);
  /** Running firings, with the time of each one's last sign of life: monotonic milliseconds. */
  readonly #signs = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: FiringsOptions) {
    this.#options = options;
  }

  /** Begins what is due in schedules that aren't being fired. Errors are reported, never thrown. */
  begin(schedules: readonly Schedule[]): void {
    for (const schedule of schedules) {
      if (this.#signs.has(schedule.name)) continue;
      this.#sign(schedule.name);
      const firing = this.#fire(schedule).finally(() => {
        this.#signs.delete(schedule.name);
        this.#running.delete(firing);
      });
      this.#running.add(firing);
    }
  }

  /** An error for the firing without a sign of life for hours; null if there is none. */
  hung(): BatchctlError | null {
    const since = this.#options.now() - HUNG_MS;
    const [schedule] = [...this.#signs].find(([, sign]) => sign < since) ?? [];
    if (schedule === undefined) return null;
    return new BatchctlError(
      'unavailable',
      `the firing of ${schedule} showed no activity for ${HUNG_MS / 3_600_000} h`,
    );
  }

  /** Resolves when the running ones have ended. Never rejects. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #fire(schedule: Schedule): Promise<void> {
    const { keeping, troublesOf, onFired } = this.#options;
    const troubles = troublesOf(schedule.name);
    try {
      // Waiting for its turn isn't hanging.
      const timer = setInterval(() => this.#sign(schedule.name), 60_000).unref();
      const done = await this.#permits.with(async () => {
        clearInterval(timer);
        return keeping.fire([schedule], troubles, { onSign: () => this.#sign(schedule.name) });
      });
      onFired(done);
    } catch (error) {
      troubles.add(`schedule ${schedule.name}`, error);
    }
  }

  #sign(schedule: string): void {
    this.#signs.set(schedule, this.#options.now());
  }
}
