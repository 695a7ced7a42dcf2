import { execFile } from 'node:child_process';
import { closeSync, constants, ftruncateSync, lstatSync, writeSync } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import { messageOf } from '../errors.ts';
import { kindOfFile, openPlainFile, plainSize, readPlainEnd } from '../lib/plain-file.ts';
import { readRange } from '../lib/read-file.ts';
import { logKey } from '../model/keys.ts';
import type { TaskMessage } from '../model/message.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { maskSecrets, type Secrets } from './secrets.ts';

/** Bytes of an attempt's stderr that are kept, its last ones, if it wrote more than twice as many. */
export const STDERR_KEPT = 2 ** 20;

/** Milliseconds for freeing the disk blocks of a file, which takes a few. */
const FREEING_MS = 30_000;

/** Puts an attempt's stderr, with secrets masked; nothing if it wrote nothing. `size` is its size, if known. */
export async function uploadLog(
  store: ObjectStore,
  task: TaskMessage,
  attempt: string,
  path: string,
  secrets: Secrets,
  size: number | null = null,
): Promise<void> {
  if (size === 0) return;
  const written = readLog(path);
  if (written.length === 0) return;
  const log = Object.keys(secrets).length === 0 ? written : maskLog(written, secrets);
  await store.put(logKey(task.job, task.step, task.task, attempt), log);
}

/**
 * The stderr of a command, read up to the bytes that `StderrLimit` keeps. A command of the worker's own user
 * can put something else in its place, which is not read.
 */
function readLog(path: string): Buffer {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined || found.isFile()) return readPlainEnd(path, 2 * STDERR_KEPT).bytes;
    return Buffer.from(`[batchctl: the command put ${kindOfFile(found)} in place of its stderr]\n`);
  } catch (error) {
    return Buffer.from(`[batchctl: the command's stderr can't be read: ${messageOf(error)}]\n`);
  }
}

/** A log with every secret's value masked, in any encoding. */
export function maskLog(log: Buffer, secrets: Secrets): Buffer {
  return Buffer.from(maskSecrets(log.toString('latin1'), latin1(secrets)), 'latin1');
}

/** The last non-blank line of the last 4 KiB, without control characters, at most 512 characters. */
export function lastLine(path: string, secrets: Secrets): string | null {
  const bytes = readLog(path).subarray(-4_096);
  const [last = ''] = stripVTControlCharacters(bytes.toString('utf8')).trimEnd().split('\n').slice(-1);
  const line = last.replaceAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069]+/gu, ' ').trim();
  return line === '' ? null : maskSecrets(line, secrets).slice(-512);
}

/** Secrets as the bytes of a latin1 string, so that masking works on any log. */
function latin1(secrets: Secrets): Secrets {
  return Object.fromEntries(
    Object.entries(secrets).map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]),
  );
}

function fileSize(path: string): number {
  return plainSize(path) ?? 0;
}

interface StderrUploaderOptions {
  readonly store: Pick<ObjectStore, 'put'>;
  /** The attempt's log, which its end writes again. */
  readonly key: string;
  readonly path: string;
  readonly secrets: Secrets;
  readonly everyMs: number;
}

const NOTHING = { size: 0, mtimeMs: 0 } as const;

/**
 * Uploads a running attempt's stderr from time to time if it has grown, for `logs --follow`, and to show what a killed
 * worker had been doing. Best effort: errors are ignored, and only `stop` waits for it, so that the attempt's own last
 * write comes last.
 */
export class StderrUploader {
  readonly #options: StderrUploaderOptions;
  #timer: NodeJS.Timeout | undefined;
  #putting: Promise<void> | null = null;
  #stopped = false;
  /** The file as last uploaded; at first as the slot's last attempt left it, if the command has not started yet. */
  #uploaded: { readonly size: number; readonly mtimeMs: number };

  constructor(options: StderrUploaderOptions) {
    this.#options = options;
    this.#uploaded = lstatSync(options.path, { throwIfNoEntry: false }) ?? NOTHING;
    this.#schedule();
  }

