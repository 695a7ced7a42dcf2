import { isCount, isRecord, isText, type JsonObject, parseObject } from '../lib/json.ts';
import { combinationsOf } from './grid.ts';
import type { JobInput, PackLimits, SplitSpec } from './job.ts';

/** One slice of the input: a line of a part shard. Its task's number is its position: shard × 10,000 + line. */
export type Part = RangePart | WholePart | PackPart | PiecePart | ItemPart | RowPart | ParamsPart;

interface PartBase {
  /** The task's number. */
  readonly n: number;
}

/** `length` bytes of an input from `offset`; with a header, the command gets that first. */
export interface RangePart extends PartBase {
  readonly kind: 'range';
  readonly input: number;
  readonly offset: number;
  readonly length: number;
  /** Bytes of the same input that every task gets first (a CSV header line). */
  readonly header?: { readonly offset: number; readonly length: number };
  readonly records?: number;
  /** The number of its first record in the input, from 1, without the header. */
  readonly first?: number;
  /** CSV whose cuts were found by reading only around them: the worker checks that it begins and ends between records. */
  readonly assumed?: true;
}

/** A whole input (`by: file`). */
interface WholePart extends PartBase {
  readonly kind: 'whole';
  readonly input: number;
}

/** Consecutive whole inputs, from `input` on (`by: file` with `pack`). */
export interface PackPart extends PartBase {
  readonly kind: 'pack';
  readonly input: number;
  readonly files: number;
}

export interface PiecePart extends PartBase {
  readonly kind: 'piece';
  readonly input: number;
  readonly key: string;
  readonly size: number;
  /** `sha256:<hex>` */
  readonly checksum: string;
  /** Length of the repeated header at the start of the piece; these bytes aren't counted as the input's own here. */
  readonly header?: number;
  readonly records?: number;
  /** As in a range. */
  readonly first?: number;
  /** The bytes of the input before it, once decompressed; only where records weren't counted. */
  readonly offset?: number;
}

/** One line of a list: the command's stdin, and `{item}` in its arguments. */
interface ItemPart extends PartBase {
  readonly kind: 'item';
  readonly input: number;
  readonly item: string;
}

/** A row of a table: parameters by the names of its columns, and as JSON the command's stdin. */
export interface RowPart extends PartBase {
  readonly kind: 'row';
  readonly input: number;
  /** The line of its input in which it begins, from 1. */
  readonly at: number;
  readonly params: Readonly<Record<string, string>>;
}

/** A number of a range (`index`) or a combination of a grid: parameters, and as JSON the command's stdin. */
interface ParamsPart extends PartBase {
  readonly kind: 'params';
  readonly params: Readonly<Record<string, string>>;
}

/** A file that an exploding step published: the part of a task of the next step. */
export interface FilePart extends PartBase {
  readonly kind: 'file';
  /** The key of its bytes, among the files of the published attempt. */
  readonly key: string;
  readonly size: number;
  /** `sha256:<hex>` */
  readonly checksum: string;
  /** The task that made it, `step/n`, and the file's name: relative, with `/`. */
  readonly from: string;
  readonly name: string;
}

export const PARTS_PER_SHARD = 10_000;

/** Values by name, as text. */
export type TaskParams = Readonly<Record<string, string>>;

/** What the split gave a part's task besides data: its parameters, or the `item` of a list; null: nothing. */
export function partParams(part: Part): TaskParams | null {
  if ('params' in part) return part.params;
  return part.kind === 'item' ? { item: part.item } : null;
}

/** `lr=0.1, seed=3` */
export const paramsText = (params: TaskParams): string =>
  Object.entries(params)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
/** The files of one task: their paths are in memory, and on most systems a directory of more is slow. */
export const MOST_PACKED = 100_000;

/**
 * The input after the pack that begins with `first`: as many files as the limits allow, and at least one. A function of
 * the inputs' order and sizes alone. `last`: the end of the inputs that are packed together.
 */
export function packEnd(
  inputs: readonly Pick<JobInput, 'size'>[],
  first: number,
  { files, bytes }: PackLimits,
  last = inputs.length,
): number {
  const most = Math.min(last, first + Math.min(files ?? MOST_PACKED, MOST_PACKED));
  let sum = 0;
  let end = first;
  for (; end < most; end += 1) {
    sum += inputs[end]?.size ?? 0;
    if (bytes !== undefined && sum > bytes && end > first) break;
  }
  return end;
}

/** The numbers of the inputs that a part is made of; of all others, one or none. */
export function* inputsOf(part: Part): Generator<number> {
  if (part.kind === 'params') return;
  const count = part.kind === 'pack' ? part.files : 1;
  for (let n = part.input; n < part.input + count; n += 1) yield n;
}

