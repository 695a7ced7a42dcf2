import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { BatchctlError, hasCode, isBatchctlError } from '../../errors.ts';
import { kindOf } from '../../lib/read-file.ts';
import { shellWord } from '../../lib/shell-word.ts';
import { formatSize } from '../../lib/units.ts';
import { groupBy } from '../../model/group-by.ts';
import { type CommandDefinition, defineCommand, objectOf } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { type GuessedSplit, guessSplit, type HeadFacts, headFacts } from '../guess-split.ts';
import { printAnswer } from '../render.ts';

const HEAD_BYTES = 64 * 1024;

export function initCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[dir]': 'directory (default: the current one)' },
    options: {
      '--from <file>': 'a file of yours, or a directory, for the example job to read, split according to its format',
    },
    writes: false,
    output: objectOf({
      directory: { type: 'string', description: 'where it was made' },
      written: {
        type: 'array',
        items: { type: 'string' },
        description: 'files written; with --dry-run, that would be',
      },
      kept: { type: 'array', items: { type: 'string' }, description: 'existing files, left unchanged' },
    }),
    help: {
      about:
        'Writes batchctl.config.json, job.yaml and .gitignore. Existing files are left unchanged. --from DIR reads the files with the most common extension. Eight or more small files, and files that are not text, become one task each; others are split by their format. A comment in job.yaml says which, and why, and how to make tasks of rows that look like parameters.',
      examples: ['batchctl init', 'batchctl init month-end --from claims.csv', 'batchctl init --from videos/'],
      exitCodes: { 0: true, 4: 'no such file, or no file in the directory' },
      related: ['run', 'config show', 'schema'],
    },
    run: ({ dir, from }) => init(ctx, dir, from),
  });
}

/** Writes an initial configuration and job; never overwrites. Throws `notFound` if the file of `from` doesn't exist. */
async function init(ctx: Context, dir: string | undefined, from: string | undefined): Promise<void> {
  const directory = resolve(ctx.io.cwd, dir ?? '.');
  const files = {
    'batchctl.config.json': EXAMPLE_CONFIG,
    'job.yaml': from === undefined ? EXAMPLE_JOB : await jobForPath(resolve(ctx.io.cwd, from), directory),
    '.gitignore': EXAMPLE_IGNORE,
  };
  const written: string[] = [];
  const kept: string[] = [];
  if (!ctx.flags.dryRun) await mkdir(directory, { recursive: true, mode: 0o755 });
  for (const [name, text] of Object.entries(files)) {
    const made = await createFile(join(directory, name), text, ctx.flags.dryRun);
    (made ? written : kept).push(name);
  }
  await printAnswer(ctx, {
    json: { directory, written, kept },
    text: [
      ...written.map((name) => `${ctx.flags.dryRun ? 'would write' : 'wrote'} ${join(dir ?? '', name)}`),
      ...kept.map((name) => `left ${join(dir ?? '', name)} unchanged`),
      ...(kept.includes('.gitignore') && !(await isIgnored(directory))
        ? ['if you use git here, add the line .batchctl/ to .gitignore']
        : []),
    ].join('\n'),
  });
  if (written.includes('job.yaml')) {
    const empty = files['job.yaml'].includes(`job.yaml${ALLOW_EMPTY}`) ? ALLOW_EMPTY : '';
    ctx.notice(`next: batchctl run ${join(dir ?? '', 'job.yaml')}${empty} -o -`);
  }
}

/** Whether .gitignore of the directory names the store already; true also where it can't be read. */
async function isIgnored(directory: string): Promise<boolean> {
  const text = await readFile(join(directory, '.gitignore'), 'utf8').catch(() => EXAMPLE_IGNORE);
  return text.split('\n').some((line) => /^\/?\.batchctl\/?\s*$/.test(line));
}

async function jobForPath(path: string, directory: string): Promise<string> {
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) return await jobForDirectory(path, directory);
    const found = kindOf(stats);
    if (found !== null)
      throw new BatchctlError('notFound', `--from: expected a file or directory, found ${found}: ${path}`);
    const { size, guess, facts, whole } = await guessOf(path);
    const from = relative(directory, path);
    const notes = whole === null ? [] : await parameterNotes(from, whole);
    const file = { from, name: path, guess, bytes: size, empty: facts.empty, notes };
    return renderJob(facts.blankFirst && !facts.empty ? { ...file, ...TAKEN_WHOLE } : file);
  } catch (cause) {
    if (hasCode(cause, 'ENOENT', 'ENOTDIR')) {
      throw new BatchctlError('notFound', `--from: expected a file or directory, found none at ${path}`, { cause });
    }
    throw cause;
  }
}

