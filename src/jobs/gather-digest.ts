import { createHash } from 'node:crypto';

/** The input of a gather as one checksum: over those of its outputs in task order, each with a newline. */
export class GatherDigest {
  readonly #hash = createHash('sha256');

  add(checksum: string): void {
    this.#hash.update(`${checksum}\n`);
  }

  finish(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}
