import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BatchctlError } from '../../errors.ts';
import { bytesChecksum, fileChecksum } from '../../lib/file-checksum.ts';
import type { JobInput } from '../../model/job.ts';
import type { OutputFile } from '../../model/output.ts';
import { isS3Uri } from '../../model/s3-uri.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { type Output, openFile, readOutput } from '../output.ts';

/** Files up to this size are read at once, and may be read ahead. */
export const SMALL = 2 ** 20;

export interface OutputSource {
  readonly store: ObjectStore;
  readonly job: string;
  readonly step: string;
  /** The job's inputs, which outputs never replace. */
  readonly inputs?: OwnInputs;
}

interface OwnInputs {
  /** The files on this machine, and links to them: see `entriesOf`. Found when first needed. */
  readonly entries: () => ReadonlySet<string>;
  /** `s3://BUCKET/KEY` */
  readonly objects: ReadonlySet<string>;
  /** Files that were uploaded: the original may be on this machine. */
  readonly copies: readonly Pick<OutputFile, 'size' | 'checksum'>[];
}

export function outputSource(store: ObjectStore, { record }: JobView, step: string): OutputSource {
  const { job, host, inputs } = record;
  return { store, job, step, inputs: ownInputs(inputs, host === hostname()) };
}

/** An input, with the path of a file that is still to be uploaded. */
export type OwnInput = Pick<JobInput, 'name' | 'size' | 'checksum' | 'source'> & { readonly path?: string | undefined };

/** `isHere`: paths of files are those of this machine. */
export function ownInputs(inputs: readonly OwnInput[], isHere: boolean): OwnInputs {
  const isUpload = /^(?!store:|job:|s3:)/;
  const files = inputs.flatMap(({ source, path = source.kind === 'file' ? source.path : undefined }) =>
    path !== undefined && isHere ? [path] : [],
  );
  let entries: ReadonlySet<string> | null = null;
  return {
    entries: () => (entries ??= entriesOf(files)),
    objects: new Set(inputs.flatMap(({ source: s }) => (s.kind === 's3' ? [`s3://${s.bucket}/${s.key}`] : []))),
    copies: inputs.flatMap(({ name, size, checksum, source }) =>
      source.kind === 'store' && checksum !== null && isUpload.test(name) ? [{ size, checksum }] : [],
    ),
  };
}

/**
 * Throws `refused` if a path, or `s3://BUCKET/KEY`, is one of the job's inputs: a retry could not read it, and it may be
 * the only copy. A file with the bytes of an input that was uploaded may be that input.
 */
export async function refuseInput({ job, inputs }: Pick<OutputSource, 'job' | 'inputs'>, path: string): Promise<void> {
  if (inputs === undefined) return;
  const isInput = isS3Uri(path) ? inputs.objects.has(path) : await isOwnFile(inputs, path);
  if (!isInput) return;
  throw new BatchctlError('refused', `can't write ${path}: it is an input of job ${job}`, {
    hint: 'give the outputs another place, or other names',
  });
}

async function isOwnFile({ entries, copies }: OwnInputs, path: string): Promise<boolean> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  // A path that doesn't exist can't be an input.
  if (stats === undefined) return false;
  if (entries().has(join(realpathSync.native(dirname(path)), basename(path)))) return true;
  if (!stats.isFile()) return false;
  const alike = copies.filter(({ size }) => size === stats.size);
  if (alike.length === 0) return false;
  const found = await fileChecksum(path);
  return alike.some(({ checksum }) => checksum === found);
}

/** As many links as the kernel follows in one path (path_resolution(7)). */
const MOST_LINKS = 40;

/**
 * The entries of directories, by their real paths, that lead to files: each file, and for one that was named by a link the
 * link, the one that it leads to, and the file at the end. To replace one of them replaces what the path leads to.
 */
function entriesOf(files: readonly string[]): ReadonlySet<string> {
  const entries = new Set<string>();
  const directories = new Map<string, string | null>();
  const realDirectory = (path: string): string | null => {
    const known = directories.get(path);
    if (known !== undefined) return known;
    const real = existsSync(path) ? realpathSync.native(path) : null;
    directories.set(path, real);
    return real;
  };
  for (const file of files) {
    let at: string | null = file;
    for (let links = 0; at !== null && links <= MOST_LINKS; links += 1) {
      const directory = realDirectory(dirname(at));
      if (directory === null) break;
      const entry = join(directory, basename(at));
      entries.add(entry);
      const isLink = lstatSync(entry, { throwIfNoEntry: false })?.isSymbolicLink() === true;
      at = isLink ? resolve(directory, readlinkSync(entry)) : null;
    }
  }
  return entries;
}

