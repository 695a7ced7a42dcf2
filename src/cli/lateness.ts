import type { JobStatus } from '../jobs/status.ts';

type Seen = Pick<JobStatus, 'finishBy' | 'projected' | 'closedAt'>;

/**
 * Whether a job will miss its deadline: reported once the projection has exceeded it for a while, or the time has
 * passed.
 */
export class Lateness {
  readonly #patienceMs: number;
  #since: number | null = null;
  #seen: Seen | null = null;

  /** The first tasks lead to wild projections: none counts before it has lasted for `patienceMs`. */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** The status that was late; null before. */
  get seen(): Seen | null {
    return this.#seen;
  }

  /** `now`: milliseconds since the epoch. */
  isLate(status: Seen, now: number): boolean {
    if (status.finishBy === null || status.closedAt !== null) return false;
    const deadline = Date.parse(status.finishBy);
    const projected = status.projected === null ? now : Date.parse(status.projected);
    if (projected <= deadline && now <= deadline) {
      this.#since = null;
      return false;
    }
    this.#since ??= now;
    if (now <= deadline && now - this.#since < this.#patienceMs) return false;
    this.#seen = status;
    return true;
  }
}
