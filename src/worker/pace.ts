/** Tasks shorter than this are fetched ahead, milliseconds. */
const SHORT_MS = 100;
/** Work held ready for each slot, milliseconds: far less than a lease. */
const AHEAD_MS = 150;
const MOST_AHEAD = 256;

/**
 * The number of deliveries to hold ready beyond those that run. None at first and while tasks are long, as another
 * worker could run a message held back here; while they are short, enough to keep the slots busy between two receives.
 */
export class Pace {
  readonly #slots: number;
  #average: number | null = null;

  constructor(slots: number) {
    this.#slots = slots;
  }

  /** A task's duration, milliseconds. */
  took(ms: number): void {
    this.#average = this.#average === null ? ms : this.#average * 0.9 + ms * 0.1;
  }

  get ahead(): number {
    if (this.#average === null || this.#average > SHORT_MS) return 0;
    return Math.min(MOST_AHEAD, Math.ceil((this.#slots * AHEAD_MS) / Math.max(1, this.#average)));
  }
}
