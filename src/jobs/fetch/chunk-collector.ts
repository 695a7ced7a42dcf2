/** Collected bytes are written once there are this many. */
const FULL = 256 * 1024;

/** Collects small chunks of bytes, so that a million of them need only a thousand writes. */
export class ChunkCollector {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(write: (bytes: Uint8Array) => Promise<void>) {
    this.#write = write;
  }

  /** Adds a chunk, which must not change afterwards. Rejects if the write does. */
  async add(bytes: Uint8Array): Promise<void> {
    if (bytes.length >= FULL) {
      await this.flush();
      return this.#write(bytes);
    }
    this.#pieces.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= FULL) await this.flush();
  }

  async flush(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#length = 0;
    if (pieces.length > 0) await this.#write(Buffer.concat(pieces));
  }
}
