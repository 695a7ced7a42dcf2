import type { BigIntStats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { BatchctlError, hasCode } from '../../errors.ts';
import { bytesChecksum, fileChecksum } from '../../lib/file-checksum.ts';
import { eachParallel } from '../../lib/parallel.ts';
import type { FilePin } from '../../model/job.ts';
import { DATA_PREFIX } from '../../model/keys.ts';
import type { ObjectInfo, ObjectStore } from '../../ports/object-store.ts';
import { dataChecksum, dataMetadata, parseDataPrefix, shownKey } from '../data-key.ts';
import { findOpenReaders, inUseError } from '../open-jobs.ts';
import { fileDifference, filePin } from '../split/file-source.ts';
import { type FoundFile, findFiles, type OnIgnored } from './find-files.ts';

/** Default number of files in flight. */
const PARALLEL = 8;

export interface UploadOptions {
  readonly paths: readonly string[];
  /** Base directory of relative paths. */
  readonly cwd: string;
  readonly to?: string | undefined;
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** Files in flight; default 8. */
  readonly parallel?: number | undefined;
  /** Only reports what would be uploaded. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: UploadProgress) => void;
  readonly onIgnored?: OnIgnored;
}

/** Progress in bytes; skipped files count as done. */
export interface UploadProgress {
  readonly done: number;
  readonly total: number;
}

export interface UploadResult {
  /** The common prefix of all keys, '' for none. */
  readonly prefix: string;
  readonly files: number;
  readonly bytes: number;
  /** With `dryRun`: what would be uploaded. */
  readonly uploaded: number;
  readonly uploadedBytes: number;
  /** Files that were already there, with the same size and checksum. */
  readonly skipped: number;
}

/**
 * Uploads files to keys below `data/`, several at a time. Skips files that are already there with the same size and
 * checksum, so repeating an interrupted upload resumes it. Throws `notFound` if a path matches no file or can't be
 * read, `usage` for invalid keys, `refused` (before anything is written) if an open job reads what would be replaced,
 * and `changed` if a file is modified during the upload.
 */
export async function upload(store: ObjectStore, options: UploadOptions): Promise<UploadResult> {
  const { cwd, include = [], exclude = [], signal, onIgnored } = options;
  const prefix = parseDataPrefix(options.to ?? '');
  const files = await findFiles(options.paths, {
    cwd,
    prefix,
    include,
    exclude,
    except: resolve(cwd, store.location),
    onIgnored,
  });
  await refuseDataInUse(store, files, signal);
  const present = await presentKeys(store, new Set(files.map(({ key }) => key)));
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const progress = new ByteProgress<FoundFile>((done) => options.onProgress?.({ done, total: bytes }));
  let uploaded = 0;
  let uploadedBytes = 0;
  const one = async (file: FoundFile, ends: AbortSignal): Promise<void> => {
    const how = await uploadFile(store, file, {
      dryRun: options.dryRun ?? false,
      isNew: present?.has(file.key) === false,
      signal: ends,
      onProgress: (safe) => progress.report(file, safe),
    });
    progress.report(file, file.size);
    if (how === 'skipped') return;
    uploaded += 1;
    uploadedBytes += file.size;
  };
  await eachParallel(files, options.parallel ?? PARALLEL, one, signal);
  return {
    prefix,
    files: files.length,
    bytes,
    uploaded,
    uploadedBytes,
    skipped: files.length - uploaded,
  };
}

/**
 * Data that an open job reads may be uploaded again only if nothing changes, or with the bytes that the job was accepted
 * with, which restores its input.
 */
async function refuseDataInUse(
  store: ObjectStore,
  files: readonly FoundFile[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const byKey = new Map(files.map((file) => [file.key, file]));
  for (const [key, job] of await findOpenReaders(store, (read) => byKey.has(read))) {
    const file = byKey.get(key);
    if (file === undefined || (await isUploaded(store, file, signal))) continue;
    const checksum = await checksumOf(file.path, signal);
    const others = await findOpenReaders(store, (read, accepted) => read === key && accepted !== checksum);
    if (others.size > 0) throw inUseError(shownKey(key), others.get(key) ?? job, 'replace');
  }
}

/** Files up to this size are read once, so the checked bytes are the ones that are put. Larger files are read twice. */
const IN_MEMORY = 8 * 2 ** 20;

interface UploadFileOptions {
  /** Only checks whether the file would be uploaded. */
  readonly dryRun: boolean;
  /** The key is known to be free, so it need not be looked up. */
  readonly isNew: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of this file's bytes that are safe so far. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * Puts one file with its checksum; skips it if the key already holds the same bytes. Throws `changed` if the file is
 * modified meanwhile; the key then keeps its former content.
 */
async function uploadFile(
  store: ObjectStore,
  file: FoundFile,
  { dryRun, isNew, signal, onProgress }: UploadFileOptions,
): Promise<'uploaded' | 'skipped'> {
  const pin = filePin(await readStat(file.path));
  const there = isNew ? null : await store.head(file.key);
  const bytes = pin.size <= IN_MEMORY ? await translateReadErrors(file.path, () => readFile(file.path)) : null;
  const checksum = bytes === null ? await checksumOf(file.path, signal) : bytesChecksum(bytes);
  await checkUnchanged(file.path, pin);
  if (isSame(there, pin.size, checksum)) return 'skipped';
  if (dryRun) return 'uploaded';
  signal?.throwIfAborted();
  const metadata = dataMetadata(checksum);
  if (bytes !== null) {
    await store.put(file.key, bytes, { metadata });
    return 'uploaded';
  }
  await store.uploadFile(file.path, file.key, {
    metadata,
    // A file that changed during the copy doesn't match its checksum. A manager compares the checksum itself.
    check: () => checkUnchanged(file.path, pin),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  return 'uploaded';
}

/** Whether the key holds the file's bytes, judged by the checksum. */
async function isUploaded(store: ObjectStore, file: FoundFile, signal?: AbortSignal): Promise<boolean> {
  const there = await store.head(file.key);
  if (there?.size !== file.size || dataChecksum(there.metadata) === null) return false;
  return isSame(there, file.size, await checksumOf(file.path, signal));
}

function isSame(there: ObjectInfo | null, size: number, checksum: string): boolean {
  return there !== null && there.size === size && dataChecksum(there.metadata) === checksum;
}

function readStat(path: string): Promise<BigIntStats> {
  return translateReadErrors(path, () => stat(path, { bigint: true }));
}

async function checkUnchanged(path: string, pin: FilePin): Promise<void> {
  const difference = fileDifference(await readStat(path), pin);
  if (difference !== null) throw changed(path, difference);
}

async function checksumOf(path: string, signal: AbortSignal | undefined): Promise<string> {
  return translateReadErrors(path, () => fileChecksum(path, signal === undefined ? {} : { signal }));
}

async function translateReadErrors<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (hasCode(cause, 'ENOENT', 'ENOTDIR')) throw changed(path, 'it is gone', cause);
    if (!hasCode(cause, 'EACCES', 'EPERM')) throw cause;
    throw new BatchctlError('refused', `can't read ${path}: permission denied`, {
      hint: 'allow yourself to read it, or exclude it with --exclude',
      cause,
    });
  }
}

function changed(path: string, why: string, cause?: unknown): BatchctlError {
  return new BatchctlError('changed', `${path} changed during the upload: ${why}`, {
    hint: 'upload it again when nothing writes to it any more; existing files are skipped',
    cause,
  });
}

/** From this many files on, a listing is cheaper than one request per file: S3 lists 1,000 keys at a time. */
const WORTH_LISTING = 20;

/** Unrelated keys to read past before the listing stops being cheaper. */
const MAX_OTHER_KEYS = 2_000;

/** Which of these keys exist; null if one request per key is cheaper than a listing. */
async function presentKeys(
  store: Pick<ObjectStore, 'keys'>,
  keys: ReadonlySet<string>,
): Promise<ReadonlySet<string> | null> {
  if (keys.size < WORTH_LISTING) return null;
  const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const [first = '', last = ''] = [sorted[0], sorted.at(-1)];
  const present = new Set<string>();
  let others = 0;
  for await (const key of store.keys(commonPrefix(first, last), { from: first })) {
    if (keys.has(key)) present.add(key);
    else others += 1;
    if (others > MAX_OTHER_KEYS + keys.size) return null;
    if (key === last) break;
  }
  return present;
}

/** The longest common prefix in whole characters, at least `data/`. */
function commonPrefix(a: string, b: string): string {
  const [one, other] = [[...a], [...b]];
  const differs = one.findIndex((character, at) => character !== other[at]);
  return differs < DATA_PREFIX.length ? DATA_PREFIX : one.slice(0, differs).join('');
}

/** Adds up how many bytes of several files are safe. */
export class ByteProgress<File> {
  readonly #safe = new Map<File, number>();
  readonly #onProgress: (done: number) => void;
  #done = 0;

  constructor(onProgress: (done: number) => void) {
    this.#onProgress = onProgress;
  }

  /** Reports that this many bytes of the file are safe. */
  report(file: File, bytes: number): void {
    this.#done += bytes - (this.#safe.get(file) ?? 0);
    this.#safe.set(file, bytes);
    this.#onProgress(this.#done);
  }
}
