import { createHash, type Hash } from 'node:crypto';
import { PARTS_PER_SHARD } from '../../model/part.ts';
import type { ShardLine } from '../../model/verify/evidence-lines.ts';

/**
 * A digest of numbered lines in two levels, in flat memory: SHA-256 over each shard of 10,000 numbers, and the root
 * over the shards' digests. So whoever finds another root can tell in which shard the difference lies.
 */
export class RootDigest {
  readonly #of: string;
  readonly #tell: (shard: ShardLine) => void;
  readonly #root = createHash('sha256');
  #hash: Hash | null = null;
  #shard = 0;
  #inShard = 0;
  #lines = 0;

  /** `tell` is told each shard as it ends; `of` names what the lines are of. */
  constructor(of: string, tell: (shard: ShardLine) => void) {
    this.#of = of;
    this.#tell = tell;
  }

  /** Lines so far. */
  get lines(): number {
    return this.#lines;
  }

  /** Takes the next line: its number, and its text without the newline. A shard that ends before it is told first. */
  add(n: number, text: string): void {
    const shard = Math.floor(n / PARTS_PER_SHARD);
    if (shard !== this.#shard) this.#end();
    this.#shard = shard;
    this.#hash ??= createHash('sha256');
    this.#hash.update(`${text}\n`);
    this.#inShard += 1;
    this.#lines += 1;
  }

  /** Ends the last shard. Answers the root, `sha256:<hex>`. */
  finish(): string {
    this.#end();
    return `sha256:${this.#root.digest('hex')}`;
  }

  #end(): void {
    if (this.#hash === null) return;
    const sha256 = this.#hash.digest('hex');
    this.#root.update(`${sha256}\n`);
    this.#tell({ line: 'shard', of: this.#of, shard: this.#shard, lines: this.#inShard, sha256 });
    this.#hash = null;
    this.#inShard = 0;
  }
}
