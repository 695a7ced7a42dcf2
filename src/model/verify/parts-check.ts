import type { JobInput, JobRecord, SplitSpec } from '../job.ts';
import { pieceKey } from '../keys.ts';
import type { Part, PiecePart, RangePart } from '../part.ts';
import { countParams, paramsOf } from '../split/params-parts.ts';
import type { Findings } from './findings.ts';

/** A header that no part carries is believed up to this size: splitting refuses longer ones. */
const HEADER_LIMIT = 1024 * 1024;

/** How far the parts of one input have come. */
interface Reached {
  readonly index: number;
  readonly input: JobInput;
  parts: number;
  /** The first bytes, which every part gets; null before its first part. */
  header: number | null;
  /** Where the next range begins; of pieces, how many of the input's own bytes they hold. */
  position: number;
  records: number;
  /** The kind of its first part. */
  kind: Part['kind'] | null;
}

/**
 * Proves, part by part and in constant memory, that the parts are numbered without a gap and that every byte of every
 * input lies in exactly one part, or in the header that all parts of the input get.
 */
export class PartsCheck {
  readonly #record: JobRecord;
  readonly #findings: Findings;
  readonly #split: SplitSpec | null;
  #next = 0;
  #inputs = 0;
  #bytes = 0;
  #at: Reached | null = null;

  constructor(record: JobRecord, findings: Findings) {
    this.#record = record;
    this.#findings = findings;
    this.#split = record.spec.input?.split ?? null;
  }

  /** Bytes of all inputs found in parts and headers so far; of a compressed input, decompressed. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Inputs whose parts were all seen. */
  get inputs(): number {
    return this.#inputs;
  }

