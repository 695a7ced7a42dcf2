import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { BatchctlError, hasCode, isKind } from '../../errors.ts';
import { passRange } from '../../lib/read-file.ts';
import type { FilePin, JobInput, SplitSpec } from '../../model/job.ts';
import type { FilePart, Part, PiecePart, RangePart } from '../../model/part.ts';
import type { OpenBucket } from '../../ports/bucket.ts';
import type { ObjectStore, ReadOptions } from '../../ports/object-store.ts';
import { type CutCheck, cutCheckOf } from './cut-check.ts';
import { checkPin } from './file-source.ts';
import { ChecksumCheck, changedInput } from './split-source.ts';
import { restoredEtag, versionReader } from './store-source.ts';

export interface StagedPart {
  readonly bytes: number;
  readonly checked?: true;
}

/**
 * Where the bytes go: a file to create or overwrite, one that must not exist, or a function that must not keep them. What
 * has arrived is undefined after an error.
 */
type StageTarget = string | { readonly newFile: string } | ((bytes: Uint8Array) => void);

export interface StageOptions {
  /** The part's input as the job was accepted with it; null for parts without an input. */
  readonly input: JobInput | null;
  readonly store: Pick<ObjectStore, 'read' | 'get' | 'scan' | 'head'>;
  readonly bucket?: OpenBucket;
  readonly target: StageTarget;
  readonly signal?: AbortSignal;
  /** The job's split, for parts that were cut by windows; absent if there are none. */
  readonly split?: SplitSpec | undefined;
  readonly headers?: Map<string, Uint8Array>;
}

interface Range {
  readonly offset: number;
  readonly length: number;
}

/** Objects up to this size are read in one request; larger ones are streamed. */
const IN_MEMORY = 8 * 1024 * 1024;

/**
 * Writes a part's bytes, header first, to `target`, and returns their number. `checked`: its cuts were assumed, and are
 * between records. Throws `changed` if the input isn't the one that the job was accepted with, `corrupt` if a stored
 * piece, or the file of an exploded output, is gone or altered, `CutError` if a cut is within a record.
 */
export async function stagePart(part: Part | FilePart, options: StageOptions): Promise<StagedPart> {
  const text = stdinText(part);
  if (text !== null) {
    return { bytes: await withTarget(options.target, async (write) => write(Buffer.from(text))) };
  }
  if (part.kind === 'piece' || part.kind === 'file') return { bytes: await stagePiece(part, options) };
  if (part.kind === 'pack') throw new RangeError(`part ${part.n} is a pack, whose files are staged one by one`);
  const { input } = options;
  if (input === null) throw new BatchctlError('corrupt', `part ${part.n} refers to an input that its job doesn't have`);
  const ranges = rangesOf(part, input.size);
  const { source } = input;
  if (source.kind === 'pipe') {
    throw new BatchctlError(
      'corrupt',
      `part ${part.n} is a range of ${input.name}, a pipe, of which only pieces are stored`,
    );
  }
  if (source.kind === 'file') {
    return { bytes: await copyFileRanges(input.name, source.path, source.pin, ranges, options) };
  }
  const at = source.kind === 'store' ? options : { ...options, store: await readerOf(source, options) };
  const check = part.kind === 'range' ? cutCheckOf(part, input, options.split) : null;
  const whole = wholeCheck(input, ranges);
  const bytes = await withTarget(
    options.target,
    async (write) => {
      await readObjectRanges(input, source, ranges, at, (chunk) => {
        whole?.add(chunk);
        write(chunk);
      });
      whole?.finish();
    },
    check,
  );
  return check === null ? { bytes } : { bytes, checked: true };
}

/**
 * The check of an input that is read whole; null for a part of one, and without a checksum. The entity tag alone doesn't
 * show that the store's bytes have changed.
 */
