/** One slice of the input: a line of a part shard. Its task's number is its place: shard × 10,000 + line. */
export type Part = RangePart | WholePart | PiecePart | ItemPart | ParamsPart;

interface PartBase {
  /** The task's number. */
  readonly n: number;
}

/** Bytes of an input, from `offset`, `length` of them; with a header the command first gets those bytes. */
export interface RangePart extends PartBase {
  readonly kind: 'range';
  readonly input: number;
  readonly offset: number;
  readonly length: number;
  /** Bytes of the same input that every task gets first (a CSV header line). */
  readonly header?: { readonly offset: number; readonly length: number };
  readonly records?: number;
}

/** A whole input (`by: file`). */
export interface WholePart extends PartBase {
  readonly kind: 'whole';
  readonly input: number;
}

/** A piece that was cut out of a stream and stored. */
export interface PiecePart extends PartBase {
  readonly kind: 'piece';
  readonly input: number;
  readonly key: string;
  readonly size: number;
  /** `sha256:<hex>` */
  readonly checksum: string;
  /** The first bytes of the piece that repeat the header; not part of the input's own bytes here. */
  readonly header?: number;
  readonly records?: number;
}

/** One line of a list: the command's stdin, and `{item}` in its arguments. */
export interface ItemPart extends PartBase {
  readonly kind: 'item';
  readonly input: number;
  readonly item: string;
}

/** A number of a range (`index`) or a combination of a grid: parameters, and as JSON the command's stdin. */
export interface ParamsPart extends PartBase {
  readonly kind: 'params';
  readonly params: Readonly<Record<string, string>>;
}

/** A file that an exploding step published: the part of a task of the step after it. */
export interface FilePart extends PartBase {
  readonly kind: 'file';
  /** Where its bytes lie, among the files of the attempt that was published. */
  readonly key: string;
  readonly size: number;
  /** `sha256:<hex>` */
  readonly checksum: string;
  /** The task that made it, `step/n`, and the name that it gave the file: relative, with `/`. */
  readonly from: string;
  readonly name: string;
}

export const PARTS_PER_SHARD = 10_000;
