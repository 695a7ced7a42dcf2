import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import type { Chance } from '../support/chance.ts';

/** A file whose content is known by construction. */
export interface NastyFile {
  readonly name: string;
  /** The bytes on disk. */
  readonly bytes: Buffer;
  /** The line that every part gets; null for none. */
  readonly header: Buffer | null;
  /** The records with their line ends; the last one may have none. */
  readonly records: readonly Buffer[];
}

/** How a job's input is cut, and what its files are like. */
export interface NastyInput {
  /** As in a job file. */
  readonly split: Readonly<Record<string, unknown>>;
  readonly files: readonly NastyFile[];
  /** Why the job must be refused before it begins; null: the output must be complete. */
  readonly refused: string | null;
}

type Text = 'lines' | 'csv' | 'jsonl';

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const WORDS = ['', 'a', '1.50', 'ünï', '中🙂', ' ', '\t', 'x'.repeat(400), "it's", '\\', '%', '\u2028', '-'];
const FIELDS = [...WORDS, '""', '"a,b"', '"two\nlines"', '"three\r\n\r\nlines"', '"said ""no"""', '"\n"'];
const NAMES = ['a', 'with space', '-rf', "quote'$(x)", 'e\u0301-ü', '漢字', '#1', 'a.b.c', '%2e', '@x', 'Z', 'z'];

/** A job's input with one to three files, one of which may contain something that no text split may accept. */
export function nastyInput(chance: Chance): NastyInput {
  if (chance.is(0.15)) return binaryInput(chance);
  const by = chance.pick<Text>(['lines', 'csv', 'jsonl']);
  const header = by === 'csv' && chance.is(0.6);
  const end = chance.pick(['\n', '\r\n']);
  const names = namesOf(chance, chance.whole(1, 3));
  const spoiledIndex = chance.is(0.25) ? chance.whole(0, names.length - 1) : -1;
  let refused: string | null = null;
  const files = names.map((name, index) => {
    const file = textFile(chance, name, by, end, header);
    if (index !== spoiledIndex) return file;
    const spoiled = spoil(chance, Buffer.concat([...(file.header === null ? [] : [file.header]), ...file.records]));
    refused = spoiled.why;
    return { ...file, bytes: spoiled.bytes };
  });
  const amount = chance.is(0.5) ? { every: chance.whole(1, 3) } : { size: chance.whole(1, 900) };
  return { split: { by, ...amount, ...(header && { header }) }, files, refused };
}

/**
 * The possible outputs if each part is copied and the copies are joined, with one header. There are several, because a
 * line end added between two files is LF or CR LF.
 */
export function expectedOutputs({ split, files }: NastyInput): readonly string[] {
  const text = split.by !== 'records' && split.by !== 'file';
  let outputs = [''];
  for (const { header, records } of files) {
    if (records.length === 0) continue;
    const bytes = Buffer.concat(records).toString('latin1');
    outputs = outputs.flatMap((before) => {
      if (before === '') return [`${header?.toString('latin1') ?? ''}${bytes}`];
      if (!text || before.endsWith('\n')) return [`${before}${bytes}`];
      return [`${before}\n${bytes}`, `${before}\r\n${bytes}`];
    });
  }
  return outputs;
}

function binaryInput(chance: Chance): NastyInput {
  const length = chance.whole(1, 9);
  const isFile = chance.is(0.5);
  const files = namesOf(chance, chance.whole(1, 3)).map((name) => {
    // Otherwise bytes that look like a compressed file would be taken for one.
    const bytes = Buffer.from(Array.from({ length: length * chance.whole(1, 12) }, () => chance.whole(0, 255)));
    bytes.fill(1, 0, Math.min(4, bytes.length));
    return { name, bytes, header: null, records: [bytes] };
  });
  return {
    split: isFile ? { by: 'file', ...packOf(chance) } : { by: 'records', length, every: chance.whole(1, 4) },
    files,
    refused: null,
  };
}

/** Half of the time several files are one task, which gets them one after the other. */
function packOf(chance: Chance): { readonly pack?: object | number } {
  if (chance.is(0.5)) return {};
  return { pack: chance.pick([chance.whole(1, 3), { bytes: chance.whole(1, 100) }, { files: 2, bytes: 60 }]) };
}

