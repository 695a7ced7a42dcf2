import { gzipSync } from 'node:zlib';

/** A compressed file, and the result of `gzip -t` or `zstd -t` for it. */
export interface CompressedCase {
  readonly name: string;
  readonly bytes: Buffer;
  /** Its content; null if the program rejects it. */
  readonly holds: string | null;
  /** Position of the first wrong byte. */
  readonly at?: number;
}

const LINES = 'line 1\nline 2\nline 3\nline 4\nline 5\nline 6\n';
const LONG = '0123456789abcdef\n'.repeat(20_000);

/** Output of zstd 1.5.7 for LINES: plain, with --no-check, and as pzstd, which puts a skippable frame first. */
const FRAME = Buffer.from('KLUv/SQq1QAAaGxpbmUgMQoyMzQ1NgoFAGAIGAcGAyN0FSNieXL/', 'base64');
const UNCHECKED = Buffer.from('KLUv/SAq1QAAaGxpbmUgMQoyMzQ1NgoFAGAIGAcGAyN0FSM=', 'base64');
const PZSTD = Buffer.from('UCpNGAQAAAApAAAAKLUv/QRY5QAAkGxpbmUgMQpsaW5lIDIzNDU2CgQEA0DAAVblC2J5cv8=', 'base64');
/** LONG in three blocks, from a file and from a pipe, whose frame doesn't state the size; and an empty input. */
const BLOCKS = Buffer.from(
  'KLUv/aQgMAUAzAAAiDAxMjM0NTY3ODlhYmNkZWYKAQDZ/ymfS0wAAAgyAQD8/zkQAk0AAAg0AQAcMDkQAlhkNJQ=',
  'base64',
);
const STREAMED = Buffer.from(
  'KLUv/QRYzAAAiDAxMjM0NTY3ODlhYmNkZWYKAQDZ/ymfS0wAAAgyAQD8/zkQAk0AAAg0AQAcMDkQAlhkNJQ=',
  'base64',
);
const EMPTY_FRAME = Buffer.from('KLUv/SQAAQAAmenYUQ==', 'base64');

const MEMBER = gzipSync(LINES);
const EMPTY_MEMBER = gzipSync('');
/** gzip's trailer: checksum, then the size, whose last bytes are zeros like those of padding. */
const TRAILER = 8;

/** A skippable frame (RFC 8878, section 3.1.2), with any of its 16 magic numbers. */
function skippable(content: Uint8Array, magic = 0): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a50 + magic);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content]);
}

/** A copy with one byte changed. */
function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

const join = (...parts: readonly (Uint8Array | string)[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(part)));
const zeros = (count: number): Buffer => Buffer.alloc(count);

export const GZIP_CASES: readonly CompressedCase[] = [
  { name: 'a member', bytes: MEMBER, holds: LINES },
  { name: 'members, some empty', bytes: join(EMPTY_MEMBER, MEMBER, EMPTY_MEMBER, MEMBER), holds: LINES + LINES },
  { name: 'a member and one zero', bytes: join(MEMBER, zeros(1)), holds: LINES },
  { name: 'a member and zero padding', bytes: join(MEMBER, zeros(200_000)), holds: LINES },
  {
    name: 'zero padding before another member',
    bytes: join(MEMBER, zeros(700), MEMBER),
    holds: null,
    at: MEMBER.length,
  },
  { name: 'zero padding before text', bytes: join(MEMBER, zeros(200_000), 'x'), holds: null, at: MEMBER.length },
  { name: 'text after a member', bytes: join(MEMBER, 'more'), holds: null, at: MEMBER.length },
  {
    name: 'half a magic number after a member',
    bytes: join(MEMBER, MEMBER.subarray(0, 1)),
    holds: null,
    at: MEMBER.length + 1,
  },
  { name: 'a truncated member', bytes: MEMBER.subarray(0, -1), holds: null, at: MEMBER.length - 1 },
  {
    name: 'a member without its trailer',
    bytes: MEMBER.subarray(0, -TRAILER),
    holds: null,
    at: MEMBER.length - TRAILER,
  },
  {
    name: 'a truncated second member',
    bytes: join(MEMBER, MEMBER.subarray(0, 12)),
    holds: null,
    at: MEMBER.length + 12,
  },
  {
    name: 'a wrong checksum',
    bytes: flipped(MEMBER, MEMBER.length - TRAILER),
    holds: null,
    at: MEMBER.length - TRAILER,
  },
  { name: 'a wrong size', bytes: flipped(MEMBER, MEMBER.length - 1), holds: null, at: MEMBER.length - 1 },
  { name: 'a damaged block', bytes: flipped(MEMBER, 12), holds: null, at: 12 },
  { name: 'reserved flags', bytes: Buffer.from(MEMBER).fill(0x40, 3, 4), holds: null, at: 3 },
];

