import {
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BatchctlError, hasCode } from '../../errors.ts';
import { bytesChecksum, fileChecksum } from '../../lib/file-checksum.ts';
import { randomId } from '../../lib/id.ts';
import { eachParallel } from '../../lib/parallel.ts';
import type { OutputFile } from '../../model/output.ts';
import type { Platform } from '../../ports/platform.ts';
import { type FileNamer, NameRegistry } from './names.ts';
import {
  CLAIM,
  CLAIMS,
  type Claim,
  claimName,
  generationOf,
  type Place,
  type PreparedFile,
  ShutOutError,
} from './place.ts';
import { draftIn, removeStaleDrafts, STALE_MS, unwritable } from './target.ts';
import {
  type OutputSource,
  refuseInput,
  requireChecksum,
  SMALL,
  type Tally,
  verifiedBytes,
  verifiedChunks,
  verifiedOutput,
  writeChunks,
} from './verified.ts';

/**
 * A directory of this machine, created if needed. Files appear only when complete.
 *
 * A delivery is a folder, `_delivery/<generation>`. It appears whole, by a rename that fails if it exists. The delivery
 * renames everything that it writes out of this folder, and everything that it removes into it. Renaming the folder
 * therefore shuts the delivery out: later writes don't find their source.
 */
export class DirectoryPlace implements Place {
  readonly text: string;
  readonly allowsLateWrites = false;
  readonly #platform: Platform;
  readonly #source: OutputSource;
  readonly #claims: string;
  #own: string;

  private constructor(path: string, platform: Platform, source: OutputSource) {
    this.text = path;
    this.#platform = platform;
    this.#source = source;
    this.#claims = join(path, CLAIMS);
    this.#own = this.#claims;
  }

  /** Throws `refused` if the directory can't be written. */
  static async open(path: string, platform: Platform, source: OutputSource): Promise<DirectoryPlace> {
    await makeDirectory(path);
    await removeStaleDrafts(path);
    return new DirectoryPlace(path, platform, source);
  }

  async isEmpty(): Promise<boolean> {
    return (await readdir(this.text)).length === 0;
  }

  async read(name: string): Promise<Uint8Array | null> {
    try {
      return await readFile(join(this.text, name));
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
      throw unwritable(join(this.text, name), error);
    }
  }

  async has(name: string): Promise<boolean> {
    try {
      await lstat(join(this.text, name));
      return true;
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false;
      throw unwritable(join(this.text, name), error);
    }
  }

  holds(name: string, file: Pick<OutputFile, 'size' | 'checksum'>, signal: AbortSignal): Promise<boolean> {
    return hasFile(join(this.text, name), file, signal);
  }

