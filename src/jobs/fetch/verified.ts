import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import { bytesChecksum } from '../../lib/file-checksum.ts';
import type { OutputFile } from '../../model/output.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { type Output, openFile, readOutput } from '../output.ts';

/** Files up to this size are read at once, and may be read ahead. */
export const SMALL = 2 ** 20;

/** The step whose outputs are read. */
export interface OutputSource {
  readonly store: ObjectStore;
  readonly job: string;
  readonly step: string;
  /** Local files that the job reads; outputs never replace them. */
  readonly inputs?: readonly string[];
}

export function outputSource(store: ObjectStore, { record }: JobView, step: string): OutputSource {
  const { job, host, inputs } = record;
  const own = inputs.flatMap(({ source }) => (source.kind === 'file' && host === hostname() ? [source.path] : []));
  return { store, job, step, inputs: own };
}

/** Throws `refused` if a path is one of the job's inputs: a retry could not read it, and it may be the only copy. */
export function refuseInput({ job, inputs = [] }: OutputSource, path: string): void {
  const name = basename(path);
  const real = (file: string): string => join(realpathSync.native(dirname(file)), basename(file));
  // A path that doesn't exist can't be an input.
  if (!existsSync(path)) return;
  if (!inputs.some((input) => basename(input) === name && existsSync(input) && real(input) === real(path))) return;
  throw new BatchctlError('refused', `can't write ${path}: it is an input of job ${job}`, {
    hint: 'give the outputs another place, or other names',
  });
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
  checkFound(source, task, file, bytesChecksum(bytes));
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
  checkFound(source, task, file, `sha256:${hash.digest('hex')}`);
}

/** Throws `proof`, naming the task, if the checksum differs from the published one. */
export function checkFound(source: OutputSource, task: number, file: OutputFile, found: string): void {
  if (found !== file.checksum) throw altered(source, task, file.checksum, found);
}

function altered({ job, step }: OutputSource, task: number, expected: string, found: string): BatchctlError {
  return new BatchctlError(
    'proof',
    `the output of ${step}/${task} was altered after it was published: expected ${expected}, found ${found}`,
    { hint: `batchctl verify ${job} --deep lists every altered output` },
  );
}

export interface FetchProgress {
  readonly outputs: number;
  /** Number of outputs to fetch. */
  readonly of: number;
  readonly bytes: number;
  /** Outputs whose correct files already existed. */
  readonly kept: number;
}

/** Counts what is fetched, and reports progress. */
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
