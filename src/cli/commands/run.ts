import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import * as v from 'valibot';
import { BatchctlError } from '../../errors.ts';
import { type FetchTarget, parseTarget } from '../../jobs/fetch/target.ts';
import { wholeNumberParser } from '../../lib/units.ts';
import { duration, scaleFlag } from '../../verbs/job.ts';
import { ALLOW_UNPROVEN, HEADER, JOIN, NAME, refuseName, requireNames } from '../../verbs/run.ts';
import { START_FIELD, SUBMISSION_FIELDS } from '../../verbs/submission.ts';
import { field, flag, parsedText, text } from '../../verbs/verb.ts';
import type { CommandDefinition, RawInput } from '../command.ts';
import type { Context } from '../context.ts';
import { inputAsJobFile } from '../expanded-pattern.ts';
import { separatorError } from '../missing-separator.ts';
import { inlineJob, openJobFile } from '../open-job-file.ts';
import { exampleHint } from '../parse.ts';
import type { EndedRun, RunSubject, SubmittedSpec } from '../run-job.ts';
import { commandLineFields, parseFields } from '../verb-command.ts';

/** The options of `run`, which submits, works on the job, and fetches its outputs. */
const RUN = {
  jobfile: v.optional(field('[jobfile]', 'job file, YAML or JSON; or the id of a job to continue', text)),
  ...SUBMISSION_FIELDS,
  ...START_FIELD,
  slots: v.optional(
    field('-j, --slots <n>', 'tasks at a time (default: the number of processors)', parsedText(wholeNumberParser(1))),
  ),
  here: v.optional(
    field(
      '--here',
      "on an AWS profile, also work on it from this machine; otherwise only the group's workers do",
      flag,
    ),
    false,
  ),
  scale: scaleFlag,
  output: v.optional(
    field(
      '-o, --output <where>',
      'fetch the outputs: DIR/ or s3://BUCKET/PREFIX/ for one file per task; FILE, - or s3://BUCKET/KEY to join them in task order, replacing what is there',
      text,
    ),
  ),
  header: v.optional(HEADER),
  join: v.optional(JOIN),
  name: v.optional(NAME),
  allowUnproven: ALLOW_UNPROVEN,
  timeout: v.optional(
    field('--timeout <duration>', 'stop waiting after this time; the job can be continued later', duration),
  ),
  split: v.optional(
    field(
      '--split <split>',
      'without a job file: csv:32MB, lines:100, jsonl:16MB, file, file:500 (files a task), list, table, range:1-500',
      text,
    ),
  ),
  grid: v.optional(
    field(
      '--grid <name=values>',
      'without a job file: a task for each combination of values: lr=0.1,0.01, seed=1..20, x=0..1..0.1 (the step), lr=log:1e-4..1e-1:7 (how many)',
      v.array(text),
    ),
    [],
  ),
  zip: v.optional(
    field('--zip <names>', 'with --grid: combine the values of these side by side, such as lr,seed', v.array(text)),
    [],
  ),
  exclude: v.optional(
    field('--exclude <name=value>', 'with --grid: leave out combinations, such as lr=0.1,seed=3', v.array(text)),
    [],
  ),
  gather: v.optional(
    field('--gather <command>', 'without a job file: a command that processes all outputs, run by /bin/sh', text),
  ),
  saveJob: v.optional(field('--save-job <file>', 'without a job file: write a job file that does the same', text)),
};

const runFields = v.strictObject(RUN);
export type RunInput = v.InferOutput<typeof runFields> & { readonly rest: readonly string[] | null };

export function runCommand(ctx: Context): CommandDefinition {
  const { operands, options } = commandLineFields(RUN);
  return {
    arguments: operands,
    options,
    writes: true,
    passThrough: true,
    stopsItself: true,
    output: async () => (await import('../../verbs/verb-schema.ts')).statusSchema(),
    help: {
      about:
        "Submits a job, works on it, shows its progress, verifies it and fetches its outputs. Files in the working directory that a command after -- names, such as its script, are sent along. Run it again with the same --run-key, or with the job's id, to continue. If the job failed, nothing is fetched; --allow-unproven fetches the outputs if only a control total (`expect`) does not hold.",
      examples: [
        'batchctl run job.yaml -o results/',
        'batchctl run job.yaml --run-key month-end-2026-11 -o totals.csv',
        "batchctl run --input 'videos/*.mp4' --split file -o frames/ --name {stem}.jpg -- ./first-frame {input}",
        'batchctl run --grid lr=0.1,0.01 --grid seed=1..20 -o out/ --name {lr}/{seed}.json -- ./train {lr} {seed}',
        "batchctl run --input claims.csv --split csv:32MB --gather 'sort -u' -o - -- awk -F, '{print $3}'",
      ],
      exitCodes: {
        0: 'the job succeeded',
        3: 'the job file is invalid',
        4: 'an input matches nothing',
        5: 'the job failed or was cancelled',
        6: 'not finished when --timeout passed',
        7: 'refused, or paused, possibly by a cost limit; or the outputs have no common header',
        9: 'the proof failed',
        10: true,
        130: true,
      },
      related: ['submit', 'status', 'fetch', 'verify', 'plan'],
    },
    run: async (input) => {
      const typed = runInput(input);
      return run(ctx, typed, {
        plan: async ({ spec, jobFile }) => (await import('./plan.ts')).planHere(ctx, spec, jobFile, typed),
        run: async (what) => (await import('../run-job.ts')).runHere(ctx, what, typed),
      });
    },
  };
}

