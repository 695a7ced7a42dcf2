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

const valid = (name: string, bytes: Buffer, holds: string): CompressedCase => ({ name, bytes, holds });
const invalid = (name: string, bytes: Buffer, at: number): CompressedCase => ({ name, bytes, holds: null, at });

export const GZIP_CASES: readonly CompressedCase[] = [
  valid('a member', MEMBER, LINES),
  valid('members, some empty', join(EMPTY_MEMBER, MEMBER, EMPTY_MEMBER, MEMBER), LINES + LINES),
  valid('a member and one zero', join(MEMBER, zeros(1)), LINES),
  valid('a member and zero padding', join(MEMBER, zeros(200_000)), LINES),
  invalid('zero padding before another member', join(MEMBER, zeros(700), MEMBER), MEMBER.length),
  invalid('zero padding before text', join(MEMBER, zeros(200_000), 'x'), MEMBER.length),
  invalid('text after a member', join(MEMBER, 'more'), MEMBER.length),
  invalid('a zstd frame after a member', join(MEMBER, FRAME), MEMBER.length),
  invalid('half a magic number after a member', join(MEMBER, MEMBER.subarray(0, 1)), MEMBER.length + 1),
  invalid('a truncated member', MEMBER.subarray(0, -1), MEMBER.length - 1),
  invalid('a member without its trailer', MEMBER.subarray(0, -TRAILER), MEMBER.length - TRAILER),
  invalid('a truncated second member', join(MEMBER, MEMBER.subarray(0, 12)), MEMBER.length + 12),
  invalid('a wrong checksum', flipped(MEMBER, MEMBER.length - TRAILER), MEMBER.length - TRAILER),
  invalid('a wrong size', flipped(MEMBER, MEMBER.length - 1), MEMBER.length - 1),
  invalid('a damaged block', flipped(MEMBER, 12), 12),
  invalid('reserved flags', Buffer.from(MEMBER).fill(0x40, 3, 4), 3),
];

export const ZSTD_CASES: readonly CompressedCase[] = [
  valid('a frame', FRAME, LINES),
  valid('a frame without a checksum', UNCHECKED, LINES),
  valid('a frame of several blocks', BLOCKS, LONG),
  valid('a frame of unknown size', STREAMED, LONG),
  valid('an empty frame', EMPTY_FRAME, ''),
  valid("pzstd's frames, each after a skippable one", join(PZSTD, PZSTD), LINES + LINES),
  valid(
    'skippable frames anywhere',
    join(skippable(zeros(0), 15), FRAME, skippable(zeros(300_000)), EMPTY_FRAME, FRAME, skippable(FRAME, 7)),
    LINES + LINES,
  ),
  valid('a skippable frame alone', skippable(FRAME), ''),
  invalid('a flipped literal', flipped(FRAME, 12), 12),
  invalid('a wrong checksum of the second frame', flipped(join(FRAME, FRAME), 2 * FRAME.length - 1), FRAME.length),
  invalid('a wrong content size', flipped(UNCHECKED, 5), 5),
  invalid('a truncated frame', FRAME.subarray(0, -1), FRAME.length - 1),
  invalid('a frame truncated within its header', join(FRAME, FRAME.subarray(0, 5)), FRAME.length + 5),
  invalid('a truncated skippable frame', join(FRAME, skippable(zeros(99)).subarray(0, 50)), FRAME.length + 50),
  invalid('text after a frame', join(FRAME, 'more text'), FRAME.length),
  invalid('a gzip member after a frame', join(FRAME, MEMBER), FRAME.length),
  invalid('a single byte after a frame', join(FRAME, 'x'), FRAME.length),
  invalid('half a magic number after a frame', join(FRAME, FRAME.subarray(0, 2)), FRAME.length + 2),
  invalid('zeros after a frame', join(FRAME, zeros(512)), FRAME.length),
  invalid('a reserved bit', Buffer.from(FRAME).fill(0x2c, 4, 5), 0),
  // Window descriptor 0x90: 2^28 bytes. The frame holds one empty block.
  invalid('a window over 128 MiB', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x90, 0x01, 0x00, 0x00]), 0),
  valid('a window of 128 MiB', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00]), ''),
  invalid('a dictionary', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x58, 0x07, 0x01, 0x00, 0x00]), 0),
];
