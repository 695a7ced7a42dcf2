import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { BatchctlError, isKind } from '../../errors.ts';
import type { SplitSpec } from '../../model/job.ts';
import { type Compression, decompressed, type StoredBytes } from './decompress.ts';

export interface SplitSource extends StoredBytes {
  readonly index: number;
  /** Bytes as stored; null for a pipe, whose size isn't known. */
  readonly size: number | null;
  /** `sha256:<hex>` that was recorded for its bytes as stored. They are compared with it where `stream` is cut. */
  readonly checksum?: string | null;
  /** Random access; null for a pipe. */
  readonly random: RandomAccess | null;
  /** Throws `changed` if the input is no longer what it was when it was opened. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface RandomAccess {
  /** True if each read is a request: few large ones, several at once, are faster than many small ones. */
  readonly remote: boolean;
  /** Fills the buffer from `offset`. Returns the number of bytes: fewer only at the end. */
  readAt(offset: number, buffer: Buffer): number | Promise<number>;
  /** Ranges that will be read soon, so that requests can overlap. */
  ahead?(ranges: readonly { readonly offset: number; readonly length: number }[]): void;
}

/** Detects compression from an input's first bytes. */
export function detectCompression(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return 'zstd';
  // A skippable frame, which pzstd writes first.
  if (((head[0] ?? 0) & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18) return 'zstd';
  return null;
}

export function changedInput(name: string, what: string, cause?: unknown): BatchctlError {
  return new BatchctlError('changed', `${name} has changed since it was opened for this job: ${what}`, {
    hint: 'submit the job again when nothing writes to the file any more',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Compares all bytes of an input, as they pass, with the checksum that was recorded for them. */
export class ChecksumCheck {
  readonly #name: string;
  readonly #recorded: string;
  readonly #hash = createHash('sha256');

  constructor(name: string, recorded: string) {
    this.#name = name;
    this.#recorded = recorded;
  }

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** Call it once all bytes were added. Throws `changed` if they have another checksum. */
  finish(): void {
    const found = `sha256:${this.#hash.digest('hex')}`;
    if (found === this.#recorded) return;
    throw new BatchctlError(
      'changed',
      `${this.#name} does not have the checksum recorded for it: expected ${this.#recorded}, found ${found}`,
      { hint: restoreHint(this.#name) },
    );
  }
}

/** An upload skips an object whose recorded checksum is that of the file, so an altered one has to be removed first. */
function restoreHint(name: string): string {
  const [, job] = /^job:([^/]+)/.exec(name) ?? [];
  if (job !== undefined) return `batchctl verify ${job} --deep lists every output that was altered`;
  return name.startsWith('store:')
    ? `remove it with \`batchctl rm ${name.slice('store:'.length)}\`, upload it again, and submit the job again`
    : 'put it again, and submit the job again';
}

/** Like `readAt`, but requires the whole range; fewer bytes mean that the input changed. */
export async function readFully(name: string, access: RandomAccess, offset: number, buffer: Buffer): Promise<Buffer> {
  const got = await access.readAt(offset, buffer);
  if (got < buffer.length) throw changedInput(name, `it ends at byte ${offset + got}`);
  return buffer;
}

/** Bytes of an input inspected before anything is written. A Zstandard block, at most 128 KiB, fits. */
export const HEAD_SIZE = 132 * 1024;

/** The first bytes of an input, as stored. */
interface Head {
  readonly name: string;
  readonly compression: Compression;
  /** HEAD_SIZE bytes, or all of them. */
  readonly bytes: Buffer;
}

/** Throws `jobFile` for an input that the split can't cut. */
export type HeadCheck = (head: Head) => Promise<void>;

const NUL = 0;

const NEWLINE = 10;

const RETURN = 13;

/** UTF-32 first: its little-endian mark begins with that of UTF-16. */
const MARKS = [
  { encoding: 'UTF-32', mark: [0xff, 0xfe, 0, 0] },
  { encoding: 'UTF-32', mark: [0, 0, 0xfe, 0xff] },
  { encoding: 'UTF-16', mark: [0xff, 0xfe] },
  { encoding: 'UTF-16', mark: [0xfe, 0xff] },
];

/** Signatures of packed formats, in Latin-1, some of them without a NUL; and the command that unpacks them. */
const PACKED = [
  { program: 'bzip2', at: 4, mark: '1AY&SY', unpack: 'bzip2 -dc' },
  { program: 'bzip2', at: 4, mark: '\x17rE8P\x90', unpack: 'bzip2 -dc' },
  { program: 'xz', at: 0, mark: '\xfd7zXZ\0', unpack: 'xz -dc' },
  { program: 'lz4', at: 0, mark: '\x04"M\x18', unpack: 'lz4 -dc' },
  { program: 'zip', at: 0, mark: 'PK\x03\x04', unpack: 'funzip' },
  { program: 'tar', at: 257, mark: 'ustar', unpack: 'tar -xOf -' },
];

/** Bytes of the beginning that are enough to detect these. */
const BEGINNING = 262;

/**
 * For splits that cut text at line ends: refuses inputs without line ends that they know, and names the command that
 * converts them. Null for splits that accept any bytes.
 */
export function textHeadCheck(split: SplitSpec): HeadCheck | null {
  const { by } = split;
  if (by !== 'lines' && by !== 'csv' && by !== 'jsonl' && by !== 'list' && by !== 'table') return null;
  const quote = split.by === 'csv' || split.by === 'table' ? split.quote : '';
  return async (head) => {
    const text = await textOf(head);
    const refused = (what: string, hint: string): BatchctlError =>
      new BatchctlError(
        'jobFile',
        `${head.name} ${what}; by: ${by} splits after line feeds, in UTF-8 or a single-byte encoding`,
        { hint },
      );
    const marked = MARKS.find(({ mark }) => mark.every((byte, at) => text[at] === byte));
    if (marked !== undefined) {
      throw refused(
        `is ${marked.encoding}, according to its byte order mark`,
        convertCommand(head, `iconv -f ${marked.encoding} -t UTF-8`),
      );
    }
    const beginning = text.toString('latin1', 0, BEGINNING);
    const packed = PACKED.find(({ at, mark }) => beginning.startsWith(mark, at));
    if (packed !== undefined) {
      throw refused(`was packed by ${packed.program}, which is not unpacked here`, convertCommand(head, packed.unpack));
    }
    const nul = text.indexOf(NUL);
    if (nul !== -1) {
      const what = `has a NUL byte at byte ${nul}${head.compression === null ? '' : ', decompressed'}`;
      throw refused(what, `${nulHint(head, text)}; for binary data use by: records, or by: file`);
    }
    if (hasReturnsAlone(text, quote))
      throw refused('ends its lines with CR only', convertCommand(head, "tr '\\r' '\\n'"));
  };
}

/** The decompressed first bytes. Ignores damage: the head may end anywhere, and everything is read later. */
async function textOf({ name, compression, bytes }: Head): Promise<Buffer> {
  if (compression === null) return bytes;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of decompressed({ name, compression, stream: () => Readable.from([bytes]) })) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= HEAD_SIZE) break;
    }
  } catch (error) {
    if (!isKind(error, 'corrupt')) throw error;
  }
  return Buffer.concat(chunks).subarray(0, HEAD_SIZE);
}

/** UTF-16 without a mark has a NUL next to each ASCII character. */
function nulHint(head: Head, text: Buffer): string {
  const count = [0, 0];
  for (const [at, byte] of text.entries()) if (byte === NUL) count[at % 2] = (count[at % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = count;
  const many = text.length / 4;
  if (odd > many && even < odd / 4) return `if it is UTF-16: ${convertCommand(head, 'iconv -f UTF-16LE -t UTF-8')}`;
  if (even > many && odd < even / 4) return `if it is UTF-16: ${convertCommand(head, 'iconv -f UTF-16BE -t UTF-8')}`;
  return `if they have no meaning: ${convertCommand(head, "tr -d '\\000'")}`;
}

/** True for text with CRs but no line feed. A CR within quotes is data, and the last byte may be half a line end. */
function hasReturnsAlone(text: Buffer, quote: string): boolean {
  if (text.includes(NEWLINE)) return false;
  let quoted = false;
  for (let at = 0; at < text.length - 1; at += 1) {
    if (quote !== '' && text[at] === quote.charCodeAt(0)) quoted = !quoted;
    if (text[at] === RETURN && !quoted) return true;
  }
  return false;
}

/** The command that converts an input. A remote input, or one with an unusual name, is shown as `FILE`. */
function convertCommand({ name, compression }: Head, filter: string): string {
  const file = /^[\w./][\w./@%+=,-]*$/.test(name) ? name : 'FILE';
  return compression === null
    ? `${filter} < ${file} > CONVERTED`
    : `${compression} -dc < ${file} | ${filter} > CONVERTED`;
}
