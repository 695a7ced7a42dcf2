import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BatchctlError, hasCode } from '../errors.ts';
import { type StageOptions, stagePart, withTarget } from '../jobs/split/stage-part.ts';
import { checkPackPaths, packPaths } from '../jobs/submit/pack-paths.ts';
import { eachParallel, mapAhead } from '../lib/parallel.ts';
import type { JobInput, JobRecord } from '../model/job.ts';
import { inputsOf, type PackPart, partSize } from '../model/part.ts';

/** Files of a pack that are read at the same time. */
const AT_ONCE = 16;

/** Files up to this size are read ahead in memory where all become one, bytes. */
const IN_MEMORY = 2 ** 20;

interface PackSource extends Pick<StageOptions, 'store' | 'bucket'> {
  readonly part: PackPart;
  readonly record: JobRecord;
  readonly signal: AbortSignal;
}

/** Stages one file of a pack: into a new file, or by passing its bytes on. */
async function stageFile({ part, record, ...source }: PackSource, n: number, target: StageOptions['target']) {
  const input = record.inputs[n];
  if (input === undefined)
    throw new BatchctlError('corrupt', `part ${part.n} refers to input ${n}, which its job lacks`);
  return stagePart({ n: part.n, kind: 'whole', input: n }, { ...source, input, target });
}

/**
 * Writes the files of a pack one after the other into one file, without anything between them. Returns their bytes. Throws
 * `changed`, naming it, for a file that changed since the job was accepted.
 */
export async function joinPack(source: PackSource, path: string): Promise<number> {
  const { part, record } = source;
  const isSmall = (input: JobInput | undefined): boolean => input !== undefined && input.size <= IN_MEMORY;
  const ahead = async (n: number): Promise<readonly Uint8Array[] | number> => {
    if (!isSmall(record.inputs[n])) return n;
    const chunks: Uint8Array[] = [];
    await stageFile(source, n, (bytes) => chunks.push(Uint8Array.from(bytes)));
    return chunks;
  };
  return withTarget(path, async (write) => {
    for await (const next of mapAhead(inputsOf(part), AT_ONCE, ahead)) {
      source.signal.throwIfAborted();
      if (typeof next === 'number') await stageFile(source, next, write);
      else for (const chunk of next) write(chunk);
    }
  });
}

interface PackDirectory {
  readonly directory: string;
  /** The file for a list of the paths, one a line; null: none. */
  readonly list: string | null;
  /** The directory's path in the list, if it will be another. */
  readonly listedAs?: string | undefined;
}

/**
 * Writes the files of a pack into a directory, under their own names, several at a time. Returns their bytes. Throws as
 * `joinPack`, and `jobFile` for names that can't be beside each other.
 */
export async function unpackInto(source: PackSource, { directory, list, listedAs }: PackDirectory): Promise<number> {
  const { part, record, signal } = source;
  const numbers = [...inputsOf(part)];
  const paths = numbers.map((n) => packPaths(record)[n] ?? '');
  const inputs = record.inputs.slice(part.input, part.input + part.files);
  checkPackPaths(list === null ? 'dir' : 'list', paths, inputs);
  for (const made of new Set(['.', ...paths.map((path) => dirname(path))]))
    mkdirSync(join(directory, made), { recursive: true, mode: 0o700 });
  await eachParallel(
    numbers.entries(),
    AT_ONCE,
    async ([at, n], ends) => {
      const path = paths[at] ?? '';
      try {
        await stageFile({ ...source, signal: ends }, n, { newFile: join(directory, path) });
      } catch (error) {
        if (!hasCode(error, 'EEXIST', 'ENAMETOOLONG', 'ENOTDIR')) throw error;
        throw new BatchctlError(
          'jobFile',
          `the input ${inputs[at]?.name} can't be the file ${path} on this machine; use input: stdin`,
          { cause: error },
        );
      }
    },
    signal,
  );
  if (list !== null)
    writeFileSync(list, paths.map((path) => `${join(listedAs ?? directory, path)}\n`).join(''), { mode: 0o600 });
  return partSize(part, record.inputs);
}
