import { createHash } from 'node:crypto';
import type { Extent } from '../../model/job.ts';
import type { Part } from '../../model/part.ts';
import { extentOf, type PartedJob } from '../../model/part-shards.ts';
import type { Findings } from '../../model/verify/findings.ts';

/** Proves that the parts of each extension are those that its journal entry names. */
export class AddedPartsCheck {
  readonly #record: PartedJob;
  readonly #findings: Findings;
  #extent: Extent | null = null;
  #hash = createHash('sha256');

  constructor(record: PartedJob, findings: Findings) {
    this.#record = record;
    this.#findings = findings;
  }

  /** Takes the parts in their order. */
  take(part: Part): void {
    if (this.#record.extents === undefined) return;
    const extent = extentOf(this.#record, part.n);
    if (extent !== this.#extent) {
      this.finish();
      this.#extent = extent;
      this.#hash = createHash('sha256');
    }
    this.#hash.update(`${JSON.stringify(part)}\n`);
  }

  /** Call after the last part. */
  finish(): void {
    if (this.#extent === null) return;
    const { first, count, checksum, round } = this.#extent;
    this.#extent = null;
    if (`sha256:${this.#hash.digest('hex')}` !== checksum)
      this.#findings.add(
        'partAltered',
        `parts ${first} to ${first + count - 1} are not those that the job was extended by in round ${round}`,
      );
  }
}