  /** Takes the next part. */
  add(part: Part): void {
    if (part.n < this.#next) this.#findings.add('partTwice', `part ${part.n} is there twice, or out of order`);
    else if (part.n > this.#next) this.#missing(this.#next, part.n);
    this.#next = Math.max(this.#next, part.n + 1);
    if (!fits(part, this.#split)) {
      this.#findings.add(
        'partKind',
        `part ${part.n} is a ${part.kind}, which ${this.#split?.by ?? 'no split'} doesn't make`,
      );
      return;
    }
    if (part.kind === 'params') this.#params(part.n, part.params);
    else this.#ofInput(part);
  }

  /** Says that no more parts come. */
  finish(): void {
    const { parts, inputs } = this.#record;
    if (this.#next < parts) this.#missing(this.#next, parts);
    if (this.#next > parts)
      this.#findings.add('partExtra', `the job was accepted with ${parts} parts, and there are ${this.#next}`);
    this.#moveTo(inputs.length);
    const split = this.#split;
    if (split !== null && (split.by === 'range' || split.by === 'grid') && countParams(split) !== parts) {
      this.#findings.add(
        'partMissing',
        `the split makes ${countParams(split)} parts, the job was accepted with ${parts}`,
      );
    }
  }

  #missing(from: number, to: number): void {
    const what = to - from === 1 ? `part ${from} is` : `parts ${from} to ${to - 1} are`;
    this.#findings.add('partMissing', `${what} missing`);
  }

  #params(n: number, params: Readonly<Record<string, string>>): void {
    const split = this.#split;
    if (split === null || (split.by !== 'range' && split.by !== 'grid')) return;
    const expected = n < countParams(split) ? paramsOf(split, n) : null;
    const names = Object.keys(params);
    const same =
      expected !== null &&
      names.length === Object.keys(expected).length &&
      names.every((name) => params[name] === expected[name]);
    if (!same) this.#findings.add('partAltered', `part ${n} has other parameters than the split gives it`);
  }

  #ofInput(part: Exclude<Part, { kind: 'params' }>): void {
    const known = this.#record.inputs[part.input];
    if (known === undefined) {
      this.#findings.add('partInput', `part ${part.n} is of input ${part.input}, which the job doesn't have`);
      return;
    }
    if (this.#at !== null && part.input < this.#at.index) {
      this.#findings.add('inputTwice', `part ${part.n} goes back to ${known.name}, whose parts had ended`);
      return;
    }
    if (this.#at?.index !== part.input) this.#moveTo(part.input);
    const at = this.#at;
    if (at === null) return;
    at.parts += 1;
    at.records += 'records' in part && part.records !== undefined ? part.records : Number.NaN;
    at.kind ??= part.kind;
    if (part.kind !== at.kind)
      this.#findings.add('partKind', `part ${part.n} is a ${part.kind} of ${known.name}, cut as ${at.kind}`);
    else if (part.kind === 'range') this.#range(at, part);
    else if (part.kind === 'piece') this.#piece(at, part);
    else if (part.kind === 'whole' && at.parts > 1)
      this.#findings.add('inputTwice', `part ${part.n} takes ${known.name} a second time`);
  }

  #range(at: Reached, part: RangePart): void {
    const { name } = at.input;
    const header = part.header?.length ?? 0;
    if (at.header === null) {
      at.header = header;
      at.position = header;
      this.#bytes += header;
    }
    if (header !== at.header || (part.header?.offset ?? 0) !== 0)
      this.#findings.add('header', `part ${part.n} has another header of ${name} than the parts before it`);
    if (part.offset > at.position)
      this.#findings.add('byteGap', `bytes ${at.position} to ${part.offset - 1} of ${name} lie in no part`);
    if (part.offset < at.position)
      this.#findings.add(
        'byteTwice',
        `part ${part.n} begins at byte ${part.offset} of ${name}; ${at.position} was expected`,
      );
    if (part.length === 0) this.#findings.add('partEmpty', `part ${part.n} holds no byte of ${name}`);
    at.position = Math.max(at.position, part.offset + part.length);
    this.#bytes += part.length;
  }

  #piece(at: Reached, part: PiecePart): void {
    const header = part.header ?? 0;
    at.header ??= header;
    if (at.parts === 1) {
      at.position = header;
      this.#bytes += header;
    }
    if (header !== at.header || part.size < header)
      this.#findings.add('header', `part ${part.n} has another header of ${at.input.name} than the parts before it`);
    if (part.key !== pieceKey(this.#record.job, part.n))
      this.#findings.add('partAltered', `part ${part.n} names ${part.key}, which is not its piece`);
    at.position += part.size - header;
    this.#bytes += part.size - header;
  }

  /** Ends the inputs before `index`, and begins it. */
  #moveTo(index: number): void {
    const from = this.#at === null ? 0 : this.#at.index + 1;
    if (this.#at !== null) this.#end(this.#at);
    for (let skipped = from; skipped < index; skipped += 1) {
      const input = this.#record.inputs[skipped];
      if (input !== undefined) this.#end(begin(skipped, input));
    }
    const input = this.#record.inputs[index];
    this.#at = input === undefined ? null : begin(index, input);
  }

  #end(at: Reached): void {
    const { input } = at;
    this.#inputs += 1;
    if (at.parts === 0) this.#endUncut(at);
    if (at.kind === 'whole' || at.kind === 'item') this.#bytes += input.size;
    if (at.kind === 'range' && at.position < input.size)
      this.#findings.add('byteGap', `bytes ${at.position} to ${input.size - 1} of ${input.name} lie in no part`);
    if (at.kind === 'range' && at.position > input.size)
      this.#findings.add('byteTwice', `the parts of ${input.name} reach byte ${at.position}; it has ${input.size}`);
    if (at.kind === 'piece' && this.#knowsLength(input) && at.position !== input.size)
      this.#findings.add('byteGap', `the pieces of ${input.name} hold ${at.position} bytes of ${input.size}`);
    const records = at.kind === 'item' ? at.parts : at.records;
    if (input.records !== null && at.parts > 0 && !Number.isNaN(records) && records !== input.records)
      this.#findings.add(
        'records',
        `the parts of ${input.name} hold ${records} records; ${input.records} were counted`,
      );
  }

  /** An input without a part: it is empty, or nothing but a header, or a list of empty lines. */
  #endUncut({ input }: Reached): void {
    const by = this.#split?.by;
    const records = input.records ?? 0;
    const headerAlone = this.#split?.by === 'csv' && this.#split.header && input.size <= HEADER_LIMIT;
    const unknown = input.compression !== null;
    if (by !== 'file' && records === 0 && (input.size === 0 || headerAlone || unknown || by === 'list')) {
      this.#bytes += input.size;
      return;
    }
    this.#findings.add('inputMissing', `no part holds ${input.name}, which has ${input.size} bytes`);
  }

  /** A pipe's bytes were counted as they were cut; a compressed file's own size says nothing of what is in it. */
  #knowsLength({ source, size }: JobInput): boolean {
    return source.kind === 'pipe' && size > 0;
  }
}

function begin(index: number, input: JobInput): Reached {
  return { index, input, parts: 0, header: null, position: 0, records: 0, kind: null };
}

function fits(part: Part, split: SplitSpec | null): boolean {
  if (split === null) return false;
  switch (split.by) {
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
