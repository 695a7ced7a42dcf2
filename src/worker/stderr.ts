import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import { logKey } from '../model/keys.ts';
import type { TaskMessage } from '../model/message.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { maskSecrets, type Secrets } from './secrets.ts';

/** Uploads an attempt's stderr, with secrets masked; nothing if it wrote nothing. `size` is its size, if known. */
export async function keepLog(
  store: ObjectStore,
  task: TaskMessage,
  attempt: string,
  path: string,
  secrets: Secrets,
  size: number | null = null,
): Promise<void> {
  if ((size ?? fileSize(path)) === 0) return;
  if (Object.keys(secrets).length > 0) writeFileSync(path, maskLog(readFileSync(path), secrets));
  await store.uploadFile(path, logKey(task.job, task.step, task.task, attempt));
}

/** A log with every secret's value masked, in any encoding. */
export function maskLog(log: Buffer, secrets: Secrets): Buffer {
  return Buffer.from(maskSecrets(log.toString('latin1'), latin1(secrets)), 'latin1');
}

/** The last non-blank line of the last 4 KiB, without control characters, at most 512 characters. */
export function lastLine(path: string, secrets: Secrets): string | null {
  const size = fileSize(path);
  if (size === 0) return null;
  const buffer = Buffer.alloc(Math.min(size, 4_096));
  const fd = openSync(path, 'r');
  try {
    readSync(fd, buffer, 0, buffer.length, size - buffer.length);
  } finally {
    closeSync(fd);
  }
  const [last = ''] = stripVTControlCharacters(buffer.toString('utf8')).trimEnd().split('\n').slice(-1);
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
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

interface StderrTailOptions {
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
export class StderrTail {
  readonly #options: StderrTailOptions;
  #timer: NodeJS.Timeout | undefined;
  #putting: Promise<void> | null = null;
  #stopped = false;
  /** The file as last uploaded; at first as the slot's last attempt left it, if the command has not started yet. */
  #known: { readonly size: number; readonly mtimeMs: number };

  constructor(options: StderrTailOptions) {
    this.#options = options;
    this.#known = statSync(options.path, { throwIfNoEntry: false }) ?? NOTHING;
    this.#arm();
  }

  /** Ends it; resolves when no upload is in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#putting;
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#putting = this.#put()
        .catch(() => undefined)
        .then(() => {
          this.#putting = null;
          this.#arm();
        });
    }, this.#options.everyMs).unref();
  }

  async #put(): Promise<void> {
    const { store, key, path, secrets } = this.#options;
    const now = await stat(path);
    if (now.size === 0 || (now.size === this.#known.size && now.mtimeMs === this.#known.mtimeMs)) return;
    const written = await readFile(path);
    const log = Object.keys(secrets).length === 0 ? written : maskLog(wholeLines(written), secrets);
    if (this.#stopped || log.length === 0) return;
    await store.put(key, log);
    this.#known = now;
  }
}

/** Up to the last line end: half a secret would not be recognized. */
function wholeLines(log: Buffer): Buffer {
  return log.subarray(0, log.lastIndexOf(10) + 1);
}

/** How often a command may add to its stderr while it is read to be truncated: a flood never pauses. */
const MAX_ROUNDS = 8;

/**
 * Keeps a stderr file small while a command appends to it: beyond twice the limit it is truncated to its last bytes,
 * below a line that says how much was removed. What is written between the last read and the truncation, a few
 * microseconds, is lost; nothing is overwritten.
 */
export class StderrLimit {
  readonly #path: string;
  readonly #limit: number;
  #cut = 0;
  #headLength = 0;

  /** The limit is in bytes. */
  constructor(path: string, limit: number) {
    this.#path = path;
    this.#limit = limit;
  }

  /** Checks the file's size, and truncates it if due. */
  check(): number {
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    return size > 2 * this.#limit ? this.#cutFile() : size;
  }

  #cutFile(): number {
    const fd = openSync(this.#path, constants.O_RDWR | constants.O_APPEND);
    try {
      // Reading a megabyte takes long enough for the command's last words to arrive: what came meanwhile is read too.
      let tail: Buffer<ArrayBufferLike> = Buffer.alloc(0);
      let end = Math.max(0, fstatSync(fd).size - this.#limit);
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const more = Buffer.allocUnsafe(this.#limit);
        const length = readSync(fd, more, 0, more.length, end);
        if (length === 0) break;
        end += length;
        tail = Buffer.concat([tail, more.subarray(0, length)]).subarray(-this.#limit);
      }
      this.#cut += end - this.#headLength - tail.length;
      const head = `[batchctl: ${this.#cut} bytes cut here]\n`;
      ftruncateSync(fd, 0);
      this.#headLength = writeSync(fd, head);
      return this.#headLength + writeSync(fd, tail);
    } finally {
      closeSync(fd);
    }
  }
}
