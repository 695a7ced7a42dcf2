import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../errors.ts';
import { randomId } from '../lib/id.ts';
import { emptyTree, removeTree } from '../lib/remove-tree.ts';
import { ownDirectory, type SlotOwner, SYSTEM_PATH } from './command-user.ts';

/** The files of one slot, on the store's file system, so that publishing is a single link. */
export interface SlotDirectory {
  /** The command's working directory, new for each attempt. */
  readonly cwd: string;
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly counters: string;
  /** `output: file` and `output: files`. */
  readonly outputFile: string;
  readonly outputDirectory: string;
  /** `input: dir`; the files in a pack's list. */
  readonly inputDirectory: string;
  /** The path of `inputDirectory` in such a list, if it is about to be moved there. */
  readonly listedAs?: string;
  /** The user that the command runs as, with a home directory; absent if it is the worker's own. */
  readonly own?: {
    readonly owner: SlotOwner;
    readonly home: string;
    /** A path for the nth file of the output, out of every command's reach. */
    readonly taken: (n: number) => string;
  };
}

/** A slot with more directories that can't be moved has another problem. */
const MOST_NAMES = 100;

interface PrepareOptions {
  /** The user of the slot's commands; absent or null: the worker's own. */
  readonly owner?: SlotOwner | null;
  /** Called with the path of a directory that can't be emptied, and why. */
  readonly onLeft?: (path: string, error: unknown) => void;
  /** False: removes also what an attempt usually leaves, and the next one overwrites. */
  readonly keeps?: boolean;
  /** Working directories that were seen empty after their last command, which are not read again; forgets the slot's. */
  readonly empty?: Set<string>;
}

/**
 * Creates or empties a slot's directory. Nothing that the last attempt left is used again, under any name: a command may
 * have linked it, kept it open, or put something else in its place. If the directory can't be emptied, the slot gets a
 * new one, and `onLeft` the path of the old one. Throws the error of the last.
 */
export function prepareSlotDirectory(
  scratch: string,
  slot: number,
  { owner = null, onLeft = () => undefined, keeps = true, empty = new Set() }: PrepareOptions = {},
): SlotDirectory {
  for (let names = 0; ; names += 1) {
    const base = join(scratch, names === 0 ? String(slot) : `${slot}-${names}`);
    const keepsRun = empty.delete(`${base}/run`) ? isOpenDirectory : isEmptyAndOpen;
    const left = emptied(scratch, base, owner, keeps ? keepsRun : null);
    if (left instanceof Error) {
      const moved = moveAside(base);
      onLeft(moved ?? base, left);
      if (moved === null && names < MOST_NAMES) continue;
      if (moved === null) throw left;
    }
    if (owner !== null) return ownedDirectory(base, owner);
    const directory = pathsIn(base);
    if (left !== 'run') mkdirSync(directory.cwd, { recursive: true, mode: 0o700 });
    return directory;
  }
}

/** The rest of a slot's directory after emptying: its empty working directory, or nothing that counts. */
type Left = 'run' | 'nothing';

/**
 * Empties a slot's directory, if there is one; the error if that is impossible. `keepsRun`: whether a working directory is
 * kept; null: nothing is.
 */
function emptied(
  scratch: string,
  base: string,
  owner: SlotOwner | null,
  keepsRun: ((path: string) => boolean) | null,
): Left | Error {
  const empty = (): Left => {
    if (owner === null && keepsRun !== null) return emptyPlain(base, keepsRun);
    removeTree(base);
    return 'nothing';
  };
  try {
    return empty();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (owner !== null || !removeObstacle(scratch, base, error)) return error;
  }
  try {
    return empty();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return error;
  }
}

/**
 * Entries that an attempt usually leaves and the next one overwrites: creating them takes as long as a short command.
 */
const KEPT: readonly string[] = ['in', 'err'];

/**
 * Fast for what an attempt usually leaves; whatever else there is takes longer. Keeps an empty working directory and plain
 * files that only this slot has a name for. A command of the worker's own user could still have them open, but its
 * processes have ended.
 */
function emptyPlain(base: string, keepsRun: (path: string) => boolean): Left {
  const stats = lstatSync(base, { throwIfNoEntry: false });
  if (stats === undefined) return 'nothing';
  if (!stats.isDirectory()) {
    removeTree(base);
    return 'nothing';
  }
  if ((stats.mode & 0o700) !== 0o700) chmodSync(base, 0o700);
  let left: Left = 'nothing';
  try {
    for (const name of readdirSync(base)) {
      const path = `${base}/${name}`;
      if (name === 'run' && keepsRun(path)) left = 'run';
      else if (name === 'run') rmdirSync(path);
      else if (!KEPT.includes(name) || !isPlainAndSingle(path)) unlinkSync(path);
    }
    return left;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    emptyTree(base);
    return 'nothing';
  }
}

const isEmptyAndOpen = (path: string): boolean => isOpenDirectory(path) && readdirSync(path).length === 0;

function isOpenDirectory(path: string): boolean {
  const stats = lstatSync(path);
  return stats.isDirectory() && (stats.mode & 0o777) === 0o700;
}

/** A file without another name, that the worker may write. */
function isPlainAndSingle(path: string): boolean {
  const stats = lstatSync(path);
  return stats.isFile() && stats.nlink === 1 && (stats.mode & 0o600) === 0o600;
}

/** The command, run as the worker's own user, closed the parent directory, or protected files. */
function removeObstacle(scratch: string, base: string, error: Error): boolean {
  try {
    if (hasCode(error, 'EACCES')) chmodSync(scratch, 0o700);
    // chattr(1): immutable, append-only. Only root could set them, or can unset them.
    else if (hasCode(error, 'EPERM')) {
      execFileSync('chattr', ['-R', '-f', '-i', '-a', base], { env: { PATH: SYSTEM_PATH }, stdio: 'ignore' });
    } else return false;
  } catch {
    // It fails for links in the directory, too. The next try shows whether it helped.
  }
  return true;
}

/** Moves a directory that can't be emptied, so that its name is free; null if that is impossible, too. */
function moveAside(base: string): string | null {
  const aside = `${base}.left-${randomId(6)}`;
  try {
    renameSync(base, aside);
    return aside;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return null;
  }
}

/** Whatever the command creates is in its own directory, under any name. */
function ownedDirectory(base: string, owner: SlotOwner): SlotDirectory {
  const directory = pathsIn(base);
  const [made, home] = [`${base}/made`, `${base}/home`];
  ownDirectory(base, owner, {
    directories: [directory.cwd, made, home],
    files: [directory.stdout, directory.stderr, directory.counters],
  });
  return { ...directory, outputFile: `${made}/output`, own: { owner, home, taken: (n) => `${base}/.taken-${n}` } };
}

function pathsIn(base: string): SlotDirectory {
  return {
    cwd: `${base}/run`,
    stdin: `${base}/in`,
    stdout: `${base}/out`,
    stderr: `${base}/err`,
    counters: `${base}/counters`,
    outputFile: `${base}/output`,
    outputDirectory: `${base}/outputs`,
    inputDirectory: `${base}/inputs`,
  };
}

const isSystemError = (error: unknown): error is Error => error instanceof Error && 'syscall' in error;
