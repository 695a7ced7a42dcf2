/** Tasks whose work is shorter than this are fetched ahead, milliseconds. */
const SHORT_MS = 100;
/** So much work is held ready for each slot, milliseconds: far less than a lease. */
const AHEAD_MS = 150;
const MOST_AHEAD = 256;

/**
 * How many deliveries to hold ready beyond those that run. None at first and while tasks are long, since a message held
 * back here is one that another worker could run; as many as keep the slots busy between two receives while they are short.
 */
export class Pace {
  readonly #slots: number;
  #average: number | null = null;

  constructor(slots: number) {
    this.#slots = slots;
  }

  /** A task took so long, milliseconds. */
  took(ms: number): void {
    this.#average = this.#average === null ? ms : this.#average * 0.9 + ms * 0.1;
  }

  get ahead(): number {
    if (this.#average === null || this.#average > SHORT_MS) return 0;
    return Math.min(MOST_AHEAD, Math.ceil((this.#slots * AHEAD_MS) / Math.max(1, this.#average)));
  }
}
