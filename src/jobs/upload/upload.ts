import { resolve } from 'node:path';
import { eachParallel } from '../../lib/each-parallel.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { parseDataPrefix, shownKey } from '../data-key.ts';
import { openReaders, refuseRead } from '../open-readers.ts';
import { type FoundFile, findFiles, type OnIgnored } from './find-files.ts';
import { presentKeys } from './present-keys.ts';
import { isUploaded, uploadFile } from './upload-file.ts';

/** Files in flight unless said otherwise. */
const PARALLEL = 8;

export interface UploadOptions {
  readonly paths: readonly string[];
  /** Bare paths are relative to it. */
  readonly cwd: string;
  /** Keys lie below it. */
  readonly to?: string | undefined;
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** Files in flight; 8 unless given. */
  readonly parallel?: number | undefined;
  /** Only tells what would be uploaded. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: UploadProgress) => void;
  readonly onIgnored?: OnIgnored;
}

/** Bytes; skipped files count as done. */
export interface UploadProgress {
  readonly done: number;
  readonly total: number;
}

export interface UploadResult {
  /** What all keys begin with, '' for nothing in common. */
  readonly prefix: string;
  readonly files: number;
  readonly bytes: number;
  /** With `dryRun`: what would be. */
  readonly uploaded: number;
  readonly uploadedBytes: number;
  /** Files that were there already, with the same size and checksum. */
  readonly skipped: number;
}

/**
 * Puts files below `data/`, several at a time. What is there already with the same size and checksum is skipped, so an
 * upload that was interrupted is taken up by doing it again. Throws `notFound` when a path names no file, or one that can't be read, `usage` for
 * keys that can't be, `refused` before anything is written when an open job reads what would be replaced, and `changed`
 * for a file that is written to meanwhile.
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
    ...(onIgnored && { onIgnored }),
  });
  await refuseWhatIsRead(store, files, signal);
  const present = await presentKeys(store, new Set(files.map(({ key }) => key)));
  const progress = new ByteProgress(files, options.onProgress);
  let uploaded = 0;
  let uploadedBytes = 0;
  const one = async (file: FoundFile, ends: AbortSignal): Promise<void> => {
    const how = await uploadFile(store, file, {
      dryRun: options.dryRun ?? false,
      isNew: present?.has(file.key) === false,
      signal: ends,
      onProgress: (bytes) => progress.at(file, bytes),
    });
    progress.at(file, file.size);
    if (how === 'skipped') return;
    uploaded += 1;
    uploadedBytes += file.size;
  };
  await eachParallel(files, options.parallel ?? PARALLEL, one, signal);
  return {
    prefix,
    files: files.length,
    bytes: progress.total,
    uploaded,
    uploadedBytes,
    skipped: files.length - uploaded,
  };
}

/** What an open job reads may be uploaded again only if nothing would change: its inputs are pinned. */
async function refuseWhatIsRead(
  store: ObjectStore,
  files: readonly FoundFile[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const byKey = new Map(files.map((file) => [file.key, file]));
  for (const [key, job] of await openReaders(store, (read) => byKey.has(read))) {
    const file = byKey.get(key);
    if (file !== undefined && !(await isUploaded(store, file, signal))) {
      throw refuseRead(shownKey(key), job, 'replace');
    }
  }
}

/** Adds up the bytes of all files. */
class ByteProgress {
  readonly total: number;
  readonly #safe = new Map<FoundFile, number>();
  readonly #tell: ((progress: UploadProgress) => void) | undefined;
  #done = 0;

  constructor(files: readonly FoundFile[], tell: ((progress: UploadProgress) => void) | undefined) {
    this.total = files.reduce((sum, { size }) => sum + size, 0);
    this.#tell = tell;
  }

  /** So many bytes of the file are safe. */
  at(file: FoundFile, bytes: number): void {
    this.#done += bytes - (this.#safe.get(file) ?? 0);
    this.#safe.set(file, bytes);
    this.#tell?.({ done: this.#done, total: this.total });
  }
}