/** A split would take the blank line as the header. */
const TAKEN_WHOLE = {
  split: { by: 'file' },
  notes: ['the file begins with a blank line: remove it to split the file by its records'],
} as const;

interface Guess {
  readonly size: number;
  readonly guess: GuessedSplit;
  readonly facts: HeadFacts;
  /** The content of a file that was read to its end, to guess. */
  readonly whole: Buffer | null;
}

async function guessOf(path: string): Promise<Guess> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    const head = buffer.subarray(0, bytesRead);
    const whole = bytesRead >= size;
    const guess = guessSplit(path, head, whole);
    return { size, guess, facts: headFacts(head, whole, guess), whole: whole ? head : null };
  } finally {
    await file.close();
  }
}

/** A table that a person wrote, or a script for a sweep, is small, and no value of it is prose. */
const SWEEP = { rows: 1_000, columns: 8, value: 40 };

/** Offers to make each row of a table a task, if `split: { by: table }` takes it and its rows look like parameters. */
async function parameterNotes(from: string, content: Buffer): Promise<readonly string[]> {
  const { tableRows } = await import('../../jobs/split/table-rows.ts');
  const { columnsCheck } = await import('../../jobs/submit/table-columns.ts');
  const rows: (readonly string[])[] = [];
  let columns: readonly string[] = [];
  const check = columnsCheck({ params: {}, steps: [] });
  try {
    const onColumns = (names: readonly string[]): void => {
      check(names, from);
      columns = names;
    };
    for await (const batch of tableRows(from, { by: 'table', quote: '"' }, Readable.from([content]), onColumns))
      rows.push(...batch.map(({ params }) => Object.values(params)));
  } catch (error) {
    if (!isBatchctlError(error)) throw error;
    return [];
  }
  const distinct = new Set(rows.map((row) => JSON.stringify(row))).size;
  const isShort = rows.every((row) => row.every((value) => value.length <= SWEEP.value && !/\s/.test(value)));
  if (
    rows.length < 2 ||
    distinct < rows.length ||
    rows.length > SWEEP.rows ||
    columns.length > SWEEP.columns ||
    !isShort
  )
    return [];
  const words = columns.map((name) => `${name}={${name}}`).join(' ');
  return [
    `if its ${rows.length} rows are parameters, make each a task, with split: { by: table } or by`,
    `batchctl run --input ${shellWord(from)} --split table -- echo ${words}`,
  ];
}

/** With at least this many small files, each is a task: all processors stay busy, and results have the files' names. */
const MANY_FILES = 8;
const LARGE_FILE = 32_000_000;

/** A job for the files of a directory that have the most common extension. */
async function jobForDirectory(path: string, directory: string): Promise<string> {
  const { matchFiles } = await import('../../jobs/data/find-files.ts');
  const byKind = groupBy(
    await matchFiles('**', { directory: path, dot: false }),
    (file) => /\.[^.]+(\.(gz|zst))?$/.exec(basename(file).replace(/^\.+/, ''))?.[0] ?? '',
  );
  const [chosen, ...others] = [...byKind].sort(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1));
  const [kind, files] = chosen ?? ['', []];
  const [first] = files;
  if (first === undefined) throw new BatchctlError('notFound', `--from: the directory ${path} contains no files`);
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const [bytes, largest] = [sizes.reduce((sum, size) => sum + size, 0), Math.max(...sizes)];
  const { guess } = await guessOf(first);
  const isPacked = /\.(gz|zst)$/.test(kind);
  const whole = guess.by === 'file' || (!isPacked && files.length >= MANY_FILES && largest <= LARGE_FILE);
  const below = files.some((file) => dirname(file) !== path) ? '**/' : '';
  const place = escapeGlob(relative(directory, path));
  const why = whole
    ? 'each is a task, and -o DIR/ names results as they are'
    : 'they are cut; with split: { by: file }, each is a task';
  const left = others.map(([other, { length }]) => `${length} ${other === '' ? 'without an extension' : other}`);
  return renderJob({
    from: `${place === '' ? '' : `${place}/`}${below}*${escapeGlob(kind)}`,
    name: basename(path),
    bytes,
    guess,
    split: whole ? { by: 'file' } : guess,
    notes: [
      `${formatMany(files.length, 'file')} of ${formatSize(bytes)}, the largest ${formatSize(largest)}: ${why}`,
      ...(left.length === 0 ? [] : [`not read: ${left.slice(0, 5).join(', ')}${left.length > 5 ? ', ...' : ''}`]),
    ],
  });
}

const escapeGlob = (text: string): string => text.replace(/[\\*?[\]{}()!+@]/g, '\\$&');

