import { basename } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import { eachParallel } from '../../lib/parallel.ts';
import type { JobInput, JobRecord } from '../../model/job.ts';
import { codeKey, INPUTS_PREFIX, inputKey, JOBS_PREFIX } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { CodeArchive } from '../code-archive.ts';
import { ByteProgress } from '../data/upload.ts';
import { dataChecksum, dataMetadata } from '../data-key.ts';
import { readView } from '../journal.ts';
import { refusePruned } from '../pruned.ts';
import type { SplitSource } from '../split/split-source.ts';

/** An input that was found, and how it will be read. */
export interface FoundInput {
  readonly source: SplitSource;
  readonly input: Omit<JobInput, 'records'>;
  /** The file still to be put where `input.source` says; absent if the input is read in place. */
  readonly path?: string;
}

/** Files, and lookups, in flight. */
const PARALLEL = 8;

/** The key of a local input for workers on other machines: named by content, so that it is put only once. */
export function uploadedInput(path: string, checksum: string): JobInput['source'] {
  const name = basename(path)
    .replaceAll(/[^\w.+=@~-]/g, '_')
    .slice(-100);
  return { kind: 'store', key: inputKey(checksum.slice('sha256:'.length), name), etag: '' };
}

interface UploadInputsOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Puts the local inputs that workers on other machines will read, and returns all inputs with their pins. Keeps what is
 * already there, so submitting again resumes an interrupted upload. Throws `changed` for a file that is modified
 * meanwhile.
 */
export async function uploadInputs(
  store: Pick<ObjectStore, 'head' | 'uploadFile' | 'delete'>,
  inputs: readonly FoundInput[],
  { signal, onProgress }: UploadInputsOptions,
): Promise<readonly FoundInput[]> {
  const total = inputs.reduce((sum, { path, input }) => sum + (path === undefined ? 0 : input.size), 0);
  const progress = new ByteProgress<number>((done) => onProgress?.(done, total));
  const pinned = [...inputs];
  await eachParallel(
    inputs.entries(),
    PARALLEL,
    async ([index, found], ends) => {
      if (found.path === undefined) return;
      const report = (bytes: number): void => progress.report(index, bytes);
      pinned[index] = await uploadInput(store, found, { signal: ends, onProgress: report });
      report(found.input.size);
    },
    signal,
  );
  return pinned;
}

async function uploadInput(
  store: Pick<ObjectStore, 'head' | 'uploadFile' | 'delete'>,
  found: FoundInput,
  options: { readonly signal: AbortSignal; readonly onProgress: (bytes: number) => void },
): Promise<FoundInput> {
  const { input, path, source } = found;
  const { checksum, size } = input;
  if (path === undefined || checksum === null || input.source.kind !== 'store') return found;
  const { key } = input.source;
  const look = async (): Promise<FoundInput | null> => {
    const there = await store.head(key);
    if (there === null || there.size !== size || dataChecksum(there.metadata) !== checksum) return null;
    return { ...found, input: { ...input, source: { kind: 'store', key, etag: there.etag } } };
  };
  const before = await look();
  if (before !== null) return before;
  // Never replace an existing object: an open job may have pinned it.
  const { created, etag } = await store.uploadFile(path, key, {
    ifAbsent: true,
    metadata: dataMetadata(checksum),
    ...options,
  });
  const after = await look();
  try {
    // The bytes put are the bytes hashed, as far as the file's pin shows.
    await source.check();
    if (after === null) throw altered(key);
  } catch (error) {
    if (created && after?.input.source.kind === 'store' && after.input.source.etag === etag) await store.delete([key]);
    throw error;
  }
  return after;
}

/** Checks that the uploaded inputs still exist, once job.json names them. Throws `notFound` if one doesn't. */
async function requireUploaded(store: Pick<ObjectStore, 'head'>, { inputs }: Pick<JobRecord, 'inputs'>): Promise<void> {
  await eachParallel(inputs, PARALLEL, async ({ name, source }) => {
    if (source.kind !== 'store' || !source.key.startsWith(INPUTS_PREFIX)) return;
    if ((await store.head(source.key))?.etag === source.etag) return;
    throw new BatchctlError('notFound', `the input ${name} was removed from the store during the submission`, {
      hint: 'submit the job again; it is uploaded again',
    });
  });
}

function altered(key: string): BatchctlError {
  return new BatchctlError('corrupt', `expected ${key} to match its name, found other content`, {
    hint: `batchctl rm ${key.slice('data/'.length)}, then run the same command again`,
  });
}

/**
 * Checks, after job.json was put and before the commit, for everything that a prune could have removed meanwhile: puts
 * the code again, and requires that uploaded inputs and source jobs exist. A prune writes its decision and then looks
 * for readers, so one of the two detects the other. Throws `notFound` for a pruned source.
 */
export async function requireStillPresent(
  store: ObjectStore,
  record: JobRecord,
  code: CodeArchive | null,
): Promise<void> {
  if (code !== null && (await store.head(codeKey(code.sha256))) === null) {
    await store.put(codeKey(code.sha256), code.gzip);
  }
  await requireUploaded(store, record);
  for (const job of sourcesOf(record)) {
    const view = await readView(store, job);
    if (view !== null) refusePruned(view, 'its outputs');
  }
}

function sourcesOf({ inputs }: JobRecord): ReadonlySet<string> {
  const jobs = new Set<string>();
  for (const { source } of inputs) {
    if (source.kind !== 'store' || !source.key.startsWith(JOBS_PREFIX)) continue;
    jobs.add(source.key.slice(JOBS_PREFIX.length).split('/')[0] ?? '');
  }
  return jobs;
}