function wholeCheck({ name, size, checksum }: JobInput, ranges: readonly Range[]): ChecksumCheck | null {
  if (checksum === null) return null;
  let end = 0;
  for (const { offset, length } of ranges) {
    if (offset !== end) return null;
    end += length;
  }
  return end === size ? new ChecksumCheck(name, checksum) : null;
}

/** The stdin of a command whose part contains no bytes: an item's line, a range's index, the JSON of a row or of a grid. */
export function stdinText(part: Part | FilePart): string | null {
  if (part.kind === 'item') return `${part.item}\n`;
  if (part.kind === 'row') return `${JSON.stringify(part.params)}\n`;
  if (part.kind !== 'params') return null;
  const names = Object.keys(part.params);
  return names.length === 1 && names[0] === 'index' ? `${part.params.index}\n` : `${JSON.stringify(part.params)}\n`;
}

function rangesOf(part: Part, size: number): readonly Range[] {
  if (part.kind !== 'range') return [{ offset: 0, length: size }];
  const own = { offset: part.offset, length: part.length };
  return part.header === undefined ? [own] : [part.header, own];
}

async function copyFileRanges(
  name: string,
  path: string,
  pin: FilePin,
  ranges: readonly Range[],
  options: StageOptions,
): Promise<number> {
  const from = openInput(name, path);
  try {
    checkPin(name, from, pin);
    const bytes = await withTarget(options.target, async (write) => {
      for (const range of ranges) {
        const got = await passRange(from, range, write, options.signal);
        if (got < range.length) throw changedInput(name, `it ends at byte ${range.offset + got}`);
      }
    });
    // Again, because the file may have been modified while it was read.
    checkPin(name, from, pin);
    return bytes;
  } finally {
    closeSync(from);
  }
}

function openInput(name: string, path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    if (hasCode(cause, 'ENOENT', 'ENOTDIR')) throw changedInput(name, `${path} no longer exists`, cause);
    throw cause;
  }
}

async function readerOf(
  { bucket, version }: Extract<JobInput['source'], { kind: 's3' }>,
  { bucket: open }: Pick<StageOptions, 'bucket'>,
): Promise<StageOptions['store']> {
  if (open === undefined) throw new BatchctlError('config', `s3://${bucket} can't be reached from here`);
  return versionReader(await open(bucket), version);
}

/** An object that was overwritten is read if it has the bytes again that the job was accepted with. */
async function readObjectRanges(
  input: JobInput,
  source: Extract<JobInput['source'], { etag: string }>,
  ranges: readonly Range[],
  options: Pick<StageOptions, 'store' | 'signal' | 'headers'>,
  use: (bytes: Uint8Array) => void,
): Promise<void> {
  const { name } = input;
  const { key } = source;
  let { etag } = source;
  const place = source.kind === 's3' ? source.bucket : '';
  for (const range of ranges) {
    const isHeader = ranges.length === 2 && range === ranges[0];
    const cacheKey = `${place} ${key} ${source.etag} ${range.length}`;
    const cached = isHeader ? options.headers?.get(cacheKey) : undefined;
    if (cached !== undefined) {
      use(cached);
      continue;
    }
    const kept: Uint8Array[] = [];
    let passed = false;
    const read = (): Promise<number | null> =>
      readObject(key, { range, etag }, range.length, options, (bytes) => {
        passed = true;
        use(bytes);
        if (isHeader) kept.push(Buffer.from(bytes));
      });
    const got = await read().catch(async (error: unknown) => {
      if (!isKind(error, 'changed')) throw error;
      const restored = passed ? null : await restoredEtag(options.store, input);
      if (restored === null) throw changedInput(name, 'it was overwritten', error);
      etag = restored;
      return read();
    });
    if (got === null) throw changedInput(name, 'it is gone');
    if (got !== range.length) throw changedInput(name, `it ends at byte ${range.offset + got}`);
    if (isHeader) options.headers?.set(cacheKey, Buffer.concat(kept));
  }
}