/** Returns false if the file exists. It appears only when complete: a temporary file is hard-linked to its name. */
async function createFile(path: string, text: string, dryRun: boolean): Promise<boolean> {
  const taken = await open(path).then(
    (file) => file.close().then(() => true),
    (error: unknown) => !hasCode(error, 'ENOENT', 'ENOTDIR'),
  );
  if (taken || dryRun) return !taken;
  const draft = `${path}.${randomUUID()}.tmp`;
  try {
    // batchctl refuses a configuration that others can write.
    await writeFile(draft, text, { mode: 0o644 });
    await link(draft, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

const EXAMPLE_CONFIG = `${JSON.stringify({ profile: 'local', profiles: { local: { backend: 'local', root: '.batchctl' } } }, null, 2)}\n`;

const EXAMPLE_IGNORE = '.batchctl/\n';

/** A job that works unchanged, using only standard programs of Debian. */
const EXAMPLE_JOB = `# Try it:  batchctl run job.yaml -o -
name: squares
input:
  split: { by: range, from: 1, to: 20 }    # an array job: twenty tasks
steps:
  - name: square
    run: [expr, "{index}", "*", "{index}"]
  - name: sum
    gather: true               # waits for all, reads their outputs in task order
    run: "awk '{ sum += $1 } END { print sum }'"
`;

interface JobFacts {
  /** Relative to the job file. */
  readonly from: string;
  /** The job is named after it. */
  readonly name: string;
  readonly bytes: number;
  /** The format, for the example's command. */
  readonly guess: GuessedSplit;
  /** How to split, if not by that format. */
  readonly split?: GuessedSplit;
  readonly notes?: readonly string[];
  /** The file has no records yet. */
  readonly empty?: boolean;
}

/** A job for the user's files, split according to their format. */
function renderJob({ from, name, bytes, guess, split = guess, notes = [], empty = false }: JobFacts): string {
  // A name may contain a line feed.
  const comments = notes.map((note) => `  # ${note.replace(/[\p{Cc}]/gu, '?')}\n`).join('');
  return `# Try it:  batchctl run job.yaml${empty ? ALLOW_EMPTY : ''} -o -
name: ${jobName(name)}
input:
${comments}  from: ${JSON.stringify(from)}
  split: ${splitText(split, pieceSize(bytes))}
steps:
  - name: count                # your program here: it reads stdin, writes stdout
    run: ${countOf(guess)}
  - name: total
    gather: true               # waits for all, reads their outputs in task order
    run: "awk '{ sum += $1 } END { print sum + 0 }'"
`;
}

const ALLOW_EMPTY = ' --allow-empty';

/** Counts records, not line ends: the last line may have none, and one may be quoted. Blank lines are no records of a CSV. */
function countOf(guess: GuessedSplit): string {
  switch (guess.by) {
    case 'file':
      return '[wc, -c]';
    case 'lines':
      return `"awk 'END { print NR }'"`;
    case 'jsonl':
      return `awk '/[^ \\t\\r]/ { records++ } END { print records + 0 }'`;
    case 'csv': {
      const quote = guess.quote === "'" ? `"'"` : `'"'`;
      const records = guess.header
        ? '(records ? records - 1 : 0) }   # each part begins with the header'
        : 'records + 0 }';
      return `|                     # a quoted line end is within a record, a blank line is none
      awk -v quote=${quote} '
        { quotes += gsub(quote, "&"); filled = filled || /[^\\r]/ }
        quotes % 2 == 0 { records += filled; filled = 0 }
        END { print ${records}
      '`;
    }
    default:
      return guess satisfies never;
  }
}

function splitText(guess: GuessedSplit, size: string): string {
  if (guess.by === 'file') return '{ by: file }';
  if (guess.by !== 'csv') return `{ by: ${guess.by}, size: ${size} }`;
  const fields = [`by: csv, size: ${size}, header: ${guess.header}`];
  if (guess.delimiter !== ',') fields.push(`delimiter: ${JSON.stringify(guess.delimiter)}`);
  if (guess.quote !== '"') fields.push(`quote: ${JSON.stringify(guess.quote)}`);
  return `{ ${fields.join(', ')} }`;
}

/** About eight tasks for a small file; 32 MB each for a large one. */
function pieceSize(bytes: number): string {
  const eighth = Math.ceil(bytes / 8);
  if (eighth >= 32_000_000) return '32MB';
  return eighth >= 1_000_000 ? `${Math.ceil(eighth / 1_000_000)}MB` : `${Math.max(1, Math.ceil(eighth / 1000))}KB`;
}

function jobName(from: string): string {
  const stem = (from.split('/').pop() ?? '').split('.')[0] ?? '';
  const name = stem
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  return name === '' || name === 'last' ? 'example' : name;
}
