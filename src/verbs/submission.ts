import { resolve } from 'node:path';
import * as v from 'valibot';
import type { Config } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { hasCostLimit, requireWithinBudget } from '../jobs/cost/affordable.ts';
import { findJob } from '../jobs/find.ts';
import { refuseOldWorkers } from '../jobs/grid/workers.ts';
import { freshKeeper, latestKeeper } from '../jobs/keeper-mark.ts';
import { unknownPlaceholders } from '../jobs/placeholders.ts';
import { planOf } from '../jobs/plan.ts';
import { type MissingProgram, missingPrograms } from '../jobs/programs.ts';
import { existingRun } from '../jobs/run-keys.ts';
import { readSchedule } from '../jobs/schedules/schedules.ts';
import { closeInputs, FileChecksums } from '../jobs/submit/inputs.ts';
import type { SubmitOptions, SubmitResult } from '../jobs/submit/options.ts';
import { awaitInputs, ownPlaces, prepare, resolveSpec } from '../jobs/submit/prepare.ts';
import type { Prepared, SubmissionRequest } from '../jobs/submit/prepared.ts';
import { submit } from '../jobs/submit/submit.ts';
import { describeFound } from '../lib/problems.ts';
import { shellWord } from '../lib/shell-word.ts';
import { formatSize, parseDollars, parsePairs, wholeNumberParser } from '../lib/units.ts';
import { hasScope } from '../model/api.ts';
import { type JobSpec, leftOutLines } from '../model/job.ts';
import { scheduleOfRun } from '../model/schedule.ts';
import { isPossiblePeriod } from '../model/wall-time.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { throttle, type VerbContext } from './context.ts';
import { duration } from './job.ts';
import { deadlineOf, parseFutureTime } from './parse-time.ts';
import { noticeSubmitted } from './submission-notices.ts';
import { flag, option, parsedText, text } from './verb.ts';

/** The fields of `submit`, `plan`, `run` and `rehearse`. */
export const SUBMISSION_FIELDS = {
  input: option(
    '--input <input>',
    "read this instead of the job file's inputs: a file, a pattern, store:KEY, job:JOB/STEP, or - for stdin",
    v.array(text),
    [],
  ),
  set: option('--set <name=value>', 'set a parameter', v.array(text), []),
  runKey: option('--run-key <key>', 'a name that ensures this run happens only once; may contain {period}', text),
  existing: option('--existing', 'if the key exists with other content, use its job anyway', flag, false),
  again: option('--again', 'start another run under the same key', flag, false),
  period: option('--period <period>', 'the value of {period}: 2026-11', text),
  label: option('--label <name=value>', 'label the job', v.array(text), []),
  finishBy: option(
    '--finish-by <time>',
    'deadline: 18:30, "in 6h", "tomorrow 06:00", 2026-11-30T06:00Z; a late job exits 10',
    text,
  ),
  maxCost: option(
    '--max-cost <usd>',
    'cost limit, if the profile knows prices; not on local',
    parsedText(parseDollars),
  ),
  expectInputs: option(
    '--expect-inputs <n>',
    'fail unless there are exactly this many inputs',
    parsedText(wholeNumberParser(0)),
  ),
  awaitInput: option('--await-input <duration>', 'wait this long for missing inputs', duration),
  allowEmpty: option('--allow-empty', 'accept input without any parts', flag, false),
  allowIncomplete: option('--allow-incomplete', 'accept job:JOB/STEP with failed or skipped tasks', flag, false),
};

/** Only for verbs that submit: a rehearsal starts at once, as another job. */
export const START_FIELD = {
  extend: option('--extend', 'if the key exists, add the rows, combinations or inputs that its job lacks', flag, false),
  at: option(
    '--at <time>',
    'start no task before this time: 18:30, "in 6h", "tomorrow 06:00", 2026-11-30T06:00Z',
    text,
  ),
};

/** For callers that fetch the results; no flag of a verb that only submits. */
export const NAME_FIELD = {
  name: v.optional(v.pipe(text, v.description('a pattern of the names of its results: equal names are refused'))),
};

