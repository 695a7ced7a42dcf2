/** Tasks shorter than this are fetched ahead, milliseconds. */
const SHORT_MS = 400;
/**
 * Work held ready for each slot, milliseconds: far less than a lease, and enough that four slots of short tasks receive
 * ten messages at a time, the most that a request to SQS brings.
 */
const AHEAD_MS = 500;
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
  noteDuration(ms: number): void {
    this.#average = this.#average === null ? ms : this.#average * 0.9 + ms * 0.1;
  }

  get ahead(): number {
    if (this.#average === null || this.#average > SHORT_MS) return 0;
    return Math.min(MOST_AHEAD, Math.ceil((this.#slots * AHEAD_MS) / Math.max(1, this.#average)));
  }
}
