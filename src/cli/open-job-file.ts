import { lstatSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, normalize, resolve } from 'node:path';
import { BatchctlError, hasCode } from '../errors.ts';
import type { CorrectedFile } from '../jobs/change/corrected-file.ts';
import type { CodeArchive } from '../jobs/code-archive.ts';
import { statOrNull } from '../lib/if-exists.ts';
import { readSmallFile } from '../lib/read-file.ts';
import type { JobSpec } from '../model/job.ts';
import { codeKey } from '../model/keys.ts';
import { extensionOf, extensionOfPattern, usesPlaceholder } from '../model/substitute.ts';
import type { Attachments } from '../ports/verbs.ts';
import type { Context } from './context.ts';

/** Reads a job file of the working directory, or one that a remote caller sent. Throws `jobFile`, `notFound`. */
export async function openJobFile(ctx: Context, path: string): Promise<JobSpec> {
  if (ctx.attachments !== null) return attachedSpec(ctx.attachments, path);
  const { loadJobFile } = await import('../jobs/spec/job-file.ts');
  return loadJobFile(resolve(ctx.io.cwd, path));
}

/** The spec that a remote caller sent. Throws `usage` if it sent none, and otherwise as `openJobFile` does. */
export async function attachedSpec({ jobFile }: Attachments, path: string): Promise<JobSpec> {
  if (jobFile === null || jobFile.path !== path) {
    throw new BatchctlError(
      'usage',
      `the job file ${path} was not sent along, and a manager does not read paths of its callers`,
      { hint: 'send the job as `spec`' },
    );
  }
  const { parseSentJobFile, specOfValue } = await import('../jobs/spec/job-file.ts');
  const { spec } = jobFile;
  return typeof spec === 'string' ? parseSentJobFile(spec, { file: path }) : specOfValue(spec, { file: path });
}

const codeByContext = new WeakMap<Context, Promise<CodeArchive | null>>();

/** The files that a remote caller uploaded earlier; null for none. Throws `usage`, `notFound`, `corrupt`. */
export function attachedCode(ctx: Context, attachments: Attachments, spec: JobSpec): Promise<CodeArchive | null> {
  const known = codeByContext.get(ctx) ?? readCode(ctx, attachments, spec);
  codeByContext.set(ctx, known);
  return known;
}

async function readCode(ctx: Context, { jobFile, planned }: Attachments, spec: JobSpec): Promise<CodeArchive | null> {
  if (spec.files.length === 0) return null;
  const sha256 = jobFile?.code ?? null;
  if (sha256 === null || !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new BatchctlError('usage', `the job's files (${spec.files.join(', ')}) were not sent along`, {
      hint: 'store their archive as code/<sha256>.tar.gz, and send its hash as `code`',
    });
  }
  // A plan stores nothing, so nothing was uploaded for it.
  if (planned != null) {
    const { files, hashes } = planned;
    return { sha256, gzip: new Uint8Array(), files, ...(hashes && { hashes }) };
  }
  const { readStoredCode } = await import('../jobs/code-archive.ts');
  const code = await readStoredCode((await ctx.platform()).store, sha256);
  if (code !== null) return code;
  throw new BatchctlError('notFound', `the job's files, ${codeKey(sha256)}, are not in the store`, {
    hint: 'upload them first; the same command run again does that',
  });
}

/** The text of a file that an option names. Throws `notFound`, and `usage` if a remote caller didn't send it. */
export async function openText(ctx: Context, option: string, path: string): Promise<string> {
  if (ctx.attachments !== null) return attachedText(ctx.attachments, option, path);
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

function attachedText({ texts }: Attachments, option: string, path: string): string {
  const text = texts !== undefined && Object.hasOwn(texts, path) ? texts[path] : undefined;
  if (text !== undefined) return text;
  throw new BatchctlError(
    'usage',
    `${option} ${path} was not sent along, and a manager does not read paths of its callers`,
  );
}

/** Reads and packs the job file of `--with`. Throws `jobFile`, `notFound`. */
export async function openCorrectedJob(ctx: Context, path: string): Promise<CorrectedFile> {
  const spec = await openJobFile(ctx, path);
  const { attachments } = ctx;
  if (attachments !== null) {
    return { spec, code: await attachedCode(ctx, attachments, spec) };
  }
  const { readCorrectedFile } = await import('../jobs/change/corrected-file.ts');
  const corrected = await readCorrectedFile(spec, dirname(resolve(ctx.io.cwd, path)));
  for (const text of corrected.code?.leftOut ?? []) ctx.warn(text);
  return corrected;
}

interface InlineJob {
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
  const { command, split, gather, saveJob, input } = inline;
  const { parseSplit } = await import('../jobs/split/parse-split.ts');
  const { parseJobFile } = await import('../jobs/spec/job-file.ts');
  const { formatJobFile, splitFileOf } = await import('../jobs/spec/format-job-file.ts');
  if (split === undefined) {
    throw new BatchctlError('usage', '--split is required: it says how the input becomes tasks', {
      hint: '--split lines:1000',
    });
  }
  // A job file can't name a pipe. Ranges and grids have no input.
  const from = (input ?? []).filter((name) => name !== '-');
  const files = namedFiles(ctx.io.cwd, command);
  const extension = resultExtension(ctx.io.cwd, inline);
  const file = {
    name: nameOf(command),
    ...(files.length > 0 && { files }),
    input: { ...(from.length === 0 ? {} : { from }), split: splitFileOf(parseSplit(split)) },
    steps: [
      { name: 'map', run: command, ...(extension !== '' && { extension }) },
      ...(gather === undefined ? [] : [{ name: 'gather', gather: true, run: gather }]),
    ],
  };
  const spec = parseJobFile(JSON.stringify(file), { file: 'the command line' });
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
