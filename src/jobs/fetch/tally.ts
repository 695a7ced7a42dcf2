/** How far a fetch is. */
export interface FetchProgress {
  readonly outputs: number;
  /** Outputs to fetch in all. */
  readonly of: number;
  readonly bytes: number;
  /** Outputs whose files were there already, and right. */
  readonly kept: number;
}

/** Adds up what is fetched, and tells whoever watches. */
export class Tally {
  #now: FetchProgress;
  readonly #onProgress: ((progress: FetchProgress) => void) | undefined;

  constructor(of: number, onProgress?: (progress: FetchProgress) => void) {
    this.#now = { outputs: 0, of, bytes: 0, kept: 0 };
    this.#onProgress = onProgress;
  }

  get now(): FetchProgress {
    return this.#now;
  }

  add(more: Partial<Omit<FetchProgress, 'of'>>): void {
    const { outputs, of, bytes, kept } = this.#now;
    this.#now = {
      outputs: outputs + (more.outputs ?? 0),
      of,
      bytes: bytes + (more.bytes ?? 0),
      kept: kept + (more.kept ?? 0),
    };
    this.#onProgress?.(this.#now);
  }
}
