import type { JobRecord, SplitSpec } from '../job.ts';
import type { Part } from '../part.ts';
import { countParams, paramsOf } from '../split/params-parts.ts';
import type { Findings } from './findings.ts';
import { InputCheck } from './input-check.ts';

/**
 * Proves, part by part and in constant memory, that the parts are numbered without a gap and that every byte of every
 * input lies in exactly one part, or in the header that all parts of the input get.
 */
export class PartsCheck {
  readonly #record: JobRecord;
  readonly #findings: Findings;
  readonly #warnings: Findings | null;
  readonly #split: SplitSpec | null;
  #next = 0;
  #inputs = 0;
  #bytes = 0;
  #at: InputCheck | null = null;
  /** Inputs before this one were seen in a sample. */
  #sampledTo = 0;

  /** `warnings` names the inputs that brought no part. */
  constructor(record: JobRecord, findings: Findings, warnings: Findings | null = null) {
    this.#record = record;
    this.#findings = findings;
    this.#warnings = warnings;
    this.#split = record.spec.input?.split ?? null;
  }

  /** Bytes of all inputs whose parts were seen; of a compressed input, decompressed. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Inputs whose parts were all seen. */
  get inputs(): number {
    return this.#inputs;
  }

  /** Takes the next part. */
  add(part: Part): void {
    if (part.n < this.#next) this.#findings.add('partTwice', `part ${part.n} is duplicated or out of order`);
    else if (part.n > this.#next) this.#missing(this.#next, part.n);
    this.#next = Math.max(this.#next, part.n + 1);
    const by = this.#split?.by ?? 'no split';
    if (!fits(part, this.#split))
      this.#findings.add('partKind', `part ${part.n} is a ${part.kind}, which ${by} doesn't make`);
    else if (this.#record.rehearsal) this.#sampled(part);
    else if (part.kind === 'params') this.#params(part.n, part.params);
    else this.#ofInput(part);
  }

  /** Says that no more parts come. */
  finish(): void {
    const { parts, inputs } = this.#record;
    if (this.#next < parts) this.#missing(this.#next, parts);
    if (this.#next > parts)
      this.#findings.add('partExtra', `the job was accepted with ${parts} parts, but there are ${this.#next}`);
    // A sample never holds all of its inputs: that is not claimed.
    if (this.#record.rehearsal) return;
    this.#moveTo(inputs.length);
    const split = this.#split;
    if (split?.by !== 'range' && split?.by !== 'grid') return;
    const made = countParams(split);
    if (made !== parts)
      this.#findings.add('partMissing', `the split makes ${made} parts, but the job was accepted with ${parts}`);
  }

  /** Of a rehearsal's part only its bytes are counted, and the inputs that parts are of. */
  #sampled(part: Part): void {
    if (part.kind === 'params') return;
    const known = this.#record.inputs[part.input];
    if (known === undefined) {
      this.#findings.add('partInput', `part ${part.n} refers to input ${part.input}, which the job doesn't have`);
      return;
    }
    if (part.input >= this.#sampledTo) this.#inputs += 1;
    this.#sampledTo = Math.max(this.#sampledTo, part.input + 1);
    if (part.kind === 'range') this.#bytes += part.length;
    else if (part.kind === 'piece') this.#bytes += part.size - (part.header ?? 0);
    else if (part.kind === 'whole') this.#bytes += known.size;
  }

  #missing(from: number, to: number): void {
    const what = to - from === 1 ? `part ${from} is` : `parts ${from} to ${to - 1} are`;
    this.#findings.add('partMissing', `${what} missing`);
  }

  #params(n: number, params: Readonly<Record<string, string>>): void {
    const split = this.#split;
    if (split?.by !== 'range' && split?.by !== 'grid') return;
    const expected = n < countParams(split) ? paramsOf(split, n) : null;
    const names = Object.keys(params);
    const same =
      expected !== null &&
      names.length === Object.keys(expected).length &&
      names.every((name) => params[name] === expected[name]);
    if (!same) this.#findings.add('partAltered', `part ${n} has other parameters than the split defines`);
  }

  #ofInput(part: Exclude<Part, { kind: 'params' }>): void {
    const known = this.#record.inputs[part.input];
    if (known === undefined) {
      this.#findings.add('partInput', `part ${part.n} refers to input ${part.input}, which the job doesn't have`);
      return;
    }
    if (this.#at !== null && part.input < this.#at.index) {
      this.#findings.add('inputTwice', `part ${part.n} belongs to ${known.name}, whose parts had ended`);
      return;
    }
    if (this.#at?.index !== part.input) this.#moveTo(part.input);
    this.#at?.add(part);
  }

  /** Ends the inputs before `index`, those without a part too, and begins it. */
  #moveTo(index: number): void {
    for (let next = this.#at === null ? 0 : this.#at.index + 1; ; next += 1) {
      if (this.#at !== null) {
        this.#bytes += this.#at.finish();
        if (this.#at.empty) this.#warnings?.add('inputEmpty', `the input ${this.#at.name} has no part`);
        this.#inputs += 1;
      }
      const input = next > index ? undefined : this.#record.inputs[next];
      this.#at =
        input === undefined
          ? null
          : new InputCheck(next, input, { job: this.#record.job, split: this.#split, findings: this.#findings });
      if (next >= index || this.#at === null) return;
    }
  }
}

function fits(part: Part, split: SplitSpec | null): boolean {
  switch (split?.by) {
    case undefined:
      return false;
    case 'range':
    case 'grid':
      return part.kind === 'params';
    case 'file':
      return part.kind === 'whole' || part.kind === 'piece';
    case 'list':
      return part.kind === 'item';
    default:
      return part.kind === 'range' || part.kind === 'piece';
  }
}
