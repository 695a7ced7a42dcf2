import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import { parseDuration, wholeNumber } from '../../lib/units.ts';
import type { JobSpec, Join } from '../../model/job.ts';
import { isS3Uri } from '../../model/s3-uri.ts';
import type { Attachments } from '../../ports/verbs.ts';
import { type CommandDefinition, choice, defineCommand, parsed } from '../command.ts';
import { requireSaidProfile } from '../confirm.ts';
import type { Context } from '../context.ts';
import { inlineJob, openJobFile } from '../open-job-file.ts';
import { runJob } from '../run-job.ts';
import { AT_FLAG, SUBMISSION_FLAGS, type SubmissionInput } from '../submission-flags.ts';
import { JOIN_FLAG } from './fetch.ts';

export function runCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[jobfile]': 'job file, YAML or JSON; or the id of a job to continue' },
    options: {
      ...SUBMISSION_FLAGS,
      ...AT_FLAG,
      '--slots <n>': parsed('tasks at a time (default: the number of processors)', wholeNumber(1)),
      '--here': "on an AWS profile, also work on it from this machine; otherwise only the group's workers do",
      '--no-scale': "don't change the size of groups",
      '-o, --output <where>':
        'fetch the outputs: DIR/ or s3://BUCKET/PREFIX/ for one file per task; FILE, - or s3://BUCKET/KEY to join them in task order',
      '--header <header>': choice('joined outputs: keep only the first header line; all outputs must begin with it', [
        'once',
      ]),
      '--join <how>': JOIN_FLAG,
      '--timeout <duration>': parsed('stop waiting after this time; the job can be continued later', parseDuration),
      '--split <split>': 'without a job file: csv:32MB, lines:100, jsonl:16MB, file, list, range:1-500',
      '--gather <command>': 'without a job file: a command that processes all outputs, run by /bin/sh',
      '--save-job <file>': 'without a job file: write a job file that does the same',
    },
    writes: true,
    passThrough: true,
    stopsItself: true,
    output: async () => (await import('../verb-schema.ts')).statusSchema(),
    help: {
      about:
        "Submits a job, works on it, shows its progress, verifies it and fetches its outputs. Run it again with the same --run-key, or with the job's id, to continue.",
      examples: [
        'batchctl run job.yaml -o results/',
        'batchctl run job.yaml --run-key month-end-2026-11 -o totals.csv',
        "batchctl run --input claims.csv --split csv:32MB --gather 'sort -u' -o - -- awk -F, '{print $3}'",
      ],
      exitCodes: [
        [0, 'the job succeeded'],
        [3, 'the job file is invalid'],
        [4, 'an input matches nothing'],
        [5, 'the job failed or was cancelled'],
        [6, 'not finished when --timeout passed'],
        [7, 'refused, or paused, possibly by a cost limit; or the outputs have no common header'],
        [9, 'the proof failed'],
        10,
        130,
      ],
      related: ['submit', 'status', 'fetch', 'verify', 'plan'],
    },
    run: (input) => run({ ctx, ...input }),
  });
}

export interface RunOptions extends SubmissionInput {
  readonly ctx: Context;
  readonly jobfile: string | undefined;
  readonly rest: readonly string[] | null;
  readonly slots: number | undefined;
  readonly here: boolean;
  readonly scale: boolean;
  readonly output: string | undefined;
  readonly header: 'once' | undefined;
  readonly join: Join | undefined;
  readonly timeout: number | undefined;
  readonly split: string | undefined;
  readonly gather: string | undefined;
  readonly saveJob: string | undefined;
}

/** Runs a job to its end on workers in this process, and exits like the job. */
export async function run(options: RunOptions): Promise<number> {
  const { ctx, jobfile, rest } = options;
  if (ctx.attachments !== null) return takeUpFor(ctx, ctx.attachments, options);
  // Report a mistake in the target now, not when the job is done.
  if (options.output !== undefined && isS3Uri(options.output)) {
    const { parseTarget } = await import('../../jobs/fetch/target.ts');
    parseTarget(options.output, { cwd: ctx.io.cwd, write: async () => undefined });
  }
  const work = {
    slots: options.slots ?? null,
    here: options.here,
    scale: options.scale,
    output: options.output ?? null,
    header: options.header ?? null,
    join: options.join ?? null,
    timeout: options.timeout ?? null,
  };
  if (jobfile === undefined) {
    if (rest === null || rest.length === 0) {
      throw new BatchctlError('usage', 'expected a job file, or -- and a command', { hint: 'batchctl run --help' });
    }
    await requireSaidProfile(ctx);
    const spec = await inlineJob(ctx, { ...options, command: rest });
    if (ctx.flags.dryRun) return showPlan(ctx, spec, null, options);
    return runJob(ctx, { kind: 'spec', spec, jobFile: null, input: options }, work);
  }
  if (rest !== null) throw new BatchctlError('usage', 'a job file and a command after -- are mutually exclusive');
  if (!existsSync(resolve(ctx.io.cwd, jobfile)) && /^(key:|name:|last$|[a-z][a-z0-9-]*-\d{8}-\d{4}-)/.test(jobfile)) {
    return runJob(ctx, { kind: 'job', job: jobfile, created: null }, work);
  }
  await requireSaidProfile(ctx);
  const spec = await openJobFile(ctx, jobfile);
  if (ctx.flags.dryRun) return showPlan(ctx, spec, jobfile, options);
  return runJob(ctx, { kind: 'spec', spec, jobFile: jobfile, input: options }, work);
}

/** For a remote caller, which has submitted the job and fetches the outputs itself. Throws `usage`. */
function takeUpFor(
  ctx: Context,
  { run: asked }: Attachments,
  { jobfile, timeout, scale }: RunOptions,
): Promise<number> {
  if (jobfile === undefined) throw new BatchctlError('usage', 'expected the id of a job');
  const { output = null, header = null, join = null, created = null } = asked ?? {};
  const work = { slots: null, here: false, scale, output, header, join, timeout: timeout ?? null };
  return runJob(ctx, { kind: 'job', job: jobfile, created }, work);
}

/** `--dry-run`: shows what would be submitted. */
async function showPlan(ctx: Context, spec: JobSpec, jobFile: string | null, input: SubmissionInput): Promise<number> {
  const { planSpec } = await import('./plan.ts');
  await planSpec(ctx, spec, jobFile, input);
  return 0;
}
