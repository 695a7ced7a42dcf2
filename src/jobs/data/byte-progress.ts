/** Adds up how many bytes of several files are safe. */
export class ByteProgress<File> {
  readonly #safe = new Map<File, number>();
  readonly #onProgress: (done: number) => void;
  #done = 0;

  constructor(onProgress: (done: number) => void) {
    this.#onProgress = onProgress;
  }

  /** Reports that this many bytes of the file are safe. */
  report(file: File, bytes: number): void {
    this.#done += bytes - (this.#safe.get(file) ?? 0);
    this.#safe.set(file, bytes);
    this.#onProgress(this.#done);
  }
}