const submission = v.strictObject({ ...SUBMISSION_FIELDS, ...START_FIELD, ...NAME_FIELD });
type Given = v.InferOutput<typeof submission>;
type Real = 'at' | 'extend' | 'name';
export type SubmissionInput = Omit<Given, Real> & Partial<Pick<Given, Real>>;

/** Progress in bytes, or tasks in the phase `send`. The last report has no phase. */
export type SubmitEvent =
  | { readonly event: 'submitting'; readonly phase: Phase; readonly done: number; readonly total: number | null }
  | { readonly event: 'sent' };

type Phase = 'upload' | 'cut' | 'send';

export type Submitter = Pick<
  VerbContext<SubmitEvent>,
  | 'platform'
  | 'config'
  | 'zone'
  | 'clock'
  | 'signal'
  | 'scope'
  | 'notice'
  | 'warn'
  | 'passed'
  | 'files'
  | 'report'
  | 'shown'
>;

/** Throws `usage` for fields that conflict with each other or with the profile. */
export async function requestOf(
  context: Pick<Submitter, 'platform' | 'config' | 'zone' | 'clock' | 'files'>,
  spec: JobSpec,
  jobFile: string | null,
  input: SubmissionInput,
): Promise<SubmissionRequest> {
  const [mode, other] = (['existing', 'again', 'extend'] as const).filter((name) => input[name] === true);
  if (other !== undefined) throw new BatchctlError('usage', `--${mode} and --${other} are mutually exclusive`);
  if (input.runKey === undefined && mode !== undefined)
    throw new BatchctlError('usage', `--${mode} requires --run-key`);
  await checkSubmission(context, spec, input);
  refuseImpossiblePeriod(input.period);
  const notBefore = input.at === undefined ? null : await parseFutureTime(context, '--at', input.at);
  const finishBy = input.finishBy === undefined ? null : await deadlineOf(context, input.finishBy);
  if (notBefore !== null && finishBy !== null && finishBy <= notBefore) {
    throw new BatchctlError('usage', `--finish-by ${input.finishBy}: expected a time after --at ${input.at}`);
  }
  const { file } = await context.config();
  return {
    spec,
    notBefore,
    finishBy,
    jobFile,
    ...(await context.files.source(jobFile, spec)),
    maxCost: input.maxCost ?? null,
    inputs: input.input,
    params: parsePairs('--set', input.set),
    labels: parsePairs('--label', input.label),
    period: input.period ?? null,
    runKey: input.runKey ?? null,
    expectInputs: input.expectInputs ?? null,
    allowEmpty: input.allowEmpty,
    allowIncomplete: input.allowIncomplete,
    ...(input.name !== undefined && { resultNames: input.name }),
    // The configuration may be in a directory that is an input.
    own: [...ownPlaces(await context.platform()), ...(file === null ? [] : [resolve(context.files.cwd, file)])],
  };
}

/** Warns of what the inputs leave out: things that directories and patterns pass over, tasks without an output. */
export function warnOfLeftOut(
  { warn }: Pick<Submitter, 'warn'>,
  found: Pick<Prepared, 'leftOut' | 'incomplete'>,
): void {
  for (const text of leftOutLines(found)) warn(text);
}

/** Throws `usage` also where the job doesn't use the period: it is part of the job's record. */
function refuseImpossiblePeriod(period: string | undefined): void {
  if (period === undefined || isPossiblePeriod(period)) return;
  throw new BatchctlError('usage', `--period: expected a period such as 2026-11, found ${describeFound(period)}`, {
    hint: 'a period that looks like a date must exist in the calendar: 2026-11, 2026-11-30, 2026-11-30T06:00',
  });
}

/** Throws `usage` for an unknown group, `config` for a cost limit without prices. */
export async function checkSubmission(
  context: Pick<VerbContext, 'platform' | 'config'>,
  spec: JobSpec,
  { input, maxCost }: Pick<SubmissionInput, 'input' | 'maxCost'>,
): Promise<void> {
  if (input.filter((name) => name === '-').length > 1)
    throw new BatchctlError('usage', '--input - can be given only once');
  if (maxCost !== undefined) await refuseCostLimit(context);
  await refuseUnknownGroups(context, spec);
}