/**
 * A task's output, after a check of its files' sizes and checksums against what was published. Throws `proof`, naming
 * the task; `corrupt`, naming both, if it is another task's.
 */
export async function verifiedOutput(source: OutputSource, task: number): Promise<Output> {
  const output = await readOutput(source.store, source.job, source.step, task);
  if (output === null) {
    throw new BatchctlError('proof', `the output of ${source.step}/${task} was published, but is gone`, {
      hint: `batchctl verify ${source.job} --repair`,
    });
  }
  const size = output.files.reduce((sum, file) => sum + file.size, 0);
  if (size !== output.meta.bytesOut) throw altered(source, task, `${output.meta.bytesOut} bytes`, `${size} bytes`);
  const [first] = output.files;
  const found = isSingle(output) && first !== undefined ? first.checksum : linesChecksum(output.files);
  if (found !== output.meta.checksum) throw altered(source, task, output.meta.checksum, found);
  return output;
}

/** True for one unnamed file; false for a step with `output: files`. */
export function isSingle({ files }: Output): boolean {
  return files.length === 1 && files[0]?.name === '';
}

function linesChecksum(files: readonly OutputFile[]): string {
  return bytesChecksum(Buffer.from(files.map(({ checksum, size, name }) => `${checksum} ${size} ${name}\n`).join('')));
}

/** A small file's bytes. Throws `proof` if they differ from what was published. */
export async function verifiedBytes(source: OutputSource, task: number, file: OutputFile): Promise<Uint8Array> {
  const bytes = await source.store.read(file.key);
  if (bytes === null) throw altered(source, task, file.checksum, 'nothing');
  requireChecksum(source, task, file, bytesChecksum(bytes));
  return bytes;
}

/** A file's bytes as a stream. Throws `proof` after the last byte if they differ from what was published. */
export async function* verifiedChunks(
  source: OutputSource,
  task: number,
  file: OutputFile,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (file.size <= SMALL) {
    const bytes = await verifiedBytes(source, task, file);
    if (bytes.length > 0) yield bytes;
    return;
  }
  const hash = createHash('sha256');
  for await (const chunk of await openFile(source.store, file, signal)) {
    hash.update(chunk as Buffer);
    yield chunk as Buffer;
  }
  requireChecksum(source, task, file, `sha256:${hash.digest('hex')}`);
}

/** Bytes that gather while earlier ones are being written: then one call writes them all. */
const GATHERED = 2 ** 20;

/** Writes chunks, which must not change afterwards, to a file. Rejects if they or a write do. */
export async function writeChunks(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  options: { readonly flags?: 'wx'; readonly mode?: number; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { signal, ...how } = options;
  await pipeline(chunks, createWriteStream(path, { ...how, highWaterMark: GATHERED }), { ...(signal && { signal }) });
}

/** Throws `proof`, naming the task, if the checksum differs from the published one. */
export function requireChecksum(source: OutputSource, task: number, file: OutputFile, found: string): void {
  if (found !== file.checksum) throw altered(source, task, file.checksum, found);
}

function altered(source: OutputSource, task: number, expected: string, found: string): BatchctlError {
  return alteredError(source, task, `expected ${expected}, found ${found}`);
}

/** `differs`: what was expected, and what was found. */
export function alteredError({ job, step }: OutputSource, task: number, differs: string): BatchctlError {
  return new BatchctlError('proof', `the output of ${step}/${task} was altered after it was published: ${differs}`, {
    hint: `batchctl verify ${job} --deep lists every altered output`,
  });
}

export interface FetchProgress {
  readonly outputs: number;
  /** Number of outputs to fetch. */
  readonly of: number;
  readonly bytes: number;
  /** Outputs whose correct files already existed. */
  readonly kept: number;
}

export class Tally {
  #now: FetchProgress;
  readonly #onProgress: ((progress: FetchProgress) => void) | undefined;

  constructor(of: number, onProgress?: (progress: FetchProgress) => void) {
    this.#now = { outputs: 0, of, bytes: 0, kept: 0 };
    this.#onProgress = onProgress;
  }

  get now(): FetchProgress {
    return this.#now;
  }

  add(more: Partial<Omit<FetchProgress, 'of'>>): void {
    const { outputs, of, bytes, kept } = this.#now;
    this.#now = {
      outputs: outputs + (more.outputs ?? 0),
      of,
      bytes: bytes + (more.bytes ?? 0),
      kept: kept + (more.kept ?? 0),
    };
    this.#onProgress?.(this.#now);
  }
}
