/** Handed on at once when so much has come together. */
const FULL = 256 * 1024;

/** Collects small pieces of bytes, so that a million of them cost a thousand writes. */
export class PieceCollector {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(write: (bytes: Uint8Array) => Promise<void>) {
    this.#write = write;
  }

  /** Takes a piece, which must not change any more. Rejects as the write does. */
  async add(bytes: Uint8Array): Promise<void> {
    if (bytes.length >= FULL) {
      await this.flush();
      return this.#write(bytes);
    }
    this.#pieces.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= FULL) await this.flush();
  }

  /** Writes what is left. */
  async flush(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#length = 0;
    if (pieces.length > 0) await this.#write(Buffer.concat(pieces));
  }
}