/** Throws `usage` for a profile on which nothing costs anything. */
export async function refuseCostLimit(context: Pick<VerbContext, 'platform' | 'config'>): Promise<void> {
  if ((await context.platform()).workplace.paysRequests) return;
  const { profile } = await context.config();
  throw new BatchctlError('usage', `--max-cost: nothing on profile ${profile.name} costs anything`, {
    hint: 'omit it; --finish-by limits time',
  });
}

/** Only the profile's groups have queues, if it defines them. */
async function refuseUnknownGroups(context: Pick<VerbContext, 'platform' | 'config'>, spec: JobSpec): Promise<void> {
  const { groups } = await context.platform();
  for (const { name, group } of groups === undefined ? [] : spec.steps) {
    if (groups?.includes(group)) continue;
    const { profile } = await context.config();
    throw new BatchctlError(
      'config',
      `step ${name} uses group ${group}, which profile ${profile.name} does not define (it has ${groups?.join(', ')})`,
      { hint: `add ${group} to the profile's groups, or correct the step's group` },
    );
  }
}

type Mode = NonNullable<SubmitOptions['mode']>;

/** The action if the run key exists. */
export function modeOf(input: Pick<SubmissionInput, 'again' | 'existing' | 'extend'>): Mode {
  if (input.extend === true) return 'extend';
  return input.again ? 'again' : input.existing ? 'existing' : 'new';
}

/** Prepares a submission, and waits for its inputs if requested. Writes nothing. */
export async function prepareSubmission(
  context: Submitter,
  spec: JobSpec,
  jobFile: string | null,
  input: SubmissionInput,
): Promise<Prepared> {
  const platform = await context.platform();
  const { store, bucket, clock } = platform;
  const request = await requestOf(context, spec, jobFile, input);
  const checksums = platform.workplace.sharesFiles ? null : new FileChecksums(noticeLargeFile(context));
  const prepareOnce = () => prepare(request, store, (text) => findJob(platform, text), checksums, bucket);
  const prepared = await awaitInputs(prepareOnce, input.awaitInput ?? 0, {
    clock,
    signal: context.signal,
    onWait: (why) => context.notice(`waiting: ${why}`),
  });
  try {
    await refuseScheduledRun(context, store, prepared.runKey);
    return prepared;
  } catch (error) {
    await closeInputs(prepared.inputs);
    throw error;
  }
}

/** Throws `refused` for the run key of a schedule's period if the caller may not change schedules. */
async function refuseScheduledRun(
  { scope }: Pick<Submitter, 'scope'>,
  store: ObjectStore,
  runKey: string | null,
): Promise<void> {
  const schedule = runKey === null || hasScope(scope, 'operate') ? null : scheduleOfRun(runKey);
  if (schedule === null || (await readSchedule(store, schedule)) === null) return;
  throw new BatchctlError(
    'refused',
    `the run key ${runKey} belongs to the schedule ${schedule}: with it, this job would take the place of a firing`,
    { hint: `batchctl schedule run ${schedule} --period P, with a token of scope operate; or use another run key` },
  );
}

/** Reports a file whose checksum takes a while. */
export const noticeLargeFile =
  ({ notice }: Pick<VerbContext, 'notice'>) =>
  (path: string, size: number): void =>
    notice(`computing the checksum of ${path} (${formatSize(size)})`);

/** Programs of the steps that a worker here would not find. Empty where other machines work. */
async function findMissingPrograms(
  { platform: open, files }: Pick<Submitter, 'platform' | 'files'>,
  { spec, code, request }: Pick<Prepared, 'spec' | 'code' | 'request'>,
): Promise<readonly MissingProgram[]> {
  const platform = await open();
  if (!platform.workplace.sharesFiles || files.elsewhere) return [];
  return missingPrograms(spec, {
    directory: request.directory,
    files: code?.files ?? [],
    path: ({ group, env }) => env.PATH ?? platform.commandSettings?.(group).env.PATH ?? process.env.PATH,
  });
}

