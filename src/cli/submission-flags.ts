import { dirname, resolve } from 'node:path';
import type { Profile } from '../config.ts';
import { BatchctlError } from '../errors.ts';
import type { SubmissionRequest } from '../jobs/submit/prepare.ts';
import { pairs, parseDuration, wholeNumber } from '../lib/units.ts';
import type { JobSpec } from '../model/job.ts';
import { parsed, repeated } from './command.ts';
import type { Context } from './context.ts';
import { formatInstant } from './format.ts';
import { parseTime } from './times.ts';

/** Of the answers of `plan` and `submit`. */
export const EMPTY_INPUTS = {
  type: 'array',
  items: { type: 'string' },
  description: 'names of inputs that bring no part: they are empty, or a header alone',
} as const;

/** The flags that `submit`, `run` and `plan` share. */
export const SUBMISSION_FLAGS = {
  '--input <input>': repeated(
    "what to read, in place of the job file's: a file, a pattern, store:KEY, job:JOB/STEP, or - for stdin",
  ),
  '--set <name=value>': repeated("a parameter's value"),
  '--run-key <key>': 'the name that makes this run happen once; {period} in it is the period',
  '--existing': 'the key has other content: answer its job all the same',
  '--again': 'a further run under the same key, on purpose',
  '--period <period>': 'what {period} stands for: 2026-11',
  '--label <name=value>': repeated('a label, to find the job by'),
  '--finish-by <time>':
    'when it should have ended: 18:30, "in 6h", "tomorrow 06:00", 2026-11-30T06:00Z; late is exit 10',
  '--max-cost <usd>': parsed('no more than that, where a profile knows prices; not on local', dollars),
  '--expect-inputs <n>': parsed('refuse another number of inputs', wholeNumber(0)),
  '--await-input <duration>': parsed('wait so long for inputs that are not there yet', parseDuration),
  '--allow-empty': 'accept input that makes no part at all',
} as const;

/** Of those that submit: a rehearsal begins at once. */
export const AT_FLAG = {
  '--at <time>': 'no task begins before it: 18:30, "in 6h", "tomorrow 06:00", 2026-11-30T06:00Z',
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

/** What the flags and a job's spec ask for. Throws `usage` for flags that don't go together, or don't go with the profile. */
export async function submissionOf(
  ctx: Context,
  spec: JobSpec,
  jobFile: string | null,
  input: SubmissionInput,
): Promise<SubmissionRequest> {
  if (input.existing && input.again) throw new BatchctlError('usage', '--existing and --again exclude each other');
  if (input.runKey === undefined && (input.existing || input.again)) {
    throw new BatchctlError('usage', `--${input.existing ? 'existing' : 'again'} needs --run-key`);
  }
  const names = input.input ?? [];
  if (names.filter((name) => name === '-').length > 1) throw new BatchctlError('usage', '--input - can be given once');
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
      : { attachments, code: await (await import('./attached.ts')).attachedCode(ctx, attachments, spec) };
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

/** On the local profile every group exists; elsewhere a group has a queue, and one that the profile lacks has none. */
function refuseUnknownGroups(profile: Profile, spec: JobSpec): void {
  if (profile.backend !== 'aws') return;
  for (const { name, group } of spec.steps) {
    if (Object.hasOwn(profile.groups, group)) continue;
    const groups = Object.keys(profile.groups).join(', ');
    throw new BatchctlError(
      'config',
      `step ${name} runs in group ${group}, which profile ${profile.name} has not (${groups})`,
      { hint: `add ${group} to the profile's groups, or correct the step's group` },
    );
  }
}

/** When a job is to begin, as ISO-8601 UTC: `now`, or a time to come. Throws `usage`. */
export async function beginningOf(ctx: Context, text: string): Promise<string> {
  return text.trim().toLowerCase() === 'now' ? new Date(ctx.clock.now()).toISOString() : timeToCome(ctx, '--at', text);
}

/** A deadline as ISO-8601 UTC. Throws `usage` for a text that is no time, and for a time that has passed. */
export function deadlineOf(ctx: Context, text: string): Promise<string> {
  return timeToCome(ctx, '--finish-by', text);
}

async function timeToCome(ctx: Context, flag: string, text: string): Promise<string> {
  const [zone, now] = [await ctx.zone(), ctx.clock.now()];
  const instant = parseTime(text, { now, zone });
  if (instant <= now) {
    throw new BatchctlError(
      'usage',
      `${flag} ${text}: expected a time to come, found ${formatInstant(instant, zone, now)}`,
      {
        hint: 'say "in 6h", "tomorrow 06:00", or a date and time to come',
      },
    );
  }
  return new Date(instant).toISOString();
}

/** Throws `usage` where the profile has no prices: a limit that nobody can keep is not taken. */
export async function refuseCost(ctx: Context): Promise<void> {
  const { profile } = await ctx.config();
  if (profile.backend !== 'local') return;
  throw new BatchctlError('usage', `--max-cost: nothing on the profile ${profile.name} costs anything`, {
    hint: 'leave it out; --finish-by limits time',
  });
}

/** Dollars, for `parsed`. Throws a RangeError. */
export function dollars(text: string): number {
  const value = /^\$?\d+(\.\d{1,2})?$/.test(text) ? Number(text.replace('$', '')) : Number.NaN;
  if (!(value > 0 && value <= Number.MAX_SAFE_INTEGER))
    throw new RangeError(`expected an amount in US dollars such as 100 or 12.50, found "${text}"`);
  return value;
}

/** How a key that exists is answered. */
export function modeOf(input: SubmissionInput): 'new' | 'existing' | 'again' {
  return input.again ? 'again' : input.existing ? 'existing' : 'new';
}
