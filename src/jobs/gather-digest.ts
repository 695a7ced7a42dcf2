import { createHash } from 'node:crypto';

/** What a gather reads, as one checksum: over those of its outputs in task order, each with a newline. */
export class GatherDigest {
  readonly #hash = createHash('sha256');

  add(checksum: string): void {
    this.#hash.update(`${checksum}\n`);
  }

  finish(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}
