import type { JobInput, SplitSpec } from '../job.ts';
import { pieceKey } from '../keys.ts';
import type { Part, PiecePart, RangePart } from '../part.ts';
import type { Findings } from './findings.ts';

/** A header that no part carries is believed up to this size: splitting refuses longer ones. */
const HEADER_LIMIT = 1024 * 1024;

/** What the checks of all inputs share. */
export interface InputCheckOptions {
  readonly job: string;
  readonly split: SplitSpec | null;
  readonly findings: Findings;
}

/** Proves that the parts of one input hold each of its bytes once, header and parts together. */
export class InputCheck {
  readonly index: number;
  readonly #input: JobInput;
  readonly #options: InputCheckOptions;
  #parts = 0;
  /** The first bytes, which every part gets; null before its first part. */
  #header: number | null = null;
  /** Where the next range begins; of pieces, how many of the input's own bytes they hold. */
  #position = 0;
  #records = 0;
  /** The kind of its first part. */
  #kind: Part['kind'] | null = null;
  #bytes = 0;

  constructor(index: number, input: JobInput, options: InputCheckOptions) {
    this.index = index;
    this.#input = input;
    this.#options = options;
  }

  get name(): string {
    return this.#input.name;
  }

  /** True while it has no part. */
  get empty(): boolean {
    return this.#parts === 0;
  }

  /** Takes the input's next part. */
  add(part: Exclude<Part, { kind: 'params' }>): void {
    const { name } = this.#input;
    this.#parts += 1;
    this.#records += 'records' in part && part.records !== undefined ? part.records : Number.NaN;
    this.#kind ??= part.kind;
    if (part.kind !== this.#kind)
      this.#say('partKind', `part ${part.n} is a ${part.kind} of ${name}, which was split as ${this.#kind}`);
    else if (part.kind === 'range') this.#range(part);
    else if (part.kind === 'piece') this.#piece(part);
    else if (part.kind === 'whole' && this.#parts > 1)
      this.#say('inputTwice', `part ${part.n} contains ${name} a second time`);
  }

  /** Says that all its parts were seen; answers how many bytes of the input they hold (decompressed). */
  finish(): number {
    const { name, size, records: counted, source } = this.#input;
    if (this.#parts === 0) return this.#uncut();
    if (this.#kind === 'range' && this.#position < size)
      this.#say('byteGap', `bytes ${this.#position} to ${size - 1} of ${name} are in no part`);
    if (this.#kind === 'range' && this.#position > size)
      this.#say('byteTwice', `the parts of ${name} end at byte ${this.#position}, but it has ${size}`);
    // A pipe's bytes were counted as they were cut; a compressed file's own size says nothing of what is in it.
    if (this.#kind === 'piece' && source.kind === 'pipe' && size > 0 && this.#position !== size)
      this.#say('byteGap', `the pieces of ${name} contain ${this.#position} bytes of ${size}`);
    const records = this.#kind === 'item' ? this.#parts : this.#records;
    if (counted !== null && !Number.isNaN(records) && records !== counted)
      this.#say('records', `the parts of ${name} contain ${records} records, but ${counted} were counted`);
    return this.#kind === 'whole' || this.#kind === 'item' ? size : this.#bytes;
  }

  #range(part: RangePart): void {
    const { name } = this.#input;
    const header = part.header?.length ?? 0;
    this.#begin(header);
    if (header !== this.#header || (part.header?.offset ?? 0) !== 0)
      this.#say('header', `part ${part.n} has another header of ${name} than the preceding parts`);
    if (part.offset > this.#position)
      this.#say('byteGap', `bytes ${this.#position} to ${part.offset - 1} of ${name} are in no part`);
    if (part.offset < this.#position)
      this.#say('byteTwice', `part ${part.n} begins at byte ${part.offset} of ${name}, expected ${this.#position}`);
    if (part.length === 0) this.#say('partEmpty', `part ${part.n} contains no byte of ${name}`);
    this.#position = Math.max(this.#position, part.offset + part.length);
    this.#bytes += part.length;
  }

  #piece(part: PiecePart): void {
    const header = part.header ?? 0;
    this.#begin(header);
    if (header !== this.#header || part.size < header)
      this.#say('header', `part ${part.n} has another header of ${this.#input.name} than the preceding parts`);
    if (part.key !== pieceKey(this.#options.job, part.n))
      this.#say('partAltered', `part ${part.n} refers to ${part.key}, which is not its piece`);
    this.#position += part.size - header;
    this.#bytes += part.size - header;
  }

  /** The header's own bytes count once, however many parts get them. */
  #begin(header: number): void {
    if (this.#header !== null) return;
    this.#header = header;
    this.#position = header;
    this.#bytes = header;
  }

  /** An input without a part: it is empty, or nothing but a header, or a list of empty lines. */
  #uncut(): number {
    const { name, size, records, compression } = this.#input;
    const { split } = this.#options;
    const headerAlone = split?.by === 'csv' && split.header && size <= HEADER_LIMIT;
    const nothing = size === 0 || headerAlone || compression !== null || split?.by === 'list';
    if (split?.by === 'file' || (records ?? 0) > 0 || !nothing)
      this.#say('inputMissing', `no part contains ${name}, which has ${size} bytes`);
    return nothing ? size : 0;
  }

  #say(code: string, message: string): void {
    this.#options.findings.add(code, message);
  }
}
