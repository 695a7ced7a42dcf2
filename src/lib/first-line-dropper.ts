/** Drops everything up to and including the first newline of what passes, chunk by chunk. */
export class FirstLineDropper {
  #dropped = false;

  /** What is left of the chunk. */
  take(chunk: Uint8Array): Uint8Array {
    if (this.#dropped) return chunk;
    const newline = chunk.indexOf(10);
    if (newline === -1) return chunk.subarray(0, 0);
    this.#dropped = true;
    return chunk.subarray(newline + 1);
  }
}
