import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { BatchctlError, hasCode } from '../../errors.ts';
import { randomId } from '../../lib/id.ts';
import { isRecord } from '../../lib/json.ts';
import { readFully } from '../../lib/read-file.ts';
import type { Metadata, ObjectInfo } from '../../ports/object-store.ts';

/**
 * An object's file: its bytes, then its tail. The tail is one line of JSON,
 * `{"format":1,"metadata":{...},"modified":<13 digits>,"etag":"<20 characters>"}` and a newline, then 16 bytes:
 * the number of the object's bytes (48 bits, little-endian), the line's length (16 bits) and the magic.
 * The line's end has a fixed length, so that a listing finds what it needs without parsing.
 */
const FORMAT = 1;
const MAGIC = 'batchctl';
const TRAILER = 16;
const ETAG_LENGTH = 20;
const LINE_END = /^"modified":(\d{13}),"etag":"([\w-]{20})"}\n$/;
const LINE_END_LENGTH = '"modified":,"etag":""}\n'.length + 13 + ETAG_LENGTH;
const SHORTEST_TAIL = LINE_END_LENGTH + TRAILER;
/** S3's limit on an object's metadata (userguide/UsingMetadata). */
const LONGEST_METADATA = 2_048;
/** One read of this many bytes from the file's start holds a small object whole, and saves a request for its size. */
const PROBE = 8_192;

/** Prefix of entity tags: random for this process, followed by a count. No tag is used twice. */
let etagPrefix = '';
let etagCount = 0;
function nextEtag(): string {
  etagPrefix ||= randomId(14);
  etagCount += 1;
  return etagPrefix + etagCount.toString(36).padStart(ETAG_LENGTH - etagPrefix.length, '0');
}

export interface Tail {
  readonly bytes: Buffer;
  readonly etag: string;
}

/** The tail that makes a file of `size` bytes an object. Throws `usage` for metadata that S3 would not keep as is. */
export function makeTail(size: number, metadata: Metadata, modified: number): Tail {
  checkMetadata(metadata);
  const etag = nextEtag();
  const at = String(Math.floor(modified)).padStart(13, '0');
  const line = `{"format":${FORMAT},"metadata":${JSON.stringify(metadata)},"modified":${at},"etag":"${etag}"}\n`;
  const bytes = Buffer.allocUnsafe(line.length + TRAILER);
  bytes.write(line, 0, 'latin1');
  bytes.writeUIntLE(size, line.length, 6);
  bytes.writeUInt16LE(line.length, line.length + 6);
  bytes.write(MAGIC, line.length + 8, 'latin1');
  return { bytes, etag };
}

function checkMetadata(metadata: Metadata): void {
  let total = 0;
  for (const [name, value] of Object.entries(metadata)) {
    total += name.length + value.length;
    if (/^[a-z0-9-]+$/.test(name) && /^[\x20-\x7e]*$/.test(value)) continue;
    const found = `${JSON.stringify(name)}: ${JSON.stringify(value.slice(0, 60))}`;
    throw new BatchctlError('usage', `Metadata is a name of [a-z0-9-] and a value of printable ASCII; found ${found}`);
  }
  if (total > LONGEST_METADATA) {
    throw new BatchctlError('usage', `Metadata may be ${LONGEST_METADATA} bytes in all; found ${total}`);
  }
}

/** An object's file, open for reading. The caller closes `fd`. */
export interface OpenObject {
  readonly fd: number;
  readonly size: number;
  readonly etag: string;
  readonly modified: number;
  /** The line with the metadata. */
  readonly line: string;
  /** Which filling of the probe holds its bytes; 0 if none does. */
  readonly filling: number;
}

// Shared by all reads: an object's bytes in it are used only until something else fills it.
const probe = Buffer.allocUnsafe(PROBE);
let fillings = 0;

/**
 * Opens an object's file and reads its facts; null if it provably isn't there. Throws `corrupt`, naming key and file,
 * for a file that isn't whole, and what the file system throws.
 */
export function openObject(path: string, key: string): OpenObject | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  try {
    return readFacts(fd, path, key);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function readFacts(fd: number, path: string, key: string): OpenObject {
  fillings += 1;
  let held = readSync(fd, probe, 0, PROBE, 0);
  let fileSize = held;
  const filling = held < PROBE ? fillings : 0;
  if (held === PROBE) {
    fileSize = fstatSync(fd).size;
    held = readSync(fd, probe, 0, PROBE, Math.max(0, fileSize - PROBE));
  }
  const end = held;
  if (end < SHORTEST_TAIL || probe.toString('latin1', end - 8, end) !== MAGIC)
    throw corruptError(path, key, 'its end is missing');
  const size = probe.readUIntLE(end - TRAILER, 6);
  const lineLength = probe.readUInt16LE(end - TRAILER + 6);
  const facts = LINE_END.exec(probe.toString('latin1', end - SHORTEST_TAIL, end - TRAILER));
  if (size + lineLength + TRAILER !== fileSize || facts?.[1] === undefined || facts[2] === undefined) {
    throw corruptError(path, key, `its trailer says ${size} + ${lineLength} bytes, but the file has ${fileSize}`);
  }
  const from = end - TRAILER - lineLength;
  const line = from < 0 ? readLongLine(fd, size, lineLength) : probe.toString('latin1', from, end - TRAILER);
  return { fd, size, line, filling, modified: Number(facts[1]), etag: facts[2] };
}

/** A line that doesn't fit the probe: metadata with very many short names. */
function readLongLine(fd: number, size: number, lineLength: number): string {
  const line = Buffer.allocUnsafe(lineLength);
  readFully(fd, line, size);
  return line.toString('latin1');
}

/** Everything about an open object; parses the metadata. */
export function infoOf(object: OpenObject, path: string, key: string): ObjectInfo {
  const { size, etag, modified, line } = object;
  return { key, size, etag, modified, metadata: parseLine(line, path, key) };
}

function parseLine(line: string, path: string, key: string): Metadata {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw corruptError(path, key, 'its metadata is not JSON', cause);
  }
  if (!isRecord(parsed) || !('format' in parsed) || !('metadata' in parsed)) {
    throw corruptError(path, key, 'its metadata has no format');
  }
  if (typeof parsed.format === 'number' && parsed.format > FORMAT) {
    const expected = `Expected format ${FORMAT} of the object ${key}, found ${parsed.format}`;
    throw new BatchctlError('newer', expected, { hint: 'Use the version of batchctl that wrote it, or a later one.' });
  }
  if (!isMetadata(parsed.metadata)) throw corruptError(path, key, 'its metadata is not a set of texts');
  return parsed.metadata;
}

function isMetadata(value: unknown): value is Metadata {
  return isRecord(value) && Object.values(value).every((text) => typeof text === 'string');
}

/** Fills `into` with an open object's bytes from `position`, without another read if opening it has read them. */
export function readBytes({ fd, filling }: OpenObject, into: Uint8Array, position: number): void {
  if (filling === fillings) probe.copy(into, 0, position, position + into.length);
  else readFully(fd, into, position);
}

function corruptError(path: string, key: string, why: string, cause?: unknown): BatchctlError {
  return new BatchctlError('corrupt', `The object ${key} is incomplete: ${why} (${path})`, {
    hint: `A power failure or another program truncated it. Move the file away, then run again what wrote it.`,
    cause,
  });
}
