import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { BatchctlError } from '../errors.ts';
import type { JobSpec } from '../model/job.ts';
import type { Context } from './context.ts';

export interface InlineJob {
  readonly command: readonly string[];
  readonly split: string | undefined;
  readonly gather: string | undefined;
  readonly saveJob: string | undefined;
  readonly input: readonly string[] | undefined;
}

/** The job described by `run -- COMMAND`, checked like a job file; `--save-job` writes it. */
export async function inlineJob(ctx: Context, { command, split, gather, saveJob, input }: InlineJob): Promise<JobSpec> {
  const { parseSplit } = await import('../jobs/split/parse-split.ts');
  const { parseJobFile } = await import('../jobs/spec/job-file.ts');
  const { formatJobFile, splitFileOf } = await import('../jobs/spec/format-job-file.ts');
  if (split === undefined) {
    throw new BatchctlError('usage', '--split is required: it says how the input becomes tasks', {
      hint: '--split lines:1000',
    });
  }
  // A job file can't name a pipe, and ranges and grids have no input.
  const from = (input ?? []).filter((name) => name !== '-');
  const file = {
    name: nameOf(command),
    input: { ...(from.length === 0 ? {} : { from }), split: splitFileOf(parseSplit(split)) },
    steps: [
      { name: 'map', run: command },
      ...(gather === undefined ? [] : [{ name: 'gather', gather: true, run: gather }]),
    ],
  };
  const spec = parseJobFile(JSON.stringify(file), { file: 'the command line' });
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
