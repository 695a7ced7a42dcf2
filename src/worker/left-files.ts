import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hasCode } from '../errors.ts';
import type { StepSpec } from '../model/job.ts';
import type { SlotDirectory } from './slot-directory.ts';

/** A command that exited with 0 without its output: what it made would be thrown away. A retry would do the same. */
export class NoOutputError extends Error {}

/** Files that programs leave for themselves: caches, locks, core dumps, and names with a dot at the beginning. */
const OWN_USE = /^(?:\..*|__pycache__|.*\.py[co]|core(?:\.\d+)?|.*\.(?:lock|lck|pid))$/;

/** At most this many are named. */
const NAMED = 3;
/** A tree that is deeper counts as a file. */
const DEEPEST = 32;

interface Places {
  readonly directory: SlotDirectory;
  /** Whether a path, relative to the working directory, was there before the command: the job's own file. */
  readonly isGiven: (path: string) => boolean;
  /** The path that the command got as its input; null for stdin. */
  readonly input: string | null;
  /** `inputMark` of it before the command; null: not compared. */
  readonly mark?: string | null;
  /** Called if there is nothing at all in the working directory. */
  readonly onEmpty?: () => void;
}

/**
 * Changes when a command writes to its input, replaces it (`sed -i`), or puts something into its directory; null if there
 * is none.
 */
export function inputMark(path: string | null): string | null {
  const stats = path === null ? undefined : lstatSync(path, { throwIfNoEntry: false });
  return stats === undefined ? null : `${stats.ino} ${stats.size} ${stats.mtimeMs}`;
}

/**
 * Throws `NoOutputError` if an output that is empty can't be what the command meant: `output: file` without the file, and
 * any other with files that it left elsewhere, or an input that it changed. Of an input that it removed, nothing would be
 * a result. It looks at names only, and follows no link. Call it for an empty output.
 */
export function refuseNoOutput(output: StepSpec['output'], places: Places): void {
  if (output === 'none') return;
  const { directory, input, mark = null } = places;
  // Paths that the command knows: it may have written beside them.
  const known = [...(input === null ? [] : [input]), ...(output === 'file' ? [directory.outputFile] : [])];
  const names = leftFiles(places, known);
  const now = mark === null ? null : inputMark(input);
  const isChanged = now !== null && now !== mark;
  if (output !== 'file' && names.length === 0 && !isChanged) return;
  const { missing, instead } = WORDS[output];
  const shown = names.slice(0, NAMED).join(', ');
  const more = names.length > NAMED ? ' and others' : '';
  const left = names.length === 0 ? '' : `; left behind: ${shown}${more}`;
  const changed = isChanged ? ', but changed its input, a copy that is not kept' : '';
  throw new NoOutputError(`${missing}${changed}${left}; ${instead}, or \`output: none\` if none is expected`);
}

const WORDS = {
  stdout: { missing: 'it wrote nothing to stdout', instead: 'use {output} or `output: files`' },
  file: { missing: 'it wrote no file at {output}, $BATCHCTL_OUTPUT', instead: 'write it there, even if it is empty' },
  files: { missing: 'it wrote no file in $BATCHCTL_OUTPUT_DIR', instead: 'write them there' },
} as const;

/**
 * The first files that a command left in its working directory, or beside its input or output, besides the job's own,
 * and what programs leave for themselves; relative to the working directory.
 */
function leftFiles({ directory, isGiven, onEmpty }: Places, known: readonly string[]): readonly string[] {
  const found: string[] = [];
  const walk = (at: string, prefix: string, depth: number): void => {
    const entries = entriesOf(at);
    if (entries?.length === 0 && at === directory.cwd) onEmpty?.();
    for (const entry of entries ?? []) {
      if (found.length > NAMED) return;
      if (OWN_USE.test(entry.name)) continue;
      const path = `${prefix}${entry.name}`;
      if (entry.isDirectory() && depth < DEEPEST) walk(join(at, entry.name), `${path}/`, depth + 1);
      else if (!isGiven(path)) found.push(shownName(path));
    }
  };
  walk(directory.cwd, '', 0);
  if (known.length === 0) return found;
  const ours = new Set<unknown>([...Object.values(directory), directory.own?.home, ...known]);
  const besides = new Set(known.map((each) => dirname(each)));
  for (const path of [...besides, dirname(directory.outputFile)]) ours.add(path);
  for (const path of besides) {
    for (const { name } of entriesOf(path) ?? []) {
      const sibling = `../${name}`;
      if (!ours.has(join(path, name)) && !OWN_USE.test(name) && !isGiven(sibling)) found.push(shownName(sibling));
    }
  }
  return found;
}

/** Sorted by name. Null if it is not a directory any more, or closed. */
function entriesOf(path: string): readonly Dirent[] | null {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.length < 2 ? entries : entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) return null;
    throw error;
  }
}

const shownName = (name: string): string =>
  /^[^\p{Cc};]{1,80}$/u.test(name) ? name : JSON.stringify(name.slice(0, 80));
