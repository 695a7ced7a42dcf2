import { ownValue, parseObject } from '../../lib/json.ts';
import type { JobInput, JobRecord, SplitSpec } from '../job.ts';
import {
  countParams,
  type FilePart,
  inputsOf,
  type PackPart,
  type Part,
  type PiecePart,
  packEnd,
  paramsOf,
  partSize,
  type RangePart,
  type RowPart,
} from '../part.ts';
import { acceptedParts, extentOf, pieceKeyOf } from '../part-shards.ts';
import type { JobView } from '../view.ts';
import type { Findings } from './findings.ts';

/**
 * Proves, part by part and in constant memory, that the parts are numbered without a gap and that every byte of every
 * input is in exactly one part, or in the header that all parts of the input get.
 */
export class PartsCheck {
  readonly #record: JobRecord;
  readonly #findings: Findings;
  readonly #warnings: Findings | null;
  readonly #split: SplitSpec | null;
  #next = 0;
  #inputs = 0;
  #bytes = 0;
  #current: InputCheck | null = null;
  /** Inputs before this one were seen in a sample. */
  #sampledTo = 0;
  /** What the job was accepted with. */
  readonly #accepted: SplitSpec | null;

  /** `warnings` names the inputs without parts. */
  constructor(
    { record, accepted }: Pick<JobView, 'record' | 'accepted'>,
    findings: Findings,
    warnings: Findings | null = null,
  ) {
    this.#accepted = accepted.spec.input?.split ?? null;
    this.#record = record;
    this.#findings = findings;
    this.#warnings = warnings;
    this.#split = record.spec.input?.split ?? null;
  }

  /** Bytes of all inputs whose parts were seen; for a compressed input, decompressed. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Inputs whose parts were all seen. */
  get inputs(): number {
    return this.#inputs;
  }

