/** Bytes of a stream that no part has been given yet: pushed at the end, taken from the front. */
export class HeldBytes {
  #chunks: Buffer[] = [];
  /** Offset, in the whole stream, of the first byte held. */
  #offset = 0;

  push(chunk: Buffer): void {
    if (chunk.length > 0) this.#chunks.push(chunk);
  }

  /** Takes all bytes before `end`, and hands them on without copying. */
  takeUntil(end: number, use: (bytes: Buffer) => void): void {
    let whole = 0;
    for (const chunk of this.#chunks) {
      const wanted = end - this.#offset;
      if (wanted <= 0) break;
      if (wanted < chunk.length) {
        use(chunk.subarray(0, wanted));
        this.#chunks[whole] = chunk.subarray(wanted);
        this.#offset = end;
        break;
      }
      use(chunk);
      this.#offset += chunk.length;
      whole += 1;
    }
    this.#chunks.splice(0, whole);
  }
}
