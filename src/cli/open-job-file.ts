import { lstatSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, normalize, resolve } from 'node:path';
import { BatchctlError, hasCode } from '../errors.ts';
import type { CorrectedFile } from '../jobs/change/corrected-file.ts';
import type { GridOptions } from '../jobs/split/parse-grid.ts';
import { statOrNull } from '../lib/if-exists.ts';
import { readSmallFile } from '../lib/read-file.ts';
import type { JobSpec } from '../model/job.ts';
import { extensionOf, extensionOfPattern, usesPlaceholder } from '../model/substitute.ts';
import type { Context } from './context.ts';

/** Reads a job file of the working directory. Throws `jobFile`, `notFound`. */
export async function openJobFile(ctx: Context, path: string): Promise<JobSpec> {
  const { loadJobFile } = await import('../jobs/spec/job-file.ts');
  return loadJobFile(resolve(ctx.io.cwd, path));
}

/** The text of a file that an option names. Throws `notFound`. */
export async function openText(ctx: Context, option: string, path: string): Promise<string> {
  const wrong = (why: string, cause?: unknown): BatchctlError =>
    new BatchctlError('notFound', `${option} ${path}: ${why}`, { hint: 'name a text file', cause });
  try {
    const file = readSmallFile(resolve(ctx.io.cwd, path), MOST_TEXT_BYTES);
    if ('bytes' in file) return file.bytes.toString('utf8');
    throw wrong(`expected a file${'found' in file ? `, found ${file.found}` : ` of at most ${MOST_TEXT_BYTES} bytes`}`);
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT', 'ENOTDIR', 'EACCES', 'ENXIO')) throw cause;
    throw wrong("the file does not exist or can't be read", cause);
  }
}

/** Bytes of a text that an option names: 16 MiB. */
const MOST_TEXT_BYTES = 16 * 2 ** 20;

/** Reads and packs the job file of `--with`. Throws `jobFile`, `notFound`. */
export async function openCorrectedJob(ctx: Context, path: string): Promise<CorrectedFile> {
  const spec = await openJobFile(ctx, path);
  const { readCorrectedFile } = await import('../jobs/change/corrected-file.ts');
  const corrected = await readCorrectedFile(spec, dirname(resolve(ctx.io.cwd, path)));
  for (const text of corrected.code?.leftOut ?? []) ctx.warn(text);
  return corrected;
}

interface InlineJob extends GridOptions {
  readonly command: readonly string[];
  readonly split?: string | undefined;
  readonly gather?: string | undefined;
  readonly saveJob?: string | undefined;
  readonly input: readonly string[] | undefined;
  /** How its results are named: `--name`, or the file of `-o`. */
  readonly name?: string | undefined;
  readonly output?: string | undefined;
}

/** The job described by `run -- COMMAND`, checked like a job file; `--save-job` writes it. */
export async function inlineJob(ctx: Context, inline: InlineJob): Promise<JobSpec> {
  const { command, gather, saveJob, input } = inline;
  const { specOfValue } = await import('../jobs/spec/job-file.ts');
  const { formatJobFile } = await import('../jobs/spec/format-job-file.ts');
  const split = await inlineSplit(inline);
  // A job file can't name a pipe. Ranges and grids have no input.
  const from = (input ?? []).filter((name) => name !== '-');
  const files = namedFiles(ctx.io.cwd, command);
  const extension = resultExtension(ctx.io.cwd, inline);
  const file = {
    name: nameOf(command),
    ...(files.length > 0 && { files }),
    input: { ...(from.length === 0 ? {} : { from }), split },
    steps: [
      { name: 'map', run: command, ...(extension !== '' && { extension }) },
      ...(gather === undefined ? [] : [{ name: 'gather', gather: true, run: gather }]),
    ],
  };
  const spec = specOfValue(file, { file: 'the command line' });
  if (files.length > 0) ctx.notice(`sent along, as the command names it: ${files.join(', ')}`);
  if (saveJob !== undefined) {
    try {
      writeFileSync(resolve(ctx.io.cwd, saveJob), formatJobFile(spec), { flag: 'wx' });
    } catch (cause) {
      throw new BatchctlError('refused', `can't write ${saveJob}: it exists, or its directory does not`, {
        cause,
        hint: 'choose another file',
      });
    }
    ctx.notice(`wrote ${saveJob}`);
  }
  return spec;
}

/** The split that the command line describes, as a job file has it. */
async function inlineSplit({ split, ...options }: InlineJob): Promise<Record<string, unknown>> {
  const { grid = [], zip = [], exclude = [] } = options;
  if (grid.length === 0 && (zip.length > 0 || exclude.length > 0))
    throw new BatchctlError('usage', `--${zip.length > 0 ? 'zip' : 'exclude'} requires --grid`, {
      hint: '--grid lr=0.1,0.01 --grid seed=1..20',
    });
  if (grid.length > 0 && split !== undefined)
    throw new BatchctlError('usage', '--grid and --split are mutually exclusive', {
      hint: 'to combine values with rows, write the rows as --grid values, or all combinations as a table',
    });
  if (grid.length > 0) return (await import('../jobs/split/parse-grid.ts')).parseGrid(options);
  if (split === undefined) {
    throw new BatchctlError('usage', '--split or --grid is required: it says how the input becomes tasks', {
      hint: '--split lines:1000',
    });
  }
  const { parseSplit } = await import('../jobs/split/parse-split.ts');
  const { splitFileOf } = await import('../jobs/spec/format-job-file.ts');
  return splitFileOf(parseSplit(split));
}

/** The extension of the results, if their names show it and the command has {output}; those of a gather are not its. */
function resultExtension(cwd: string, { command, gather, name, output = '-' }: InlineJob): string {
  if (gather !== undefined || !usesPlaceholder(command, 'output')) return '';
  if (name !== undefined) return extensionOfPattern(name);
  const isDirectory = output.endsWith('/') || statOrNull(resolve(cwd, output))?.isDirectory() === true;
  return isDirectory ? '' : extensionOf(basename(output));
}

/** Larger files are data, not a program, bytes. */
const MAX_PROGRAM_BYTES = 16 * 2 ** 20;

/**
 * The files of the working directory that a command's words name: a task runs in a directory of its own, where
 * `python3 sum.py` would not find its script. A bare first word is a program on the PATH.
 */
function namedFiles(cwd: string, [program = '', ...words]: readonly string[]): readonly string[] {
  const named = program.includes('/') ? [program, ...words] : words;
  return [...new Set(named.filter((word) => isNamedFile(cwd, word)).map((word) => normalize(word)))];
}

function isNamedFile(cwd: string, word: string): boolean {
  // Others would be patterns, or leave the directory.
  if (isAbsolute(word) || !/^[\w.+=,@%/-]+$/.test(word) || normalize(word).startsWith('..')) return false;
  try {
    const path = join(cwd, normalize(word));
    const stats = lstatSync(path);
    return (
      stats.isFile() &&
      stats.size <= MAX_PROGRAM_BYTES &&
      realpathSync(path) === join(realpathSync(cwd), normalize(word))
    );
  } catch {
    return false; // No such file: the word means something else.
  }
}

/** A job's name from its program: letters, digits and hyphens of the base name. */
function nameOf(command: readonly string[]): string {
  const base = (command[0] ?? '').split('/').at(-1) ?? '';
  const name = base
    .toLowerCase()
    .replace(/\.[a-z0-9]+$/, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 40);
  return name === '' || name === 'last' ? 'run' : name;
}