/** Warns of words in braces that commands would get as they are. */
export function warnOfPlaceholders(
  { warn }: Pick<Submitter, 'warn'>,
  { spec, request, columns }: Pick<Prepared, 'spec' | 'request' | 'columns'>,
): void {
  if (spec.input?.split.by === 'table' && columns == null) return;
  for (const { step, what, hint } of unknownPlaceholders(spec, request.period !== null, columns ?? [])) {
    warn(`step ${step}: ${what}; ${hint}`);
  }
}

/** Throws `jobFile` before anything is written, if this process's workers would not find a step's program. */
export async function requirePrograms(
  context: Pick<Submitter, 'platform' | 'files'>,
  prepared: Pick<Prepared, 'spec' | 'code' | 'request'>,
): Promise<void> {
  const [first, ...others] = await findMissingPrograms(context, prepared);
  if (first === undefined) return;
  const all = [first, ...others].map(({ step, what }) => `step ${step}: ${what}`);
  throw new BatchctlError('jobFile', all.join('\n       '), { hint: first.hint });
}

/** Warns of programs that this machine lacks: workers that find them may be started later. */
export async function warnOfPrograms(
  context: Pick<Submitter, 'platform' | 'files' | 'warn'>,
  prepared: Prepared,
): Promise<void> {
  for (const { step, what, hint } of await findMissingPrograms(context, prepared)) {
    context.warn(`step ${step}: ${what}; ${hint}`);
  }
}

/** Submits what was prepared, and reports the progress of cutting and sending. */
export async function submitPrepared(context: Submitter, prepared: Prepared, mode: Mode): Promise<SubmitResult> {
  const platform = await context.platform();
  const { signal, passed } = context;
  const { notBefore = null } = prepared.request;
  const submitted = await withSubmitProgress(context, (onProgress) =>
    submit(platform, prepared, { mode, notBefore, signal, passed, onProgress }),
  );
  await noticeSubmitted(context, prepared, submitted);
  return submitted;
}

export async function withSubmitProgress<T>(
  { clock, report, shown }: Pick<Submitter, 'clock' | 'report' | 'shown'>,
  work: (onProgress: NonNullable<SubmitOptions['onProgress']>) => Promise<T>,
): Promise<T> {
  const phases = new Map<Phase, (amounts: Amounts) => void>();
  const of = (phase: Phase): ((amounts: Amounts) => void) =>
    throttle(clock, (amounts) => report({ event: 'submitting', phase, ...amounts }));
  try {
    return await work(({ phase, done, total }) => {
      const reportPhase = phases.get(phase) ?? of(phase);
      phases.set(phase, reportPhase);
      reportPhase({ done, total });
    });
  } finally {
    if (phases.size > 0) {
      report({ event: 'sent' });
      await shown();
    }
  }
}

type Amounts = Pick<Extract<SubmitEvent, { readonly event: 'submitting' }>, 'done' | 'total'>;

/**
 * `stays`: the submitter watches the job. Throws `refused` if the job needs a watcher and none is active, or newer
 * workers than those of a group.
 */
export async function submitSpec(
  context: Submitter,
  spec: JobSpec,
  jobFile: string | null,
  { stays, ...input }: SubmissionInput & { readonly stays: boolean },
): Promise<SubmitResult> {
  let prepared: Promise<Prepared> | null = null;
  const prepareOnce = (): Promise<Prepared> => {
    prepared ??= prepareSubmission(context, spec, jobFile, input);
    return prepared;
  };
  if (!stays) {
    // Mistakes in the request are reported first, then a missing watcher.
    resolveSpec(await requestOf(context, spec, jobFile, input));
    await requireKeeper(context, input, prepareOnce);
  }
  const mode = modeOf(input);
  const anew = (): Promise<Prepared> => prepareSubmission(context, spec, jobFile, input);
  const affordable = await requireAffordable(context, await prepareOnce(), { again: mode === 'again', anew });
  if (mode === 'again' || !(await hasRun(context, affordable))) {
    await refuseOldWorkers(await context.platform(), affordable.spec);
  }
  await warnOfPrograms(context, affordable);
  warnOfPlaceholders(context, affordable);
  warnOfLeftOut(context, affordable);
  return submitPrepared(context, affordable, mode);
}

