import type { ShardLine } from '../../../model/verify/evidence-lines.ts';
import type { LocatedFindings } from '../../../model/verify/located-findings.ts';

/** Compares the shards that a file tells with those that its lines make: both come in the same order. */
export class ShardCheck {
  readonly #findings: LocatedFindings;
  #told: { readonly line: ShardLine; readonly number: number }[] = [];
  #from = 1;

  constructor(findings: LocatedFindings) {
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
      this.#findings.addUnlocated('shard', `the digest of shard ${made.shard} of ${made.of} is missing`);
      return;
    }
    const { line, number } = next;
    const same = line.of === made.of && line.shard === made.shard;
    if (!same || line.lines !== made.lines || line.sha256 !== made.sha256) {
      this.#findings.addUnlocated(
        'shard',
        `lines ${Math.max(this.#from, number - made.lines)} to ${number - 1}, shard ${made.shard} of ${made.of}, ` +
          'do not match its digest',
      );
    }
    this.#from = number + 1;
  }

  /** Says that no more shards come. */
  finish(): void {
    for (const { line } of this.#told)
      this.#findings.addUnlocated('shard', `there is a digest of shard ${line.shard} of ${line.of}, but no line of it`);
  }
}