/**
 * Reads a part again whose cuts were assumed, without its header, and writes nothing. Throws `CutError` if a cut is
 * within a record, `changed` if the input isn't the one that the job was accepted with.
 */
export async function recheckCuts(
  part: RangePart,
  input: JobInput,
  options: Omit<StageOptions, 'target'>,
): Promise<void> {
  const { header: _, ...own } = part;
  const check = cutCheckOf(own, input, options.split);
  const { source } = input;
  if (check === null || source.kind === 'file' || source.kind === 'pipe') return;
  const store = source.kind === 'store' ? options.store : await readerOf(source, options);
  await readObjectRanges(input, source, rangesOf(own, input.size), { ...options, store }, (bytes) => check.add(bytes));
  check.finish();
}

async function stagePiece(part: PiecePart | FilePart, options: StageOptions): Promise<number> {
  const hash = createHash('sha256');
  let found = true;
  const bytes = await withTarget(options.target, async (write) => {
    const got = await readObject(part.key, {}, part.size, options, (chunk) => {
      hash.update(chunk);
      write(chunk);
    });
    found = got !== null;
  });
  const checksum = `sha256:${hash.digest('hex')}`;
  if (found && bytes === part.size && checksum === part.checksum) return bytes;
  const what = found ? `has ${bytes} bytes and ${checksum}, expected ${part.size} and ${part.checksum}` : 'is gone';
  if (part.kind === 'file') {
    throw new BatchctlError(
      'corrupt',
      `${part.name}, which ${part.from} made for part ${part.n}, ${what}: ${part.key}`,
      { hint: 'batchctl verify --deep lists every output that was altered' },
    );
  }
  throw new BatchctlError('corrupt', `the piece ${part.key} of part ${part.n} ${what}`, {
    hint: 'submit the job again, to split the input again',
  });
}

/** Passes an object's bytes on. Returns their number, or null if the object doesn't exist. */
async function readObject(
  key: string,
  read: ReadOptions,
  size: number,
  options: Pick<StageOptions, 'store' | 'signal'>,
  use: (bytes: Uint8Array) => void,
): Promise<number | null> {
  const how: ReadOptions = options.signal === undefined ? read : { ...read, signal: options.signal };
  if (size === 0) return 0;
  if (size <= IN_MEMORY) {
    const bytes = await options.store.read(key, how);
    if (bytes !== null) use(bytes);
    return bytes?.length ?? null;
  }
  if (options.store.scan !== undefined) return options.store.scan(key, how, use);
  const stream = await options.store.get(key, how);
  if (stream === null) return null;
  let got = 0;
  for await (const chunk of stream.body as AsyncIterable<Buffer>) {
    use(chunk);
    got += chunk.length;
  }
  return got;
}

/** Returns the number of bytes written. `check` sees them first. */
export async function withTarget(
  target: StageTarget,
  fill: (write: (bytes: Uint8Array) => void) => Promise<void>,
  check: CutCheck | null = null,
): Promise<number> {
  let written = 0;
  if (typeof target === 'function') {
    await fill((bytes) => {
      check?.add(bytes);
      target(bytes);
      written += bytes.length;
    });
    check?.finish();
    return written;
  }
  // Overwrite and truncate at the end: a slot's file keeps its pages from task to task, which is three times as fast.
  // Also, ext4 writes a file that was truncated first to disk when it is closed (auto_da_alloc).
  const [path, isNew] = typeof target === 'string' ? [target, 0] : [target.newFile, constants.O_EXCL];
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | isNew, 0o600);
  try {
    await fill((bytes) => {
      check?.add(bytes);
      for (let from = 0; from < bytes.length; ) from += writeSync(fd, bytes, from);
      written += bytes.length;
    });
    check?.finish();
    if (fstatSync(fd).size !== written) ftruncateSync(fd, written);
    return written;
  } finally {
    closeSync(fd);
  }
}
