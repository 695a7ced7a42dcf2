import { BatchctlError } from '../errors.ts';
import type { Troubles } from '../jobs/watch/round-memory.ts';
import type { FiredAll, Keeping } from '../jobs/watch/tick.ts';
import { Permits } from '../lib/parallel.ts';
import type { Schedule } from '../model/schedule.ts';

export interface FiringsOptions {
  readonly keeping: Pick<Keeping, 'fire'>;
  /** What this schedule's last firing left to be told, and where new ones say it. */
  readonly troublesOf: (schedule: string) => Troubles;
  readonly onFired: (fired: FiredAll) => void;
  readonly now: () => number;
}

/** So many submissions at a time: each may read its whole input. */
const AT_ONCE = 4;
/** Without a sign for so long a firing hangs, milliseconds: between two signs a large input may be read as a whole. */
const HUNG_MS = 3 * 3_600_000;

/** Fires each schedule by itself, so that one whose input takes an hour to cut keeps no other waiting. */
export class Firings {
  readonly #options: FiringsOptions;
  readonly #permits = new Permits(AT_ONCE);
  /** What is being fired, with when each gave a sign last: monotonic milliseconds. */
  readonly #signs = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: FiringsOptions) {
    this.#options = options;
  }

  /** Begins what is due of the schedules that aren't being fired. What goes wrong is told of, and never thrown. */
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

  /** The one that gave no sign for hours, as an error; null for none. */
  hung(): BatchctlError | null {
    const since = this.#options.now() - HUNG_MS;
    const [schedule] = [...this.#signs].find(([, sign]) => sign < since) ?? [];
    if (schedule === undefined) return null;
    return new BatchctlError(
      'unavailable',
      `the firing of ${schedule} showed no activity for ${HUNG_MS / 3_600_000} h`,
    );
  }

  /** Resolves when those that go on now have ended. Never rejects. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #fire(schedule: Schedule): Promise<void> {
    const { keeping, troublesOf, onFired } = this.#options;
    const troubles = troublesOf(schedule.name);
    try {
      // Waiting for its turn is no standstill.
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
