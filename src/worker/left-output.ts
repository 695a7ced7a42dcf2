import { closeSync, fstatSync, lstatSync, renameSync, rmSync, type Stats } from 'node:fs';
import { BatchctlError, hasCode } from '../errors.ts';
import { bytesChecksum, fileChecksum } from '../lib/file-checksum.ts';
import { type Entry, OpenDirectory } from '../lib/open-directory.ts';
import { kindOfFile, openPlainFile } from '../lib/plain-file.ts';
import { readRange } from '../lib/read-file.ts';
import { DIRECT_LIMIT } from '../model/output.ts';
import type { UploadOptions } from '../ports/object-store.ts';
import type { SlotDirectory } from './slot-directory.ts';

/** A regular file that a command left as its output, or as a part of it. */
export interface LeftFile {
  readonly path: string;
  readonly size: number;
  readonly checksum: string;
  /** How it may be uploaded. */
  readonly upload: Pick<UploadOptions, 'consume' | 'check'>;
  /** Call it once the file is published, or can't be. */
  release(): void;
}

const DIRECTORY = '$BATCHCTL_OUTPUT_DIR';
const EMPTY_CHECKSUM = bytesChecksum(new Uint8Array());

/**
 * The output file of a command that has ended; null if there is none. Throws `jobFailed` for anything but a regular file
 * that the command's user made.
 *
 * Commands that run as another user can give descriptors of their directories and files to each other, so a path below
 * them may change at any time. Their files are moved out of their reach first, and copied when they are published, as
 * one that is still open somewhere could be written to. A file of the worker's own user becomes the published object.
 */
export async function takeOutputFile(
  path: string,
  name: string,
  { own }: Pick<SlotDirectory, 'own'>,
  signal: AbortSignal,
): Promise<LeftFile | null> {
  if (own === undefined) {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats === undefined ? null : openLeft({ path, name, signal }, stats);
  }
  const taken = own.taken(0);
  return moveIfThere(path, taken) ? openTaken({ path: taken, name, signal }, own.owner.uid) : null;
}

/** A file below an output directory: its name there, and how to open it. */
interface NamedFile {
  readonly name: string;
  take(signal: AbortSignal): Promise<LeftFile>;
}

/** A file to be read: `name` is how errors call it. Reading a large one takes minutes, and ends with the signal. */
interface ReadFile {
  readonly path: string;
  readonly name: string;
  readonly signal: AbortSignal;
}

/**
 * The files below an output directory, sorted by name. Throws `jobFailed` for links and special files, for names that
 * can't be part of a key, and if the command removed the directory.
 */