function textFile(chance: Chance, name: string, by: Text, end: string, withHeader: boolean): NastyFile {
  const lines = Array.from({ length: chance.is(0.1) ? 0 : chance.whole(1, 12) }, () => recordOf(chance, by));
  const records: Buffer[] = lines.map((line) => Buffer.concat([line, Buffer.from(end)]));
  const last = lines.at(-1);
  let header: Buffer | null = withHeader ? Buffer.from(`id,v${end}`) : null;
  // An empty last record without a line end is not a record. One with a CR and no other line end next to it would look
  // like text whose lines end with only a CR, which is refused.
  const mayEndBare = last !== undefined && last.length > 0 && chance.is(0.4);
  const hasOtherEnd = lines.length > 1 || header !== null || last?.includes('\r') !== true;
  if (mayEndBare && hasOtherEnd) records[records.length - 1] = last;
  if (chance.is(0.2)) {
    if (header !== null) header = Buffer.concat([BOM, header]);
    else if (records[0] !== undefined && by !== 'jsonl') records[0] = Buffer.concat([BOM, records[0]]);
  }
  const plain = Buffer.concat([...(header === null ? [] : [header]), ...records]);
  return { name, header, records, bytes: compressed(chance, plain) };
}

function recordOf(chance: Chance, by: Text): Buffer {
  if (by === 'jsonl') return Buffer.from(JSON.stringify({ v: chance.pick(WORDS), n: [chance.whole(0, 9)] }));
  if (by === 'csv') {
    const fields = Array.from({ length: chance.whole(1, 3) }, () => chance.pick(FIELDS));
    return Buffer.from(fields.join(','));
  }
  const words = Array.from({ length: chance.whole(0, 3) }, () => chance.pick([...WORDS, '\r', '"']));
  // Bytes of Latin-1 are not UTF-8, but still lines.
  return chance.is(0.1) ? Buffer.from('caf\xe9', 'latin1') : Buffer.from(`${words.join('')}.`);
}

/** Unchanged, or in one of the forms that gzip and zstd accept. */
function compressed(chance: Chance, plain: Buffer): Buffer {
  const cut = chance.whole(0, plain.length);
  const [before, after] = [plain.subarray(0, cut), plain.subarray(cut)];
  return chance.weighted<() => Buffer>([
    [6, () => plain],
    [1, () => gzipSync(plain)],
    [1, () => Buffer.concat([gzipSync(before), gzipSync(''), gzipSync(after)])],
    [1, () => Buffer.concat([gzipSync(plain), Buffer.alloc(chance.whole(1, 600))])],
    [1, () => zstd(plain)],
    [1, () => Buffer.concat([zstd(before), skippable(chance), zstd(after)])],
    [1, () => Buffer.concat([skippable(chance), zstd(plain), skippable(chance)])],
  ])();
}

/** Adds something that no text split may accept; `why` names it. */
function spoil(chance: Chance, plain: Buffer): { readonly bytes: Buffer; readonly why: string } {
  const text = plain.length === 0 ? 'a,b\n' : plain.toString('latin1');
  const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le');
  const gzip = gzipSync(text);
  const packed = zstd(Buffer.from(text));
  const flipped = (bytes: Buffer, at: number): Buffer => {
    const copy: Buffer = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 0x10;
    return copy;
  };
  return chance.pick([
    { why: 'UTF-16, little end first', bytes: utf16 },
    { why: 'UTF-16, big end first', bytes: Buffer.from(utf16).swap16() },
    { why: 'UTF-32', bytes: Buffer.concat([Buffer.from([0xff, 0xfe, 0, 0]), Buffer.from('a\0\0\0\n\0\0\0')]) },
    { why: 'NUL bytes', bytes: Buffer.from(`a\0b,c\n${text}`, 'latin1') },
    { why: 'line ends that are CR alone', bytes: Buffer.from('id,v\r1,10\r2,20\r') },
    { why: 'gzip, trailing garbage', bytes: Buffer.concat([gzip, Buffer.from('garbage')]) },
    { why: 'gzip, garbage after padding', bytes: Buffer.concat([gzip, Buffer.alloc(512), Buffer.from('x')]) },
    { why: 'gzip, broken off', bytes: gzip.subarray(0, gzip.length - chance.whole(1, 9)) },
    { why: 'gzip, another checksum', bytes: flipped(gzip, gzip.length - 6) },
    { why: 'zstd, trailing garbage', bytes: Buffer.concat([packed, Buffer.from('garbage')]) },
    { why: 'zstd, broken off', bytes: packed.subarray(0, packed.length - chance.whole(1, 4)) },
    { why: 'zstd, another checksum', bytes: flipped(packed, packed.length - 2) },
  ]);
}

function zstd(bytes: Buffer): Buffer {
  return execFileSync('zstd', ['-q', '-c', '--check'], { input: bytes });
}

function skippable(chance: Chance): Buffer {
  const content = Buffer.alloc(chance.whole(0, 40), 7);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a50 + chance.whole(0, 15), 0);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content]);
}

/** Names in the order in which a job reads its files. */
function namesOf(chance: Chance, count: number): readonly string[] {
  const names = new Set<string>();
  while (names.size < count) names.add(chance.pick(NAMES));
  return [...names];
}
