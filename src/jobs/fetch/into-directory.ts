import { constants, lstatSync, mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, open, readdir, rename, rm, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BatchctlError, hasCode } from '../../errors.ts';
import { eachParallel } from '../../lib/each-parallel.ts';
import { bytesChecksum, fileChecksum } from '../../lib/file-checksum.ts';
import type { OutputFile } from '../../model/output.ts';
import type { Platform } from '../../ports/platform.ts';
import { claim, type FileNamer } from './names.ts';
import type { Tally } from './tally.ts';
import { draftIn, removeStaleDrafts, unwritable } from './target.ts';
import {
  checkFound,
  type OutputSource,
  refuseInput,
  SMALL,
  verifiedBytes,
  verifiedChunks,
  verifiedOutput,
} from './verified.ts';

/** Outputs that are fetched at a time. */
const IN_FLIGHT = 16;

export interface IntoDirectory {
  readonly platform: Platform;
  readonly source: OutputSource;
  readonly tasks: Iterable<number>;
  readonly directory: string;
  readonly nameOf: FileNamer;
  /** True where names alone tell tasks apart, so that none need be remembered. */
  readonly distinct: boolean;
  readonly tally: Tally;
  readonly signal: AbortSignal | undefined;
}

/**
 * Fetches each output into a file of its own. A file appears under its name once it is whole and its checksum is right;
 * one that is there and right is kept. Throws `proof`, naming the task, for an altered output.
 */
export async function fetchIntoDirectory(options: IntoDirectory): Promise<void> {
  const { source, directory, nameOf, distinct, tally } = options;
  const taken = new Map<string, number>();
  await makeDirectory(directory);
  await removeStaleDrafts(directory);
  const fresh = (await readdir(directory)).length === 0; // then nobody needs to look for each file
  const one = async (task: number, signal: AbortSignal): Promise<void> => {
    const output = await verifiedOutput(source, task);
    let kept = output.files.length > 0;
    for (const file of output.files) {
      const name = await nameOf(task, file.name);
      if (!distinct) claim(taken, name, task);
      const path = join(directory, name);
      if (fresh || !(await isThere(path, file, signal))) {
        kept = false;
        refuseLinksOut(options.directory, path);
        await fetchFile(options, task, file, path, signal);
      }
      tally.add({ bytes: file.size });
    }
    tally.add({ outputs: 1, kept: kept ? 1 : 0 });
  };
  await eachParallel(options.tasks, IN_FLIGHT, one, options.signal);
}

/** True when the file is there, with the right size and checksum. */
export async function isThere(
  path: string,
  file: Pick<OutputFile, 'size' | 'checksum'>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const stats = lstatSync(path);
    if (!stats.isFile() || stats.size !== file.size) return false;
    const small = file.size <= SMALL; // then anything but reading it at once would cost more than the reading
    const found = small ? bytesChecksum(readFileSync(path)) : await fileChecksum(path, { signal });
    return found === file.checksum;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return false;
    throw error;
  }
}

/** Fetches one file: it appears at `path` whole, and right. `directory` takes the draft. */
export async function fetchFile(
  { platform, source, directory }: Pick<IntoDirectory, 'platform' | 'source' | 'directory'>,
  task: number,
  file: OutputFile,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const draft = draftIn(directory);
  try {
    refuseInput(source, path);
    if (file.size <= SMALL) return placeSmall(draft, path, await verifiedBytes(source, task, file));
    await mkdir(dirname(path), { recursive: true });
    if (!(await cloneVerified(platform, source, task, file, draft, signal))) {
      await streamInto(draft, verifiedChunks(source, task, file, signal));
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw unwritable(path, error);
  }
}

/** Short calls that block, as in the store: of a million files, each trip to the thread pool and back would cost more. */
function placeSmall(draft: string, path: string, bytes: Uint8Array): void {
  writeFileSync(draft, bytes, { flag: 'wx' });
  try {
    renameSync(draft, path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    mkdirSync(dirname(path), { recursive: true });
    renameSync(draft, path);
  }
}

/** Shares the blocks of the store's own file where the file system copies on write: then only the checksum is read. */
async function cloneVerified(
  platform: Platform,
  source: OutputSource,
  task: number,
  file: OutputFile,
  draft: string,
  signal: AbortSignal,
): Promise<boolean> {
  const local = platform.localFile(file.key);
  if (local === null || local.size !== file.size) return false;
  try {
    await copyFile(local.path, draft, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
  } catch {
    // Most file systems can't; whatever else was wrong, streaming meets it again.
    await rm(draft, { force: true });
    return false;
  }
  await truncate(draft, file.size);
  // The store's files are private to its owner; what is fetched is as public as any other new file.
  await chmod(draft, 0o666 & ~process.umask());
  checkFound(source, task, file, await fileChecksum(draft, { signal }));
  return true;
}

async function streamInto(draft: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const target = await open(draft, 'wx');
  try {
    for await (const chunk of chunks) await target.writeFile(chunk);
  } finally {
    await target.close();
  }
}

/**
 * Throws `refused` for a path that a link in the directory leads out of it: nobody named that other place. A link in place of
 * the file itself is replaced.
 */
export function refuseLinksOut(directory: string, path: string): void {
  for (let parent = dirname(path); parent !== directory; parent = dirname(parent)) {
    let real: string;
    try {
      real = realpathSync.native(parent);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) continue;
      throw unwritable(path, error);
    }
    if (`${real}/`.startsWith(join(realpathSync.native(directory), '/'))) return;
    throw new BatchctlError('refused', `can't write ${path}: a link leads to ${real}, outside of ${directory}`, {
      hint: `remove the link ${parent}, or fetch into the directory that it points to`,
    });
  }
}

export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw unwritable(path, error);
  }
}
