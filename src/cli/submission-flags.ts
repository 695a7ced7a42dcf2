import { dirname, resolve } from 'node:path';
import type { Profile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import type { SubmissionRequest } from '../jobs/submit/prepare.ts';
import { pairs, parseDuration, wholeNumber } from '../lib/units.ts';
import type { JobSpec } from '../model/job.ts';
import { deadlineOf, dollars, refuseCost, timeToCome } from '../verbs/limits.ts';
import { parsed, repeated } from './command.ts';
import type { Context } from './context.ts';

/** For the answers of `plan` and `submit`. */
export const EMPTY_INPUTS = {
  type: 'array',
  items: { type: 'string' },
  description: 'names of inputs without any parts: empty, or with a header only',
} as const;

/** Flags of `submit`, `run` and `plan`. */
export const SUBMISSION_FLAGS = {
  '--input <input>': repeated(
    "read this instead of the job file's inputs: a file, a pattern, store:KEY, job:JOB/STEP, or - for stdin",
  ),
  '--set <name=value>': repeated('set a parameter'),
  '--run-key <key>': 'a name that ensures this run happens only once; may contain {period}',
  '--existing': 'if the key exists with other content, use its job anyway',
  '--again': 'start another run under the same key',
  '--period <period>': 'the value of {period}: 2026-11',
  '--label <name=value>': repeated('label the job'),
  '--finish-by <time>': 'deadline: 18:30, "in 6h", "tomorrow 06:00", 2026-11-30T06:00Z; a late job exits 10',
  '--max-cost <usd>': parsed('cost limit, if the profile knows prices; not on local', dollars),
  '--expect-inputs <n>': parsed('fail unless there are exactly this many inputs', wholeNumber(0)),
  '--await-input <duration>': parsed('wait this long for missing inputs', parseDuration),
  '--allow-empty': 'accept input without any parts',
} as const;

/** Only for commands that submit: a rehearsal starts at once. */
export const AT_FLAG = {
  '--at <time>': 'start no task before this time: 18:30, "in 6h", "tomorrow 06:00", 2026-11-30T06:00Z',
} as const;

export interface SubmissionInput {
  readonly input: readonly string[] | undefined;
  readonly set: readonly string[] | undefined;
  readonly runKey: string | undefined;
  readonly existing: boolean;
  readonly again: boolean;
  readonly period: string | undefined;
  readonly label: readonly string[] | undefined;
  readonly at?: string | undefined;
  readonly finishBy: string | undefined;
  readonly maxCost: number | undefined;
  readonly expectInputs: number | undefined;
  readonly awaitInput: number | undefined;
  readonly allowEmpty: boolean;
}

/**
 * The submission that the flags and a job's spec describe. Throws `usage` for flags that conflict with each other or
 * with the profile.
 */
export async function submissionOf(
  ctx: Context,
  spec: JobSpec,
  jobFile: string | null,
  input: SubmissionInput,
): Promise<SubmissionRequest> {
  if (input.existing && input.again) throw new BatchctlError('usage', '--existing and --again are mutually exclusive');
  if (input.runKey === undefined && (input.existing || input.again)) {
    throw new BatchctlError('usage', `--${input.existing ? 'existing' : 'again'} requires --run-key`);
  }
  const names = input.input ?? [];
  if (names.filter((name) => name === '-').length > 1)
    throw new BatchctlError('usage', '--input - can be given only once');
  if (input.maxCost !== undefined) await refuseCost(ctx);
  refuseUnknownGroups((await ctx.config()).profile, spec);
  const notBefore = input.at === undefined ? null : await timeToCome(ctx, '--at', input.at);
  const finishBy = input.finishBy === undefined ? null : await deadlineOf(ctx, input.finishBy);
  if (notBefore !== null && finishBy !== null && finishBy <= notBefore) {
    throw new BatchctlError('usage', `--finish-by ${input.finishBy}: expected a time after --at ${input.at}`);
  }
  const { attachments } = ctx;
  const sent =
    attachments === null
      ? {}
      : { attachments, code: await (await import('./open-job-file.ts')).attachedCode(ctx, attachments, spec) };
  return {
    ...{ spec, notBefore, finishBy },
    ...sent,
    maxCost: input.maxCost ?? null,
    directory: jobFile === null ? ctx.io.cwd : dirname(resolve(ctx.io.cwd, jobFile)),
    inputs: names,
    inputDirectory: ctx.io.cwd,
    stdin: ctx.io.stdin,
    params: pairs('--set', input.set ?? []),
    labels: pairs('--label', input.label ?? []),
    period: input.period ?? null,
    runKey: input.runKey ?? null,
    expectInputs: input.expectInputs ?? null,
    allowEmpty: input.allowEmpty,
  };
}

/**
 * The local profile accepts every group. Elsewhere a group needs a queue, which exists only for the profile's groups.
 */
function refuseUnknownGroups(profile: Profile, spec: JobSpec): void {
  if (profile.backend !== 'aws') return;
  for (const { name, group } of spec.steps) {
    if (Object.hasOwn(profile.groups, group)) continue;
    const groups = Object.keys(profile.groups).join(', ');
    throw new BatchctlError(
      'config',
      `step ${name} uses group ${group}, which profile ${profile.name} does not define (it has ${groups})`,
      { hint: `add ${group} to the profile's groups, or correct the step's group` },
    );
  }
}

/** What to do if the run key exists. */
export function modeOf(input: SubmissionInput): 'new' | 'existing' | 'again' {
  return input.again ? 'again' : input.existing ? 'existing' : 'new';
}