  async claims(): Promise<readonly Claim[]> {
    for (;;) {
      const found: Claim[] = [];
      const folders = (await this.#folders()).filter(({ generation }) => generation !== null);
      for (const { folder, generation } of folders) {
        const bytes = await this.read(join(CLAIMS, folder, CLAIM));
        if (generation !== null && bytes !== null) found.push({ generation, bytes });
      }
      // A claim was shut out or removed meanwhile; the next listing shows which.
      if (found.length === folders.length) return found.sort((a, b) => a.generation - b.generation);
    }
  }

  async claim(generation: number, manifest: Uint8Array): Promise<boolean> {
    const made = join(this.#claims, `new-${randomId(16)}`);
    this.#own = join(this.#claims, claimName(generation));
    try {
      await mkdir(made, { recursive: true });
      await this.#removeStale((await stat(made)).mtimeMs);
      for (const name of [CLAIM, 'manifest' satisfies PreparedFile])
        await writeFile(join(made, name), manifest, { flag: 'wx' });
      await writeFile(join(made, 'marker' satisfies PreparedFile), '', { flag: 'wx' });
      await rename(made, this.#own);
      return true;
    } catch (error) {
      await rm(made, { recursive: true, force: true });
      if (hasCode(error, 'EEXIST', 'ENOTEMPTY')) return false;
      throw unwritable(made, error);
    }
  }

  async shutOut(generation: number): Promise<void> {
    const open = join(this.#claims, claimName(generation));
    try {
      await rename(open, `${open}.shut-${randomId(8)}`);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw unwritable(open, error);
    }
  }

  async removeClaims(from: number, to: number): Promise<void> {
    for (const { folder, generation } of await this.#folders()) {
      if (generation === null || generation < from || generation > to) continue;
      const gone = join(this.#claims, `gone-${randomId(16)}`);
      // Rename first, so that the folder never exists without its claim.
      await rename(join(this.#claims, folder), gone).catch(() => undefined);
      await rm(gone, { recursive: true, force: true });
    }
    // Fails while another delivery has its claim there.
    await rmdir(this.#claims).catch(() => undefined);
  }

  async ensure(...[name, task, file, how]: Parameters<Place['ensure']>): Promise<boolean> {
    const path = join(this.text, name);
    refuseEscapingLinks(this.text, path);
    if (!how.fresh && (await hasFile(path, file, how.signal))) return true;
    await how.before();
    await this.#write(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      const at = { platform: this.#platform, source: this.#source, directory: this.#own };
      await fetchFile(at, task, { name: '', ...file }, path, how.signal);
    });
    return false;
  }

  refuseInput(name: string): Promise<void> {
    return refuseInput(this.#source, join(this.text, name));
  }

  async remove(name: string): Promise<void> {
    const path = join(this.text, name);
    refuseEscapingLinks(this.text, path);
    const removed = join(this.#own, `removed-${randomId(8)}`);
    try {
      if (!(await lstat(path)).isFile()) return;
      await this.#write(path, () => rename(path, removed));
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return;
      throw unwritable(path, error);
    }
    await rm(removed, { force: true });
  }

  async publish(draft: PreparedFile, name: string): Promise<void> {
    const path = join(this.text, name);
    await this.#write(path, () => rename(join(this.#own, draft), path));
  }

  /** Any error after this delivery's folder is gone is reported as a shut-out. */
  async #write(path: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      throw existsSync(this.#own) ? unwritable(path, error) : new ShutOutError();
    }
  }

  async #folders(): Promise<readonly { readonly folder: string; readonly generation: number | null }[]> {
    try {
      return (await readdir(this.#claims)).map((folder) => ({ folder, generation: generationOf(folder) }));
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return [];
      throw unwritable(this.#claims, error);
    }
  }

  /** Removes what killed processes left while they created or removed a claim. `now` is the file system's time. */
  async #removeStale(now: number): Promise<void> {
    for (const { folder } of await this.#folders()) {
      if (!/^(new|gone)-/.test(folder)) continue;
      const path = join(this.#claims, folder);
      const stats = await stat(path).catch(() => null);
      if (stats !== null && now - stats.mtimeMs > STALE_MS) await rm(path, { recursive: true, force: true });
    }
  }
}

/** Outputs fetched at a time. */
const IN_FLIGHT = 16;
/** Entries of a directory that are remembered while it is filled. With more, none are reported as other entries: memory stays flat. */
const REMEMBERED = 100_000;
/** Other entries named. */
const NAMED = 10;

interface DirectoryFetchOptions {
  readonly platform: Platform;
  readonly source: OutputSource;
  readonly tasks: Iterable<number>;
  readonly directory: string;
  readonly nameOf: FileNamer;
  /** True if every task has a distinct name by construction, so names need not be remembered. */
  readonly distinct: boolean;
  readonly tally: Tally;
  readonly signal: AbortSignal | undefined;
}

/**
 * Fetches each output into its own file, which appears once it is complete and its checksum is verified. Keeps a
 * correct existing file. Returns entries of the directory that were there before and are not outputs, the first ten by
 * name; names that begin with a dot or an underscore do not count. Throws `proof`, naming the task, for an altered output.
 */
export async function fetchIntoDirectory(options: DirectoryFetchOptions): Promise<readonly string[]> {
  const { source, directory, nameOf, distinct, tally } = options;
  const taken = new NameRegistry();
  await makeDirectory(directory);
  await removeStaleDrafts(directory);
  const before = await readdir(directory);
  const fresh = before.length === 0; // An empty directory needs no check for each file.
  const others = new Set(before.length > REMEMBERED ? [] : before.filter((name) => !/^[._]/.test(name)));
  const one = async (task: number, signal: AbortSignal): Promise<void> => {
    const output = await verifiedOutput(source, task);
    let kept = output.files.length > 0;
    for (const file of output.files) {
      const name = await nameOf(task, file.name);
      if (!distinct) taken.claim(name, task);
      if (!fresh) others.delete(name.replace(/\/.*/s, ''));
      const path = join(directory, name);
      if (fresh || !(await hasFile(path, file, signal))) {
        kept = false;
        refuseEscapingLinks(options.directory, path);
        await fetchFile(options, task, file, path, signal);
      }
      tally.add({ bytes: file.size });
    }
    tally.add({ outputs: 1, kept: kept ? 1 : 0 });
  };
  await eachParallel(options.tasks, IN_FLIGHT, one, options.signal);
  return [...others].sort().slice(0, NAMED);
}

/** True if the file exists with the right size and checksum. */
async function hasFile(
  path: string,
  file: Pick<OutputFile, 'size' | 'checksum'>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const stats = lstatSync(path);
    if (!stats.isFile() || stats.size !== file.size) return false;
    const small = file.size <= SMALL; // Then a synchronous read is the cheapest way.
    const found = small ? bytesChecksum(readFileSync(path)) : await fileChecksum(path, { signal });
    return found === file.checksum;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return false;
    throw error;
  }
}

/** Fetches one file. It appears at `path` complete and verified; the draft is written to `directory`. */
async function fetchFile(
  { platform, source, directory }: Pick<DirectoryFetchOptions, 'platform' | 'source' | 'directory'>,
  task: number,
  file: OutputFile,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const draft = draftIn(directory);
  try {
    await refuseInput(source, path);
    if (file.size <= SMALL) return placeSmall(draft, path, await verifiedBytes(source, task, file));
    await mkdir(dirname(path), { recursive: true });
    if (!(await cloneVerified(platform, source, task, file, draft, signal))) {
      await writeChunks(draft, verifiedChunks(source, task, file, signal), { flags: 'wx' });
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw unwritable(path, error);
  }
}

/** Short synchronous calls, as in the store: a trip through the thread pool for each file would cost more. */
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

/** Clones the store's own file if the file system supports copy-on-write: then only the checksum is read. */
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
    // Most file systems can't clone. Any other error will occur again while streaming.
    await rm(draft, { force: true });
    return false;
  }
  await truncate(draft, file.size);
  // The store's files are private to their owner; fetched files get the usual permissions of new files.
  await chmod(draft, 0o666 & ~process.umask());
  requireChecksum(source, task, file, await fileChecksum(draft, { signal }));
  return true;
}

/**
 * Throws `refused` if a link leads the path out of the directory, to a place that the user did not name. A link at the
 * file's own path is replaced.
 */
function refuseEscapingLinks(directory: string, path: string): void {
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

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw unwritable(path, error);
  }
}
