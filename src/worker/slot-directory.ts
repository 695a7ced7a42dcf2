import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../errors.ts';
import { ownDirectory, type SlotOwner } from './command-user.ts';

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
  /** `input: dir`. */
  readonly inputDirectory: string;
  /** The user that the command runs as, with a home directory; absent if it is the worker's own. */
  readonly own?: { readonly owner: SlotOwner; readonly home: string };
}

/** Files that an attempt leaves and the next one overwrites. */
const KEPT: readonly string[] = ['run', 'in', 'err'];

/**
 * Creates or empties a slot's directory: removes what the last attempt left, keeps an empty one. With another owner
 * nothing is kept, as a command may have hard-linked its files.
 */
export function prepareSlotDirectory(scratch: string, slot: number, owner: SlotOwner | null = null): SlotDirectory {
  const base = join(scratch, String(slot));
  const directory: SlotDirectory = {
    cwd: `${base}/run`,
    stdin: `${base}/in`,
    stdout: `${base}/out`,
    stderr: `${base}/err`,
    counters: `${base}/counters`,
    outputFile: `${base}/output`,
    outputDirectory: `${base}/outputs`,
    inputDirectory: `${base}/inputs`,
  };
  if (owner !== null) return ownedDirectory(base, directory, owner);
  ensureEmptyDirectory(directory.cwd);
  // Also stdout: if a publish failed after its link, the file is the published object itself.
  for (const name of readdirSync(base))
    if (!KEPT.includes(name)) rmSync(`${base}/${name}`, { recursive: true, force: true });
  return directory;
}

/** Whatever the command creates is in its own directory, under any name. */
function ownedDirectory(base: string, shared: SlotDirectory, owner: SlotOwner): SlotDirectory {
  const [made, home] = [`${base}/made`, `${base}/home`];
  rmSync(base, { recursive: true, force: true });
  ownDirectory(base, owner, {
    directories: [shared.cwd, made, home],
    files: [shared.stdout, shared.stderr, shared.counters],
  });
  return { ...shared, outputFile: `${made}/output`, own: { owner, home } };
}

function ensureEmptyDirectory(path: string): void {
  try {
    if (readdirSync(path).length === 0) return;
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
    rmSync(path, { force: true });
  }
  mkdirSync(path, { recursive: true, mode: 0o700 });
}