/** `500 files, a.csv to z.csv`; the name of a part's only input, null if it has none. */
export function inputText(part: Part, inputs: readonly Pick<JobInput, 'name'>[]): string | null {
  if (part.kind === 'params') return null;
  const first = inputs[part.input]?.name ?? null;
  if (part.kind !== 'pack' || part.files === 1) return first;
  return `${part.files} files, ${first} to ${inputs[part.input + part.files - 1]?.name}`;
}

type ParamSplit = Extract<SplitSpec, { readonly by: 'range' | 'grid' }>;

export function countParams(split: ParamSplit): number {
  if (split.by === 'range') return Math.max(0, split.to - split.from + 1);
  return combinationsOf(split).count;
}

/** The parameters of part `n`: for a range `index`; for a grid one value of each axis. */
export function paramsOf(split: ParamSplit, n: number): Readonly<Record<string, string>> {
  return split.by === 'range' ? { index: String(split.from + n) } : combinationsOf(split).params(n);
}

/** Whether the parts of a split have parameters, each its own. */
export function hasParams({ by }: SplitSpec): boolean {
  return by === 'list' || by === 'table' || by === 'range' || by === 'grid';
}

/** Parses a line of a part shard; null if it isn't a part. Ignores unknown fields. */
export function parsePart(line: string): Part | null {
  const value = parseObject(line);
  return value !== null && isPart(value) ? value : null;
}

function isPart(value: JsonObject): value is JsonObject & Part {
  const { kind } = value;
  if (!isCount(value.n) || ![value.records, value.first].every(isOptionalCount)) return false;
  if (kind === 'params') return isTexts(value.params);
  if (!isCount(value.input)) return false;
  switch (kind) {
    case 'range':
      return (
        isCount(value.offset) &&
        isCount(value.length) &&
        (value.header === undefined || isRange(value.header)) &&
        (value.assumed === undefined || value.assumed === true)
      );
    case 'whole':
      return true;
    case 'pack':
      return isCount(value.files) && value.files > 0 && value.files <= MOST_PACKED;
    case 'piece':
      return (
        isText(value.key) &&
        isCount(value.size) &&
        isText(value.checksum) &&
        isOptionalCount(value.header) &&
        isOptionalCount(value.offset)
      );
    case 'item':
      return isText(value.item);
    case 'row':
      return isCount(value.at) && isTexts(value.params);
    default:
      return false;
  }
}

const isTexts = (value: unknown): boolean => isRecord(value) && Object.values(value).every(isText);

const isOptionalCount = (value: unknown): boolean => value === undefined || isCount(value);

function isRange(value: unknown): boolean {
  return isRecord(value) && isCount(value.offset) && isCount(value.length);
}

const UTF8 = new TextEncoder();

/** Bytes that a part's task gets; 0 if it gets only parameters. */
export function partSize(part: Part, inputs: readonly Pick<JobInput, 'size'>[]): number {
  switch (part.kind) {
    case 'range':
      return part.length + (part.header?.length ?? 0);
    case 'piece':
      return part.size;
    case 'whole':
    case 'pack': {
      let sum = 0;
      for (const n of inputsOf(part)) sum += inputs[n]?.size ?? 0;
      return sum;
    }
    case 'item':
      return UTF8.encode(part.item).length;
    case 'row':
    case 'params':
      return 0;
    default:
      return part satisfies never;
  }
}

/** A part's position in its input: records or lines, numbered from 1, or bytes from 0, of the decompressed input. */
export interface PartPlace {
  readonly unit: 'records' | 'lines' | 'bytes';
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
}

/** Bytes where records were not counted. Null for a part that isn't a slice, that is empty, or that an older version cut. */
export function placeOf(part: Part, split: SplitSpec | undefined): PartPlace | null {
  if (part.kind === 'row') return slice('lines', part.at, 1);
  if (part.kind !== 'range' && part.kind !== 'piece') return null;
  const { first, records } = part;
  if (first !== undefined && records !== undefined)
    return slice(split?.by === 'lines' ? 'lines' : 'records', first, records);
  if (part.offset === undefined) return null;
  return slice('bytes', part.offset, part.kind === 'range' ? part.length : part.size - (part.header ?? 0));
}

const slice = (unit: PartPlace['unit'], from: number, length: number): PartPlace | null =>
  length === 0 ? null : { unit, from, to: from + length - 1 };

/** `records 101-200` */
export function placeText({ unit, from, to }: PartPlace): string {
  return `${from === to ? unit.slice(0, -1) : unit} ${from}${from === to ? '' : `-${to}`}`;
}
