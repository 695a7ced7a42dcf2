import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { isAbsolute, join, normalize } from 'node:path';
import { shellWord } from '../lib/shell-word.ts';
import type { JobSpec, StepSpec } from '../model/job.ts';
import { placeholdersOf, substitute } from '../model/substitute.ts';

interface ProgramPlace {
  /** The job file's directory, and its files relative to it: what a command finds in its working directory. */
  readonly directory: string;
  readonly files: readonly string[];
  /** The worker's PATH, with the group's and the step's own applied; undefined: none is set. */
  readonly path: (step: StepSpec) => string | undefined;
}

export interface MissingProgram {
  readonly step: string;
  /** `nosuch is not on the PATH`. */
  readonly what: string;
  readonly hint: string;
}

/**
 * The programs of steps, and the interpreters of scripts among them, that can't be started on this machine. Judges only
 * what is certain: not the text of a shell, not a name that depends on the task, not a PATH from a secret.
 */
export function missingPrograms({ steps, params }: JobSpec, place: ProgramPlace): readonly MissingProgram[] {
  return steps.flatMap((step): readonly MissingProgram[] => {
    if (typeof step.run === 'string' || Object.hasOwn(step.secrets, 'PATH')) return [];
    const name = substitute(step.run[0] ?? '', params, { field: 'run', unknown: 'keep' });
    if (name === '' || placeholdersOf(name).length > 0) return [];
    const lack = programProblem(name, place.path(step), place);
    return lack === null ? [] : [{ step: step.name, ...lack }];
  });
}

type ProgramProblem = Pick<MissingProgram, 'what' | 'hint'>;

function programProblem(
  name: string,
  path: string | undefined,
  { directory, files }: ProgramPlace,
): ProgramProblem | null {
  const own = isAbsolute(name) ? null : normalize(name);
  const isOwn = own !== null && files.includes(own);
  if (own !== null && name.includes('/') && !isOwn) return notAmongFiles(name, own, directory);
  const program = findProgram(name, path, directory);
  if (program === null) {
    if (!isOwn) {
      if (isAbsolute(name)) return { what: `${name} is not a program on this machine`, hint: INSTALL };
      const isHere = isFile(join(directory, name));
      return {
        what: `${name} is not on the PATH`,
        hint: isHere ? `to run the file in ${directory}, write ./${name}` : INSTALL,
      };
    }
    if (name.includes('/')) return { what: `${name} is not executable`, hint: `chmod +x ${join(directory, own)}` };
    return { what: `${name} is not on the PATH`, hint: `to run the job's own file, write ./${own}` };
  }
  const interpreter = interpreterOf(isAbsolute(program) ? program : join(directory, program));
  if (interpreter === null || findProgram(interpreter, path, directory) !== null) return null;
  return { what: `${name} needs the interpreter ${interpreter}, which is not on this machine`, hint: INSTALL };
}

/** A command's working directory has only the job's files. */
function notAmongFiles(name: string, own: string, directory: string): ProgramProblem {
  const path = join(directory, own);
  if (!isFile(path)) {
    return {
      what: `${name} does not exist: there is no file ${path}`,
      hint: `correct its name; it is relative to ${directory}`,
    };
  }
  if (own.startsWith('../')) {
    const hint = `copy it there (cp ${shellWord(path)} ${shellWord(directory)}/), or write ${path} if every worker has it`;
    return { what: `${name} is outside of ${directory}, whose files are sent to the workers`, hint };
  }
  const hint = `add it to \`files\` of the job file, as in files: [${own}]: commands find only those in their working directory`;
  return { what: `${name} is not one of the job's files`, hint };
}

const INSTALL = 'install it, or correct `run` of the step; workers search the PATH of the process that starts them';

/** More than Linux reads of a script's first line. */
const HEAD_BYTES = 256;

/** The interpreter that a script's `#!` line names, also through env(1); null for anything else. */
function interpreterOf(path: string): string | null {
  let head: string;
  try {
    accessSync(path, constants.R_OK);
    const file = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(HEAD_BYTES);
      head = bytes.toString('utf8', 0, readSync(file, bytes, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return null; // A program need not be readable.
  }
  const words = /^#![ \t]*(.*)/.exec(head)?.[1]?.split(/[ \t]+/) ?? [];
  const [first = '', second = ''] = words;
  if (!isAbsolute(first)) return null;
  if (!/^\/(usr\/)?bin\/env$/.test(first) || !isProgram(first)) return first;
  // An option or an assignment of env(1): what it runs is not obvious.
  return second === '' || /^-|=/.test(second) ? null : second;
}

/** The search path of execvp when no PATH is set. */
const DEFAULT_PATH = '/usr/bin:/bin';
const CACHED_LOOKUPS = 256;

const found = new Map<string, string>();

/**
 * The path by which a program can be started from `cwd`, as execvp would find it in `path`; null if there is none. The
 * result has a slash, so it can't be a shell builtin. A name with a slash is returned unchanged.
 */
export function findProgram(name: string, path: string | undefined, cwd: string): string | null {
  if (name === '') return null;
  if (name.includes('/')) return isProgram(isAbsolute(name) ? name : join(cwd, name)) ? name : null;
  const search = path ?? DEFAULT_PATH;
  const key = `${name}\0${search}`;
  const known = found.get(key);
  if (known !== undefined && isProgram(known)) return known;
  for (const directory of search.split(':')) {
    const candidate = join(isAbsolute(directory) ? directory : join(cwd, directory), name);
    if (!isProgram(candidate)) continue;
    if (found.size >= CACHED_LOOKUPS) found.clear();
    // The result of a relative entry depends on cwd, which isn't part of the key.
    if (isAbsolute(directory)) found.set(key, candidate);
    return candidate;
  }
  return null;
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  } catch {
    return false;
  }
}

function isProgram(path: string): boolean {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat?.isFile() === true && (stat.mode & 0o111) !== 0;
  } catch {
    return false; // A path component is not a directory, access is denied, or the name is too long: it can't be started.
  }
}