export function takeOutputFiles({
  outputDirectory,
  own,
}: Pick<SlotDirectory, 'outputDirectory' | 'own'>): readonly NamedFile[] {
  const files: NamedFile[] = [];
  const walk = (directory: OpenDirectory, prefix: string): void => {
    for (const entry of directory.entries()) {
      const name = prefix + nameOf(entry, prefix);
      if (entry.isDirectory()) {
        within(directory.openChild(entry.name), (child) => walk(child, `${name}/`));
        continue;
      }
      const about = `${name} in ${DIRECTORY}`;
      if (!entry.isFile()) throw notPlainError(about, entry);
      if (own === undefined) {
        const path = `${outputDirectory}/${name}`;
        files.push({ name, take: async (signal) => openLeft({ path, name: about, signal }, lstatSync(path)) });
      } else {
        const taken = own.taken(files.length);
        renameSync(directory.at(entry.name), taken);
        files.push({ name, take: (signal) => openTaken({ path: taken, name: about, signal }, own.owner.uid) });
      }
    }
  };
  within(openOutputDirectory(outputDirectory), (directory) => {
    try {
      walk(directory, '');
    } catch (cause) {
      throw hasCode(cause, 'ENOENT', 'ENOTDIR', 'ELOOP') ? changedError(DIRECTORY, cause) : cause;
    }
  });
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function within(directory: OpenDirectory, use: (directory: OpenDirectory) => void): void {
  try {
    use(directory);
  } finally {
    directory.close();
  }
}

function openOutputDirectory(path: string): OpenDirectory {
  try {
    return OpenDirectory.open(path);
  } catch (cause) {
    if (hasCode(cause, 'ENOENT'))
      throw new BatchctlError('jobFailed', `${DIRECTORY} is gone: the command removed it`, { cause });
    if (hasCode(cause, 'ENOTDIR', 'ELOOP')) throw notPlainError(DIRECTORY, lstatSync(path), 'a directory');
    throw cause;
  }
}

/** Longer names can't be part of a key (S3: userguide/object-keys). */
const LONGEST_NAME = 1_024;

function nameOf({ name }: Entry, prefix: string): string {
  const text = name.toString('utf8');
  const whole = JSON.stringify(prefix + text);
  if (!Buffer.from(text, 'utf8').equals(name))
    throw new BatchctlError('jobFailed', `the name of ${whole} in ${DIRECTORY} is not valid UTF-8`);
  if (prefix.length + text.length <= LONGEST_NAME) return text;
  throw new BatchctlError(
    'jobFailed',
    `expected names of at most ${LONGEST_NAME} characters in ${DIRECTORY}, found a longer one: ${whole.slice(0, 80)}...`,
  );
}

async function openLeft(read: ReadFile, stats: Stats): Promise<LeftFile> {
  const { path, name } = read;
  if (!stats.isFile()) throw notPlainError(name, stats);
  const { size } = stats;
  const upload = { consume: true };
  // The path of a file that is consumed has another meaning soon.
  return { path, size, checksum: await checksumOf(read, size), upload, release: () => undefined };
}

async function openTaken(read: ReadFile, uid: number): Promise<LeftFile> {
  const { path, name } = read;
  const found = lstatSync(path);
  const file = found.isFile() ? openPlainFile(path) : null;
  if (file === null) throw notPlainError(name, found);
  const { fd, stats } = file;
  const release = (): void => {
    closeSync(fd);
    rmSync(path, { force: true });
  };
  try {
    // Otherwise it is a hard link to a file of someone else, which this process may read and the command may not.
    if (stats.uid !== uid) throw new BatchctlError('jobFailed', `${name} is not the command's own file`);
    const check = async (): Promise<void> => requireUnchanged(name, stats, fstatSync(fd));
    return { path, size: stats.size, checksum: await checksumOf(read, stats.size), upload: { check }, release };
  } catch (error) {
    release();
    throw error;
  }
}

function requireUnchanged(name: string, before: Stats, now: Stats): void {
  if (now.size === before.size && now.ctimeMs === before.ctimeMs) return;
  throw changedError(name);
}

const changedError = (name: string, cause?: unknown): BatchctlError =>
  new BatchctlError('jobFailed', `expected no process to change ${name} after its command, found a change`, { cause });

async function checksumOf({ path, name, signal }: ReadFile, size: number): Promise<string> {
  if (size === 0) return EMPTY_CHECKSUM;
  try {
    if (size > DIRECT_LIMIT) return await fileChecksum(path, { length: size, signal });
    const file = openPlainFile(path);
    if (file === null) throw changedError(name);
    try {
      return bytesChecksum(readRange(file.fd, { offset: 0, length: size }));
    } finally {
      closeSync(file.fd);
    }
  } catch (cause) {
    if (!hasCode(cause, 'EACCES')) throw cause;
    throw new BatchctlError('jobFailed', `${name} can't be read: the command closed it to its own user`, { cause });
  }
}

/** Moves a file, or whatever has its name; false if nothing has. */
function moveIfThere(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

function notPlainError(
  name: string,
  found: Parameters<typeof kindOfFile>[0],
  expected = 'a regular file',
): BatchctlError {
  return new BatchctlError('jobFailed', `expected ${name} to be ${expected}, found ${kindOfFile(found)}`);
}
