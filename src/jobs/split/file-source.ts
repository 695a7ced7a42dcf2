import { type BigIntStats, closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { BatchctlError, hasCode } from '../../errors.ts';
import type { FilePin } from '../../model/job.ts';
import { changedInput, detectCompression, HEAD_SIZE, type HeadCheck, type SplitSource } from './split-source.ts';

/** Identifies a local input: it is read in place and must not change. */
export function filePin(stat: BigIntStats): FilePin {
  return { inode: String(stat.ino), size: Number(stat.size), mtimeNs: String(stat.mtimeNs) };
}

/** How a file differs from its pin, in words; null if it still is the pinned one, unmodified. */
export function fileDifference(stat: BigIntStats, pin: FilePin): string | null {
  const now = filePin(stat);
  if (now.size !== pin.size) return `it had ${pin.size} bytes, and now has ${now.size}`;
  if (now.inode !== pin.inode) return 'it was replaced by another file';
  return now.mtimeNs === pin.mtimeNs ? null : 'it was written to';
}

/** Throws `changed`, naming the file and the difference, unless the open file is the pinned one, unmodified. */
export function checkPin(name: string, fd: number, pin: FilePin): void {
  const difference = fileDifference(fstatSync(fd, { bigint: true }), pin);
  if (difference !== null) throw changedInput(name, difference);
}

const STREAM_CHUNK = 256 * 1024;

export interface FileSource extends SplitSource {
  readonly size: number;
  readonly pin: FilePin;
}

/**
 * Opens a local file for cutting; the caller must `close` it. Throws `notFound` if it doesn't exist or can't be read,
 * `usage` if it isn't a regular file (a directory, a device).
 */
export function openFileSource(index: number, path: string, name = path): FileSource {
  const fd = open(path, name);
  const stat = fstatSync(fd, { bigint: true });
  const pin = filePin(stat);
  const head = Buffer.alloc(4);
  const compression = detectCompression(head.subarray(0, readSync(fd, head, 0, head.length, 0)));
  return {
    index,
    name,
    size: pin.size,
    pin,
    compression,
    random: { remote: false, readAt: (offset, buffer) => readAll(fd, offset, buffer) },
    // Uses the same descriptor and thus the pinned file. Node's own file stream would close it when destroyed.
    stream: (signal) => Readable.from(chunksOf(fd), { objectMode: false, ...(signal && { signal }) }),
    check: async () => {
      checkPin(name, fd, pin);
      // If it was replaced by a rename, workers would open a different file.
      const named = statSync(path, { bigint: true, throwIfNoEntry: false });
      if (named === undefined) throw changedInput(name, 'it is gone');
      if (String(named.ino) !== pin.inode) throw changedInput(name, 'it was replaced by another file');
    },
    close: async () => closeSync(fd),
  };
}

/** A local file that is taken whole, identified by path only, so that many of them need no descriptors. */
export function statFileSource(index: number, path: string, name = path): FileSource {
  const stat = statSync(path, { bigint: true });
  // A pipe can't be opened later by a worker, which would wait for a writer.
  if (!stat.isFile()) throw notRegular(name);
  const pin = filePin(stat);
  return {
    index,
    name,
    size: pin.size,
    pin,
    compression: null,
    // Only workers read whole inputs.
    random: { remote: false, readAt: () => 0 },
    stream: () => Readable.from([]),
    check: async () => {
      const now = statSync(path, { bigint: true, throwIfNoEntry: false });
      if (now === undefined) throw changedInput(name, 'it is gone');
      const difference = fileDifference(now, pin);
      if (difference !== null) throw changedInput(name, difference);
    },
    close: async () => undefined,
  };
}

function* chunksOf(fd: number): Generator<Buffer> {
  for (let offset = 0; ; ) {
    const chunk = Buffer.allocUnsafe(STREAM_CHUNK);
    const got = readSync(fd, chunk, 0, chunk.length, offset);
    if (got === 0) return;
    yield chunk.subarray(0, got);
    offset += got;
  }
}

/** A read may return fewer bytes (after a signal, or above 2 GiB), so repeat it. */
function readAll(fd: number, offset: number, buffer: Buffer): number {
  let got = 0;
  while (got < buffer.length) {
    const read = readSync(fd, buffer, got, buffer.length - got, offset + got);
    if (read === 0) break;
    got += read;
  }
  return got;
}

function open(path: string, name: string): number {
  try {
    const stat = statSync(path);
    if (stat.isFile()) return openSync(path, 'r');
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT', 'ENOTDIR', 'EACCES')) throw cause;
    const why = hasCode(cause, 'EACCES') ? "can't be read: access denied" : 'does not exist';
    throw new BatchctlError('notFound', `the input ${name} ${why}`, { cause, hint: 'correct input.from, or --input' });
  }
  throw notRegular(name);
}

function notRegular(name: string): BatchctlError {
  return new BatchctlError('usage', `the input ${name} is not a regular file`, {
    hint: 'use a file; pipe other data in with --input -',
  });
}

/** Input from a pipe (`--input -`). Waits for the first bytes, to `look` at them and detect compression. */
export async function openPipeSource(
  index: number,
  input: Readable,
  look: HeadCheck | null = null,
  name = '-',
): Promise<SplitSource> {
  const chunks = input[Symbol.asyncIterator]() as AsyncIterator<Buffer | string>;
  const head: Buffer[] = [];
  let length = 0;
  let done = false;
  while (length < (look === null ? 4 : HEAD_SIZE) && !done) {
    const next = await chunks.next();
    done = next.done === true;
    if (next.done === true) break;
    head.push(Buffer.from(next.value));
    length += next.value.length;
  }
  async function* all(): AsyncGenerator<Buffer | string> {
    yield* head;
    for (let next = done ? null : await chunks.next(); next?.done === false; next = await chunks.next()) {
      yield next.value;
    }
  }
  const bytes = Buffer.concat(head);
  const compression = detectCompression(bytes);
  try {
    await look?.({ name, compression, bytes: bytes.subarray(0, HEAD_SIZE) });
  } catch (error) {
    input.destroy();
    throw error;
  }
  return {
    index,
    name,
    size: null,
    compression,
    random: null,
    stream: (signal) => Readable.from(all(), { objectMode: false, ...(signal && { signal }) }),
    check: async () => {},
    close: async () => {
      input.destroy();
    },
  };
}
