import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';

/**
 * Keeps a stderr file small while a command appends to it: beyond twice the limit it is truncated to its last bytes,
 * below a line that says how much was removed. Bytes written at the very moment may be lost; nothing is overwritten.
 */
export class StderrLimit {
  readonly #path: string;
  readonly #limit: number;
  #cut = 0;
  #headLength = 0;

  /** The limit is in bytes. */
  constructor(path: string, limit: number) {
    this.#path = path;
    this.#limit = limit;
  }

  /** Checks the file's size, and truncates it if due. */
  check(): number {
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    return size > 2 * this.#limit ? this.#cutFile() : size;
  }

  #cutFile(): number {
    const fd = openSync(this.#path, constants.O_RDWR | constants.O_APPEND);
    try {
      const { size } = fstatSync(fd);
      const tail = Buffer.allocUnsafe(Math.min(this.#limit, size));
      const length = readSync(fd, tail, 0, tail.length, size - tail.length);
      this.#cut += size - this.#headLength - length;
      const head = `[batchctl: ${this.#cut} bytes cut here]\n`;
      ftruncateSync(fd, 0);
      this.#headLength = writeSync(fd, head);
      return this.#headLength + writeSync(fd, tail, 0, length);
    } finally {
      closeSync(fd);
    }
  }
}