  add(part: Part): void {
    if (part.n < this.#next) this.#findings.add('partTwice', `part ${part.n} is duplicated or out of order`);
    else if (part.n > this.#next) this.#reportMissing(this.#next, part.n);
    this.#next = Math.max(this.#next, part.n + 1);
    const by = this.#split?.by ?? 'no split';
    if (!isExpectedKind(part, this.#split))
      this.#findings.add('partKind', `part ${part.n} is a ${part.kind}, which ${by} doesn't make`);
    else if (this.#record.rehearsal) this.#countSampled(part);
    else if (part.kind === 'params') this.#checkParams(part.n, part.params);
    else this.#addToInput(part);
  }

  /** Call after the last part. */
  finish(): void {
    const { parts, inputs } = this.#record;
    if (this.#next < parts) this.#reportMissing(this.#next, parts);
    if (this.#next > parts)
      this.#findings.add('partExtra', `the job was accepted with ${parts} parts, but there are ${this.#next}`);
    // A sample doesn't contain all inputs, and doesn't claim to.
    if (this.#record.rehearsal) return;
    this.#moveTo(inputs.length);
    const split = this.#accepted;
    if (split?.by !== 'range' && split?.by !== 'grid') return;
    const [made, accepted] = [countParams(split), acceptedParts(this.#record)];
    if (made !== accepted)
      this.#findings.add('partMissing', `the split makes ${made} parts, but the job was accepted with ${accepted}`);
  }

  /** For a rehearsal's part, only counts its bytes, and the inputs with parts. */
  #countSampled(part: Part): void {
    if (part.kind === 'params') return;
    const known = this.#inputOf(part);
    if (known === null) return;
    for (const input of inputsOf(part)) {
      if (input >= this.#sampledTo) this.#inputs += 1;
      this.#sampledTo = Math.max(this.#sampledTo, input + 1);
    }
    if (part.kind === 'range') this.#bytes += part.length;
    else if (part.kind === 'piece') this.#bytes += part.size - (part.header ?? 0);
    else if (part.kind === 'whole') this.#bytes += known.size;
    else if (part.kind === 'pack') this.#bytes += partSize(part, this.#record.inputs);
  }

  #inputOf(part: Exclude<Part, { kind: 'params' }>): JobInput | null {
    const { inputs } = this.#record;
    const last = part.kind === 'pack' ? part.input + part.files - 1 : part.input;
    const known = inputs[part.input];
    if (known !== undefined && last < inputs.length) return known;
    this.#findings.add('partInput', `part ${part.n} refers to input ${last}, which the job doesn't have`);
    return null;
  }

  #reportMissing(from: number, to: number): void {
    const what = to - from === 1 ? `part ${from} is` : `parts ${from} to ${to - 1} are`;
    this.#findings.add('partMissing', `${what} missing`);
  }

  #checkParams(n: number, params: Readonly<Record<string, string>>): void {
    const split = this.#accepted;
    if (split?.by !== 'range' && split?.by !== 'grid') return;
    // The checksum of an extension covers its parameters.
    if (extentOf(this.#record, n) !== null) return;
    const expected = n < countParams(split) ? paramsOf(split, n) : null;
    const names = Object.keys(params);
    const same =
      expected !== null &&
      names.length === Object.keys(expected).length &&
      names.every((name) => params[name] === ownValue(expected, name));
    if (!same) this.#findings.add('partAltered', `part ${n} has other parameters than the split defines`);
  }

  #addToInput(part: Exclude<Part, { kind: 'params' }>): void {
    const known = this.#inputOf(part);
    if (known === null) return;
    if (known.source.kind === 'pipe' && (part.kind === 'range' || part.kind === 'whole' || part.kind === 'pack'))
      this.#findings.add('partKind', `part ${part.n} is a ${part.kind} of a pipe, of which only pieces are stored`);
    if (this.#current !== null && part.input < this.#current.index) {
      this.#findings.add('inputTwice', `part ${part.n} belongs to ${known.name}, whose parts had ended`);
      return;
    }
    if (part.kind === 'pack') {
      this.#addPack(part);
      return;
    }
    if (this.#current?.index !== part.input) this.#moveTo(part.input);
    this.#current?.add(part);
  }

  #addPack(part: PackPart): void {
    const { n, input: first, files } = part;
    const limits = this.#split?.by === 'file' ? this.#split.pack : undefined;
    const { inputs, extents = [] } = this.#record;
    const last = extents.find((extent) => extent.first > n)?.firstInput ?? inputs.length;
    const made = packEnd(inputs, first, limits ?? { files: 1 }, last) - first;
    if (made !== files)
      this.#findings.add('partAltered', `part ${n} has ${files} files, but the split packs ${made} from its first on`);
    for (const input of inputsOf(part)) {
      if (this.#current?.index !== input) this.#moveTo(input);
      this.#current?.add({ kind: 'whole', n, input });
    }
  }

  /** Ends the inputs before `index`, including those without a part, and begins it. */
  #moveTo(index: number): void {
    for (let next = this.#current === null ? 0 : this.#current.index + 1; ; next += 1) {
      if (this.#current !== null) {
        this.#bytes += this.#current.finish();
        if (this.#current.empty) this.#warnings?.add('inputEmpty', `the input ${this.#current.name} has no part`);
        this.#inputs += 1;
      }
      const input = next > index ? undefined : this.#record.inputs[next];
      this.#current = input === undefined ? null : new InputCheck(next, input, this.#record, this.#findings);
      if (next >= index || this.#current === null) return;
    }
  }
}

function isExpectedKind(part: Part, split: SplitSpec | null): boolean {
  switch (split?.by) {
    case undefined:
      return false;
    case 'range':
    case 'grid':
      return part.kind === 'params';
    case 'file':
      return split.pack === undefined ? part.kind === 'whole' || part.kind === 'piece' : part.kind === 'pack';
    case 'list':
      return part.kind === 'item';
    case 'table':
      return part.kind === 'row';
    default:
      return part.kind === 'range' || part.kind === 'piece';
  }
}

/** The largest accepted header that no part carries: splitting refuses longer ones. */
const HEADER_LIMIT = 1024 * 1024;

/** Proves that the parts of one input, with their header, contain each of its bytes once. */
class InputCheck {
  readonly index: number;
  readonly #input: JobInput;
  readonly #record: JobRecord;
  readonly #findings: Findings;
  #parts = 0;
  /** The first bytes, which every part gets; null before its first part. */
  #header: number | null = null;
  /** Where the next range begins; for pieces, how many of the input's own bytes they contain. */
  #position = 0;
  #records = 0;
  /** The line of the last row, and the columns of the first. */
  #line = 0;
  #columns: string | null = null;
  /** The kind of its first part. */
  #kind: Part['kind'] | null = null;
  #bytes = 0;

  constructor(index: number, input: JobInput, record: JobRecord, findings: Findings) {
    this.index = index;
    this.#input = input;
    this.#record = record;
    this.#findings = findings;
  }

  get name(): string {
    return this.#input.name;
  }

  get empty(): boolean {
    return this.#parts === 0;
  }

  add(part: Exclude<Part, { kind: 'params' }>): void {
    const { name } = this.#input;
    this.#parts += 1;
    if ('first' in part && part.first !== undefined && part.first !== this.#records + 1 && !Number.isNaN(this.#records))
      this.#findings.add(
        'partRecords',
        `part ${part.n} begins with record ${part.first} of ${name}, but the parts before it have ${this.#records}`,
      );
    this.#records += 'records' in part && part.records !== undefined ? part.records : Number.NaN;
    this.#kind ??= part.kind;
    this.#checkRecords(part);
    if (part.kind !== this.#kind)
      this.#findings.add('partKind', `part ${part.n} is a ${part.kind} of ${name}, which was split as ${this.#kind}`);
    else if (part.kind === 'range') this.#addRange(part);
    else if (part.kind === 'piece') this.#addPiece(part);
    else if (part.kind === 'row') this.#addRow(part);
    else if (part.kind === 'whole' && this.#parts > 1)
      this.#findings.add('inputTwice', `part ${part.n} contains ${name} a second time`);
  }

  /** Call when all its parts were seen; returns how many bytes of the input they contain (decompressed). */
  finish(): number {
    const { name, size, records: counted, source } = this.#input;
    if (this.#parts === 0) return this.#finishWithoutParts();
    if (this.#input.parts === 0)
      this.#findings.add('inputMissing', `${name} was accepted as an input without parts, but has ${this.#parts}`);
    if (this.#kind === 'range' && this.#position < size)
      this.#findings.add('byteGap', `bytes ${this.#position} to ${size - 1} of ${name} are in no part`);
    if (this.#kind === 'range' && this.#position > size)
      this.#findings.add('byteTwice', `the parts of ${name} end at byte ${this.#position}, but it has ${size}`);
    // A pipe's bytes were counted while splitting; a compressed file's size says nothing about its content.
    // Jobs of 0.2 and before say 0 for one that is taken whole.
    const isKnown = size > 0 || this.#record.spec.input?.split.by !== 'file';
    if (this.#kind === 'piece' && source.kind === 'pipe' && isKnown && this.#position !== size)
      this.#findings.add('byteGap', `the pieces of ${name} contain ${this.#position} bytes of ${size}`);
    const records = this.#kind === 'item' || this.#kind === 'row' ? this.#parts : this.#records;
    if (counted !== null && !Number.isNaN(records) && records !== counted)
      this.#findings.add('records', `the parts of ${name} contain ${records} records, but ${counted} were counted`);
    return this.#kind === 'whole' || this.#kind === 'item' || this.#kind === 'row' ? size : this.#bytes;
  }

  /** No part has more records than the split allows, and records of a fixed length are whole. */
  #checkRecords(part: Exclude<Part, { kind: 'params' }>): void {
    const split = this.#record.spec.input?.split;
    const records = 'records' in part ? part.records : undefined;
    const every = split !== undefined && 'every' in split ? split.every : undefined;
    if (every !== undefined && records !== undefined && records > every)
      this.#findings.add('partRecords', `part ${part.n} has ${records} records, but the split makes parts of ${every}`);
    if (split?.by === 'records' && part.kind === 'range' && part.length % split.length !== 0)
      this.#findings.add('partRecords', `part ${part.n} has ${part.length} bytes, with records of ${split.length}`);
  }

  #addRange(part: RangePart): void {
    const { name } = this.#input;
    const header = part.header?.length ?? 0;
    this.#setHeader(header);
    if (header !== this.#header || (part.header?.offset ?? 0) !== 0)
      this.#findings.add('header', `part ${part.n} has another header of ${name} than the preceding parts`);
    if (part.offset > this.#position)
      this.#findings.add('byteGap', `bytes ${this.#position} to ${part.offset - 1} of ${name} are in no part`);
    if (part.offset < this.#position)
      this.#findings.add(
        'byteTwice',
        `part ${part.n} begins at byte ${part.offset} of ${name}, expected ${this.#position}`,
      );
    if (part.length === 0) this.#findings.add('partEmpty', `part ${part.n} contains no byte of ${name}`);
    this.#position = Math.max(this.#position, part.offset + part.length);
    this.#bytes += part.length;
  }

  /** Each row is a task once, in the order of the input, and all have the columns of the first. */
  #addRow({ n, at, params }: RowPart): void {
    const { name } = this.#input;
    if (at <= this.#line)
      this.#findings.add('partTwice', `part ${n} is line ${at} of ${name}, expected one after line ${this.#line}`);
    this.#line = Math.max(this.#line, at);
    const columns = Object.keys(params).sort().join(' ');
    this.#columns ??= columns;
    if (columns !== this.#columns)
      this.#findings.add('partAltered', `part ${n} has other columns than the first row of ${name}`);
  }

  #addPiece(part: PiecePart): void {
    const header = part.header ?? 0;
    this.#setHeader(header);
    if (header !== this.#header || part.size < header)
      this.#findings.add('header', `part ${part.n} has another header of ${this.#input.name} than the preceding parts`);
    if (part.key !== pieceKeyOf(this.#record, part.n))
      this.#findings.add('partAltered', `part ${part.n} refers to ${part.key}, which is not its piece`);
    if (!/^sha256:[0-9a-f]{64}$/.test(part.checksum))
      this.#findings.add('pieceChecksum', `the checksum of part ${part.n} is ${part.checksum}`);
    this.#position += part.size - header;
    this.#bytes += part.size - header;
  }

  /** The header's own bytes count once, however many parts get them. */
  #setHeader(header: number): void {
    if (this.#header !== null) return;
    this.#header = header;
    this.#position = header;
    this.#bytes = header;
  }

  /** An input without a part: it is empty, only a header, or a list or table of empty lines. */
  #finishWithoutParts(): number {
    const { name, size, records, compression } = this.#input;
    const split = this.#record.spec.input?.split;
    const headerAlone = split?.by === 'csv' && split.header && size <= HEADER_LIMIT;
    const nothing = size === 0 || headerAlone || compression !== null || split?.by === 'list' || split?.by === 'table';
    // Jobs of 0.2 and before don't say which inputs have no part.
    const isExpected = this.#record.digestFormat === undefined || this.#input.parts === 0;
    if (split?.by === 'file' || (records ?? 0) > 0 || !nothing || !isExpected)
      this.#findings.add('inputMissing', `no part contains ${name}, which has ${size} bytes`);
    return nothing ? size : 0;
  }
}

/**
 * Proves, part by part and in constant memory, that the parts of a step behind an `explode` are exactly the files that
 * the previous step published: every file is one part, none is two, and each part names the file's key and checksum.
 */
export class FilePartsCheck {
  readonly #step: string;
  readonly #findings: Findings;

  constructor(step: string, findings: Findings) {
    this.#step = step;
    this.#findings = findings;
  }

  /** Compares a line of a shard with the next expected part. Returns which is finished: the line, the part, or both. */
  compare(line: string, where: string, expected: FilePart): 'line' | 'part' | 'both' {
    const found = parseFilePart(line);
    if (found === null) {
      this.#findings.add('partAltered', `${where} is not a part of ${this.#step}`);
      return 'both';
    }
    if (found.n < expected.n) {
      this.#findings.add('partTwice', `part ${found.n} of ${this.#step} is duplicated or out of order: ${where}`);
      return 'line';
    }
    if (found.n > expected.n) {
      this.reportMissing(expected);
      return 'part';
    }
    if (FILE_PART_FIELDS.some((field) => found[field] !== expected[field])) {
      const { n, from, name, key, checksum } = expected;
      this.#findings.add(
        'partAltered',
        `part ${n} of ${this.#step} refers to ${found.key} with ${found.checksum}, but ${from} made ${name}, ${key} with ${checksum}`,
      );
    }
    return 'both';
  }

  /** Reports a published file that no line names. */
  reportMissing({ n, from, name }: FilePart): void {
    this.#findings.add('partMissing', `part ${n} of ${this.#step} is missing: ${name}, which ${from} made`);
  }

  /** Reports a line after the last file. */
  reportExtra(where: string): void {
    this.#findings.add('partExtra', `${where} is a surplus part of ${this.#step}: no file is left for it`);
  }
}

const FILE_PART_FIELDS = ['n', 'kind', 'key', 'size', 'checksum', 'from', 'name'] as const satisfies (keyof FilePart)[];

function parseFilePart(line: string): FilePart | null {
  const value: Partial<FilePart> | null = parseObject(line);
  return typeof value?.n === 'number' ? (value as FilePart) : null;
}
