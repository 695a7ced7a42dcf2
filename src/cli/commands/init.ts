import { randomUUID } from 'node:crypto';
import { link, mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { BatchctlError, hasCode } from '../../errors.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { EXAMPLE_CONFIG, EXAMPLE_IGNORE, EXAMPLE_JOB, jobFor } from '../example-job.ts';
import { answer } from '../render.ts';
import { guessSplit } from '../sniff.ts';

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
      related: ['run', 'config show', 'job schema'],
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
      ...(kept.includes('.gitignore') ? ['if you use git here, add the line .batchctl/ to .gitignore'] : []),
    ].join('\n'),
  });
  if (written.includes('job.yaml')) ctx.notice(`next: batchctl run ${join(dir ?? '', 'job.yaml')} -o -`);
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
