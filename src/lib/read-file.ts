import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

/** Fills `into` from `position`, or from where the last read ended (null). Returns how many bytes there were. */
export function readFully(fd: number, into: Uint8Array, position: number | null): number {
  let done = 0;
  while (done < into.length) {
    const got = readSync(fd, into, done, into.length - done, position === null ? null : position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

/** Bytes that are passed on before timers get a turn. */
const STRETCH = 16 * 2 ** 20;
/**
 * The bytes being passed on, for all callers: they are used before anything else can run. Thus they stay in the processor's
 * cache; with a buffer for each call, V8 marks its whole heap after every few.
 */
let passed: Buffer | null = null;

/** Passes a range of an open file to `use`, which must not keep the bytes. Returns their number: fewer only at the end. */
export async function passRange(
  fd: number,
  { offset, length }: { readonly offset: number; readonly length: number },
  use: (bytes: Uint8Array) => void,
  signal?: AbortSignal,
): Promise<number> {
  passed ??= readBuffer(2 ** 18);
  let sinceTurn = 0;
  for (let done = 0; done < length; ) {
    const got = readSync(fd, passed, 0, Math.min(passed.length, length - done), offset + done);
    if (got === 0) return done;
    use(passed.subarray(0, got));
    done += got;
    sinceTurn += got;
    if (sinceTurn < STRETCH) continue;
    sinceTurn = 0;
    await setImmediate();
    signal?.throwIfAborted();
  }
  return length;
}

/** A short range of an open file, read at once, and cut at the file's end. */
export function readRange(
  fd: number,
  { offset, length }: { readonly offset: number; readonly length: number },
): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.subarray(0, readFully(fd, bytes, offset));
}

/** The last `length` bytes of a file, or all if it has fewer, and its size; no bytes if it doesn't exist. */
export function readFileEnd(path: string, length: number): { readonly size: number; readonly bytes: Buffer } {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return { size, bytes: Buffer.alloc(0) };
  const fd = openSync(path, 'r');
  try {
    return { size, bytes: readRange(fd, { offset: Math.max(0, size - length), length: Math.min(size, length) }) };
  } finally {
    closeSync(fd);
  }
}

/** A file that a person names and that is read whole, or why it isn't. */
export type SmallFile =
  | { readonly bytes: Buffer; readonly stat: Stats }
  /** The kind of entry found instead of a file: `a pipe`. */
  | { readonly found: string }
  | { readonly over: number };

/**
 * Opens a regular file for reading. A pipe or a device is not opened, because reading it might never end. Throws as `open`
 * does.
 */
export function openRegularFile(
  path: string,
): { readonly fd: number; readonly stat: Stats } | { readonly found: string } {
  const found = kindOf(statSync(path));
  if (found !== null) return { found };
  // It may have been replaced by a pipe meanwhile: then opening it doesn't wait.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stat = fstatSync(fd);
  const opened = kindOf(stat);
  if (opened === null) return { fd, stat };
  closeSync(fd);
  return { found: opened };
}

/** Reads a file of at most `most` bytes, opened as by `openRegularFile`. */
export function readSmallFile(path: string, most: number): SmallFile {
  const opened = openRegularFile(path);
  if ('found' in opened) return opened;
  const { fd, stat } = opened;
  try {
    if (stat.size > most) return { over: most };
    // Files of the system, as below /proc, have no size.
    const bytes = Buffer.alloc(stat.size === 0 ? most + 1 : stat.size + 1);
    const length = readFully(fd, bytes, null);
    return length > most ? { over: most } : { bytes: bytes.subarray(0, length), stat };
  } finally {
    closeSync(fd);
  }
}

/** Null for a regular file. */
export function kindOf(stat: Pick<Stats, 'isFile' | 'isDirectory' | 'isFIFO' | 'isSocket'>): string | null {
  if (stat.isFile()) return null;
  if (stat.isDirectory()) return 'a directory';
  if (stat.isFIFO()) return 'a pipe';
  return stat.isSocket() ? 'a socket' : 'a device';
}

/** Bytes of a page, and before a large buffer in the pages that the system maps for it. */
const [PAGE, BEFORE] = [4_096, 16];
/** Smaller buffers share pages, and begin anywhere in them. */
const LARGE = 128 * 1_024;

/**
 * A buffer of `length` bytes for reading a file page by page. A large one begins at a page too: x86 processors copy from
 * the page cache at a quarter of the speed if the target is a few bytes further from a page's beginning than the source
 * ("4K aliasing"), which is where a large buffer would begin otherwise.
 */
export function readBuffer(length: number): Buffer {
  if (length < LARGE) return Buffer.allocUnsafe(length);
  return Buffer.allocUnsafeSlow(length + PAGE - BEFORE).subarray(PAGE - BEFORE);
}