export function runInput(input: RawInput): RunInput {
  return { ...parseFields(RUN, input), rest: Array.isArray(input.rest) ? (input.rest as readonly string[]) : null };
}

/** What a run needs of the place that accepts its job: this machine's ports, or a manager. */
export interface RunPlace {
  /** Shows what a submission would do. */
  plan(what: SubmittedSpec): Promise<void>;
  /** Submits or continues the job; returns once it has ended, and its outputs are where they were asked for. */
  run(what: RunSubject, target: FetchTarget | null): Promise<EndedRun>;
}

/** Runs a job to its end. Returns its exit code. */
export async function run(ctx: Context, input: RunInput, place: RunPlace): Promise<number> {
  refuseConflicts(ctx, input);
  const target = checkOutput(ctx, input);
  const what = await subjectOf(ctx, input);
  if (ctx.flags.dryRun && what.kind === 'spec') {
    await requireNames({ spec: what.spec, inputs: [] }, target, input.name);
    await place.plan(what);
    return 0;
  }
  const ended = await place.run(what, target);
  const { showEnded } = await import('../run-job.ts');
  return showEnded(ctx, ended, input.output !== '-');
}

async function subjectOf(ctx: Context, input: RunInput): Promise<RunSubject> {
  const { jobfile, rest } = input;
  if (jobfile !== undefined && isJobReference(ctx, jobfile)) return { kind: 'job', job: jobfile };
  if (jobfile !== undefined) return { kind: 'spec', spec: await openJobFile(ctx, jobfile), jobFile: jobfile };
  if (rest === null || rest.length === 0) throw nothingToRun(ctx);
  return { kind: 'spec', spec: await inlineJob(ctx, { ...input, command: rest }), jobFile: null };
}

/** Options that describe a job without a job file. */
const INLINE = {
  '--split': 'split',
  '--grid': 'grid',
  '--zip': 'zip',
  '--exclude': 'exclude',
  '--gather': 'gather',
  '--save-job': 'saveJob',
} as const;

/** Options of a submission, which an accepted job has had. */
const OF_SUBMISSION: Readonly<Record<string, keyof RunInput>> = Object.fromEntries(
  Object.keys({ ...SUBMISSION_FIELDS, ...START_FIELD }).map((name) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    name as keyof RunInput,
  ]),
);

/** Throws `usage` for words that exclude each other, and for options that would be ignored, by name. */
function refuseConflicts(ctx: Pick<Context, 'io'>, input: RunInput): void {
  const { jobfile, rest, split } = input;
  if (jobfile === undefined) return;
  const isInline = rest !== null || split !== undefined;
  const expanded = isInline ? inputAsJobFile(input.input, jobfile, ctx.io.cwd) : null;
  if (expanded !== null) throw expanded;
  if (rest !== null) throw new BatchctlError('usage', 'a job file and a command after -- are mutually exclusive');
  const given = (options: Readonly<Record<string, keyof RunInput>>): readonly string[] =>
    Object.entries(options).flatMap(([option, name]) => {
      const value = input[name];
      return value === undefined || value === false || (Array.isArray(value) && value.length === 0) ? [] : [option];
    });
  const isJob = isJobReference(ctx, jobfile);
  const inline = given(INLINE);
  if (split !== undefined && !isJob && !existsSync(resolve(ctx.io.cwd, jobfile)) && !/\.(ya?ml|json)$/i.test(jobfile))
    throw separatorError(jobfile, ['...', '--', jobfile]);
  if (isJob) {
    const ignored = [...inline, ...given(OF_SUBMISSION)];
    if (ignored.length === 0) return;
    throw new BatchctlError(
      'usage',
      `${ignored.join(', ')}: the job ${jobfile} is already accepted, and they would be ignored`,
      {
        hint: `leave them out: batchctl run ${jobfile}; batchctl adjust changes limits`,
      },
    );
  }
  if (inline.length === 0) return;
  throw new BatchctlError('usage', `${inline.join(', ')}: expected only with a command after --, found ${jobfile}`, {
    hint: `leave them out, and write input.split and steps into ${jobfile}`,
  });
}

/** Reports a mistake in the target now, not when the job is done. Throws as `parseTarget` and `refuseName` do. */
function checkOutput(
  { io }: Pick<Context, 'io'>,
  { output, name }: Pick<RunInput, 'output' | 'name'>,
): FetchTarget | null {
  const target = output === undefined ? null : parseTarget(output, { cwd: io.cwd, write: async () => undefined });
  refuseName(target, name);
  return target;
}

const nothingToRun = ({ io }: Pick<Context, 'io'>): BatchctlError =>
  new BatchctlError('usage', 'expected a job file, or -- and a command', {
    hint: `${exampleHint('run', io.cwd)}; see batchctl run --help`,
  });

/** Whether a text names an existing job: it reads like a reference, and no file has that name. */
const isJobReference = ({ io }: Pick<Context, 'io'>, said: string): boolean =>
  !existsSync(resolve(io.cwd, said)) && /^(key:|name:|last$|[a-z][a-z0-9-]*-\d{8}-\d{4}-)/.test(said);