/** Whether the job of the submission's run key exists already: that is answered, not submitted. */
async function hasRun(context: Submitter, { runKey }: Prepared): Promise<boolean> {
  return runKey !== null && (await existingRun(await context.platform(), runKey)) !== null;
}

/** A forecast of work does not depend on the submitting machine. */
const UNLOADED = { slots: 1, load: { average: 0, cores: 1 } } as const;

/**
 * Throws `refused` if a cost limit prevents a submission: the cost forecast by `plan` exceeds it, a price is unknown,
 * or the month's budget is used up. Writes nothing. Returns the submission, prepared again because the forecast
 * consumes the inputs.
 */
export async function requireAffordable(
  context: Pick<Submitter, 'platform' | 'signal'>,
  prepared: Prepared,
  { again, anew: prepareAgain }: { readonly again: boolean; readonly anew: () => Promise<Prepared> },
): Promise<Prepared> {
  const platform = await context.platform();
  const { spec, runKey, request } = prepared;
  const maxCost = request.maxCost ?? null;
  if (!hasCostLimit(platform, maxCost)) return prepared;
  // Submitting an existing job again costs nothing extra.
  if (!again && runKey !== null && (await existingRun(platform, runKey)) !== null) return prepared;
  const earlier = await (await platform.ledger()).jobs({ name: spec.name, states: ['succeeded'], limit: 1 });
  // stdin can be read only once, and a remote caller's inputs can't be split here.
  const forecasts = earlier.length > 0 && !request.inputs.includes('-') && (request.attachments ?? null) === null;
  if (!forecasts) {
    try {
      await requireWithinBudget(platform, { spec, maxCost, expected: null });
      return prepared;
    } catch (error) {
      await closeInputs(prepared.inputs);
      throw error;
    }
  }
  const { forecast } = await planOf(platform, prepared, { ...UNLOADED, signal: context.signal });
  await requireWithinBudget(platform, { spec, maxCost, expected: forecast?.cost ?? null });
  return await prepareAgain();
}

/** A crontab line that runs `tick` for this profile every minute, silent unless something is wrong. */
export function crontabLine(cwd: string, { profile, file }: Pick<Config, 'profile' | 'file'>): string {
  const config = file === null ? '' : ` --config ${cronWord(file)}`;
  const root = file === null ? `cd ${cronWord(cwd)} && ` : '';
  return `* * * * *  ${root}batchctl tick --quiet --profile ${profile.name}${config}`;
}

/** Quoted for /bin/sh, and for cron, which ends a command at `%`. */
const cronWord = (path: string): string => shellWord(path).replaceAll('%', String.raw`\%`);

/**
 * For an unattended submission: a later start, or a deadline, needs a running manager or tick. Throws `refused` if none
 * was active lately. An existing job is exempt (`prepared` tells, and is called only then).
 */
async function requireKeeper(
  context: Submitter,
  input: SubmissionInput,
  prepared: () => Promise<Prepared>,
): Promise<void> {
  const platform = await context.platform();
  const names = flagsNeedingKeeper(platform, input);
  if (names.length === 0) return;
  if (freshKeeper(await latestKeeper(platform), platform.clock.now()) !== null) return;
  const { runKey } = input.runKey === undefined || input.again ? { runKey: null } : await prepared();
  if (runKey !== null && (await existingRun(platform, runKey)) !== null) return;
  throw new BatchctlError(
    'refused',
    `${names.join(' and ')} ${names.length === 1 ? 'requires' : 'require'} a running manager or tick, but none has run in the last 15 minutes`,
    {
      hint: `add to a crontab: ${crontabLine(context.files.cwd, await context.config())}    or use --watch and keep it running`,
    },
  );
}

/** Where workers are started by people, a deadline is only reported; where machines cost money, a process must enforce it. */
function flagsNeedingKeeper({ workplace }: Platform, { at, finishBy, maxCost }: SubmissionInput): readonly string[] {
  const later = at === undefined ? [] : ['--at'];
  if (!workplace.sizesGroups) return later;
  return [
    ...later,
    ...(finishBy === undefined ? [] : ['--finish-by']),
    ...(maxCost === undefined ? [] : ['--max-cost']),
  ];
}