export const ZSTD_CASES: readonly CompressedCase[] = [
  { name: 'a frame', bytes: FRAME, holds: LINES },
  { name: 'a frame without a checksum', bytes: UNCHECKED, holds: LINES },
  { name: 'a frame of several blocks', bytes: BLOCKS, holds: LONG },
  { name: 'a frame of unknown size', bytes: STREAMED, holds: LONG },
  { name: 'an empty frame', bytes: EMPTY_FRAME, holds: '' },
  { name: "pzstd's frames, each after a skippable one", bytes: join(PZSTD, PZSTD), holds: LINES + LINES },
  {
    name: 'skippable frames anywhere',
    bytes: join(skippable(zeros(0), 15), FRAME, skippable(zeros(300_000)), EMPTY_FRAME, FRAME, skippable(FRAME, 7)),
    holds: LINES + LINES,
  },
  { name: 'a skippable frame alone', bytes: skippable(FRAME), holds: '' },
  { name: 'a flipped literal', bytes: flipped(FRAME, 12), holds: null, at: 12 },
  {
    name: 'a wrong checksum of the second frame',
    bytes: flipped(join(FRAME, FRAME), 2 * FRAME.length - 1),
    holds: null,
    at: FRAME.length,
  },
  { name: 'a wrong content size', bytes: flipped(UNCHECKED, 5), holds: null, at: 5 },
  { name: 'a truncated frame', bytes: FRAME.subarray(0, -1), holds: null, at: FRAME.length - 1 },
  {
    name: 'a frame truncated within its header',
    bytes: join(FRAME, FRAME.subarray(0, 5)),
    holds: null,
    at: FRAME.length + 5,
  },
  {
    name: 'a truncated skippable frame',
    bytes: join(FRAME, skippable(zeros(99)).subarray(0, 50)),
    holds: null,
    at: FRAME.length + 50,
  },
  { name: 'text after a frame', bytes: join(FRAME, 'more text'), holds: null, at: FRAME.length },
  { name: 'a single byte after a frame', bytes: join(FRAME, 'x'), holds: null, at: FRAME.length },
  {
    name: 'half a magic number after a frame',
    bytes: join(FRAME, FRAME.subarray(0, 2)),
    holds: null,
    at: FRAME.length + 2,
  },
  { name: 'zeros after a frame', bytes: join(FRAME, zeros(512)), holds: null, at: FRAME.length },
  { name: 'a reserved bit', bytes: Buffer.from(FRAME).fill(0x2c, 4, 5), holds: null, at: 0 },
  {
    name: 'a window over 128 MiB',
    // Window descriptor 0x90: 2^28 bytes. The frame holds one empty block.
    bytes: Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x90, 0x01, 0x00, 0x00]),
    holds: null,
    at: 0,
  },
  {
    name: 'a window of 128 MiB',
    bytes: Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00]),
    holds: '',
  },
  {
    name: 'a dictionary',
    bytes: Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x58, 0x07, 0x01, 0x00, 0x00]),
    holds: null,
    at: 0,
  },
];