  /** Ends it; resolves when no upload is in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#putting;
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#putting = this.#put()
        .catch(() => undefined)
        .then(() => {
          this.#putting = null;
          this.#schedule();
        });
    }, this.#options.everyMs).unref();
  }

  async #put(): Promise<void> {
    const { store, key, path, secrets } = this.#options;
    const now = await lstat(path);
    if (!now.isFile() || now.size === 0 || (now.size === this.#uploaded.size && now.mtimeMs === this.#uploaded.mtimeMs))
      return;
    const written = await readTail(path, now.size);
    const log = Object.keys(secrets).length === 0 ? written : maskLog(wholeLines(written), secrets);
    if (this.#stopped || log.length === 0) return;
    await store.put(key, log);
    this.#uploaded = now;
  }
}

/** Reads the part of a file of this size that `StderrLimit` keeps. */
async function readTail(path: string, size: number): Promise<Buffer> {
  const length = size <= 2 * STDERR_KEPT ? size : STDERR_KEPT;
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, size - length);
    const tail = buffer.subarray(0, bytesRead);
    return length === size ? tail : Buffer.concat([Buffer.from(cutLine(size - bytesRead)), tail]);
  } finally {
    await file.close();
  }
}

/** Up to the last line end: half a secret would not be recognized. */
function wholeLines(log: Buffer): Buffer {
  return log.subarray(0, log.lastIndexOf(10) + 1);
}

/**
 * Keeps the stderr file of a command small. While the command appends to it, nothing can be moved, so beyond twice the
 * limit the disk blocks of all but the last bytes are freed: the file stays as long as it was, and begins with zeros.
 * After the command it is reduced to its end, below a line that says how much was cut.
 */
export class StderrLimit {
  readonly #path: string;
  readonly #limit: number;
  readonly #free: typeof freeBlocks;
  /** Bytes whose blocks were freed. */
  #freed = 0;
  #freeing: Promise<void> | null = null;
  #canFree = true;
  #cut = 0;
  #headLength = 0;

  /** The limit is in bytes. */
  constructor(path: string, limit: number, free = freeBlocks) {
    this.#path = path;
    this.#limit = limit;
    this.#free = free;
  }

  /**
   * While the command runs. Where blocks can't be freed, the file is reduced at once, and what is written meanwhile,
   * for less than a millisecond on an idle machine, is lost.
   */
  check(): void {
    const size = fileSize(this.#path);
    // The command itself may have truncated it.
    if (size < this.#freed) this.#freed = 0;
    if (this.#freeing !== null || size - this.#freed <= 2 * this.#limit) return;
    if (!this.#canFree) {
      this.#reduce();
      return;
    }
    const until = size - this.#limit;
    this.#freeing = this.#free(this.#path, this.#freed, until).then((freed) => {
      this.#freeing = null;
      this.#canFree = freed;
      if (freed) this.#freed = until;
    });
  }

  /** After the command: reduces the file if it is too long. Resolves with its size in bytes; null if it isn't a file. */
  async end(): Promise<number | null> {
    // Otherwise blocks would be freed of what is left, or of the next command's file.
    await this.#freeing;
    const size = plainSize(this.#path);
    return size !== null && size > 2 * this.#limit ? this.#reduce() : size;
  }

  #reduce(): number {
    const file = openPlainFile(this.#path, constants.O_RDWR | constants.O_APPEND);
    if (file === null) return 0;
    const { fd } = file;
    const { size } = file.stats;
    try {
      const tail = readRange(fd, { offset: Math.max(0, size - this.#limit), length: this.#limit });
      this.#cut += size - this.#headLength - tail.length;
      ftruncateSync(fd, 0);
      this.#headLength = writeSync(fd, cutLine(this.#cut));
      return this.#headLength + writeSync(fd, tail);
    } finally {
      closeSync(fd);
    }
  }
}

const cutLine = (bytes: number): string => `[batchctl: ${bytes} bytes cut here]\n`;

/** Frees the disk blocks of a range of a file, which reads as zeros then. False where the system can't. */
function freeBlocks(path: string, from: number, until: number): Promise<boolean> {
  const range = ['--punch-hole', '--offset', String(from), '--length', String(until - from)];
  return new Promise((resolve) => {
    execFile('fallocate', [...range, path], { timeout: FREEING_MS }, (error) => resolve(error === null));
  });
}
