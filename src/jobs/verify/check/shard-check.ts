import type { ShardLine } from '../../../model/verify/evidence-lines.ts';
import type { Findings } from '../../../model/verify/findings.ts';

/** Compares the shards that a file tells with those that its lines make: both come in the same order. */
export class ShardCheck {
  readonly #findings: Findings;
  #told: { readonly line: ShardLine; readonly number: number }[] = [];
  #from = 1;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  /** A shard's line of the file, and its number. */
  told(line: ShardLine, number: number): void {
    this.#told.push({ line, number });
  }

  /** A shard that the lines before made. */
  made(made: ShardLine): void {
    const next = this.#told.shift();
    if (next === undefined) {
      this.#findings.add('shard', `the digest of shard ${made.shard} of ${made.of} is missing`);
      return;
    }
    const { line, number } = next;
    const same = line.of === made.of && line.shard === made.shard;
    if (!same || line.lines !== made.lines || line.sha256 !== made.sha256) {
      this.#findings.add(
        'shard',
        `lines ${Math.max(this.#from, number - made.lines)} to ${number - 1}, shard ${made.shard} of ${made.of}, ` +
          'are not those that its digest was made of',
      );
    }
    this.#from = number + 1;
  }

  /** Says that no more shards come. */
  finish(): void {
    for (const { line } of this.#told)
      this.#findings.add('shard', `there is a digest of shard ${line.shard} of ${line.of}, and no line of it`);
  }
}
