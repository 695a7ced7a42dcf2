import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { BatchctlError, hasCode } from '../../errors.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';
import { type Guess, guessSplit } from '../sniff.ts';

const HEAD_BYTES = 64 * 1024;

export function initCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[dir]': 'directory (default: the current one)' },
    options: { '--from <file>': 'a file of yours for the example job to read, split according to its format' },
    writes: false,
    output: {
      type: 'object',
      required: ['directory', 'written', 'kept'],
      properties: {
        directory: { type: 'string' },
        written: {
          type: 'array',
          items: { type: 'string' },
          description: 'with --dry-run: files that would be written',
        },
        kept: { type: 'array', items: { type: 'string' }, description: 'existing files, left unchanged' },
      },
    },
    help: {
      about: 'Writes batchctl.config.json, job.yaml and .gitignore. Existing files are left unchanged.',
      examples: ['batchctl init', 'batchctl init month-end --from claims.csv'],
      exitCodes: [0, [4, 'no such file']],
      related: ['run', 'config show', 'schema'],
    },
    run: (input) => init({ ctx, ...input }),
  });
}

export interface InitOptions {
  readonly ctx: Context;
  readonly dir: string | undefined;
  readonly from: string | undefined;
}

/** Writes an initial configuration and job; never overwrites. Throws `notFound` if the file of `from` doesn't exist. */
export async function init({ ctx, dir, from }: InitOptions): Promise<void> {
  const directory = resolve(ctx.io.cwd, dir ?? '.');
  const files = {
    'batchctl.config.json': EXAMPLE_CONFIG,
    'job.yaml': from === undefined ? EXAMPLE_JOB : await jobFrom(resolve(ctx.io.cwd, from), directory),
    '.gitignore': EXAMPLE_IGNORE,
  };
  const written: string[] = [];
  const kept: string[] = [];
  if (!ctx.flags.dryRun) await mkdir(directory, { recursive: true, mode: 0o755 });
  for (const [name, text] of Object.entries(files)) {
    const made = await createFile(join(directory, name), text, ctx.flags.dryRun);
    (made ? written : kept).push(name);
  }
  await answer(ctx, {
    json: { directory, written, kept },
    text: [
      ...written.map((name) => `${ctx.flags.dryRun ? 'would write' : 'wrote'} ${join(dir ?? '', name)}`),
      ...kept.map((name) => `left ${join(dir ?? '', name)} unchanged`),
      ...(kept.includes('.gitignore') && !(await isIgnored(directory))
        ? ['if you use git here, add the line .batchctl/ to .gitignore']
        : []),
    ].join('\n'),
  });
  if (written.includes('job.yaml')) ctx.notice(`next: batchctl run ${join(dir ?? '', 'job.yaml')} -o -`);
}

/** Whether .gitignore of the directory names the store already; true also where it can't be read. */
async function isIgnored(directory: string): Promise<boolean> {
  const text = await readFile(join(directory, '.gitignore'), 'utf8').catch(() => EXAMPLE_IGNORE);
  return text.split('\n').some((line) => /^\/?\.batchctl\/?\s*$/.test(line));
}

async function jobFrom(path: string, directory: string): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
      const guess = guessSplit(path, buffer.subarray(0, bytesRead), bytesRead >= size);
      return jobFor(relative(directory, path), guess, size);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (hasCode(cause, 'ENOENT', 'ENOTDIR', 'EISDIR')) {
      throw new BatchctlError('notFound', `--from: expected a file, found none at ${path}`, { cause });
    }
    throw cause;
  }
}

/** Returns false if the file exists. It appears complete or not at all: a temporary file is hard-linked to its name. */
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
    gather: true                           # waits for all, and gets their outputs in task order
    run: "awk '{ sum += $1 } END { print sum }'"
`;

/**
 * A job for the user's file, split according to its format. `from` is relative to the job file; `bytes` is its size.
 */
function jobFor(from: string, guess: Guess, bytes: number): string {
  return `# Try it:  batchctl run job.yaml -o -
name: ${jobName(from)}
input:
  from: ${JSON.stringify(from)}
  split: ${splitText(guess, pieceSize(bytes))}
steps:
  - name: count                            # your own program here: its input is stdin, its output stdout
    run: ${countOf(guess)}
  - name: total
    gather: true                           # waits for all, and gets their outputs in task order
    run: "awk '{ sum += $1 } END { print sum }'"
`;
}

/** Each part of a CSV with a header begins with that header, which is no record. */
function countOf(guess: Guess): string {
  if (guess.by === 'file') return '[wc, -c]';
  return guess.by === 'csv' && guess.header ? '"tail -n +2 | wc -l"' : '[wc, -l]';
}

function splitText(guess: Guess, size: string): string {
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

/** A valid job name derived from a file name. */
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
