import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { acceptTotal } from '../jobs/change/accept.ts';
import { type Adjustment, adjust as adjustJob } from '../jobs/change/adjust.ts';
import {
  cancel as cancelJob,
  pause as pauseJob,
  previewCorrection,
  resume as resumeJob,
} from '../jobs/change/lifecycle.ts';
import { retry as retryJob } from '../jobs/change/retry.ts';
import { skip as skipTasks } from '../jobs/change/skip.ts';
import { findTasks } from '../jobs/task-params.ts';
import { onlyStep } from '../jobs/tasks.ts';
import { parseDollars, parsePairs, wholeNumberParser } from '../lib/units.ts';
import type {
  AdjustAnswer,
  ResumeAnswer,
  RetryAnswer,
  SkipAnswer,
  StateChangeAnswer,
} from '../model/answers/changes.ts';
import { groupsOf, parseTolerance } from '../model/job.ts';
import { isClosed } from '../model/job-state.ts';
import type { Overrides, TaskSets } from '../model/journal.ts';
import { isAlreadyDone, requireLegal } from '../model/legal.ts';
import { changedParams } from '../model/overrides.ts';
import { countIn, stepRanges } from '../model/task-set.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { VerbContext } from './context.ts';
import { duration, jobToChange, resolveJob, scaleFlag } from './job.ts';
import { deadlineOf, startTimeOf } from './parse-time.ts';
import { type RaiseEvent, raiseJobGroups } from './raise.ts';
import { refuseCostLimit } from './submission.ts';
import { changing, fileField, flag, option, parsedText, text, verb } from './verb.ts';

/** Runs permanently failed tasks again. Throws `notFound`, `refused`, `usage`, `jobFile`. */
export const retry = verb<RaiseEvent>()({
  name: 'retry',
  ...changing('POST', '/jobs/{job}/retries'),
  input: v.strictObject({
    job: jobToChange,
    task: option('--task <task>', 'only this task: <step>/<n> or <step>[name=value,...]', v.array(text), []),
    cause: option(
      '--cause <cause>',
      'only the tasks that failed for this cause: an id from `failures`, or its beginning',
      v.array(text),
      [],
    ),
    step: option('--step <step>', 'only tasks of this step', text),
    canary: option(
      '--canary <n>',
      'retry this many first, and the rest only if they succeed',
      parsedText(wholeNumberParser(1)),
    ),
    with: v.optional(
      fileField(
        '--with <jobfile>',
        'corrected job file: its commands, files, parameters and limits apply to these tasks',
        'job',
      ),
    ),
    timeout: option('--timeout <duration>', 'another timeout for each attempt', duration),
    set: option('--set <name=value>', "change one of the job's parameters", v.array(text), []),
    scale: scaleFlag,
  }),
  answer: async () => (await import('../model/answers/changes.ts')).RETRY_ANSWER,
  async run(context, input): Promise<RetryAnswer> {
    const correction = input.with === undefined ? null : await context.files.correctedJob(input.with);
    const platform = await context.platform();
    const found = await resolveJob(context, input.job);
    const { view, round, choice, changes, sent } = await retryJob(platform, found, {
      tasks: await findTasks(platform.store, found, input.task),
      causes: input.cause,
      only: onlyStep(found, input),
      canaries: input.canary ?? null,
      overrides: overridesOf(found, input, Object.keys(correction?.spec.params ?? {})),
      correction,
      dryRun: context.dryRun,
    });
    const { tasks, canaries, leftOut, count } = choice;
    if (round !== null && view.paused === null) {
      await raiseJobGroups(context, view, {
        scale: input.scale,
        fresh: true,
        again: countsOf(view, canaries ?? tasks),
      });
    }
    return { job: view.record.job, state: stateOf(view), round, tasks, canaries, leftOut, count, changes, sent };
  },
});

function countsOf(view: JobView, sets: TaskSets): ReadonlyMap<number, number> {
  const all = Number.MAX_SAFE_INTEGER;
  return new Map([...stepRanges(view.record, sets)].map(([step, ranges]) => [step, countIn(ranges, all)]));
}

function overridesOf(
  view: JobView,
  { timeout, set }: { readonly timeout?: number | undefined; readonly set: readonly string[] },
  added: readonly string[],
): Overrides {
  const params = parsePairs('--set', set);
  // Parameters from an earlier fixed job file are known too.
  const known = [...new Set([...Object.keys(changedParams(view.record, view.overrides)), ...added])];
  for (const name of Object.keys(params)) {
    if (known.includes(name)) continue;
    throw new BatchctlError('usage', `--set ${name}: job ${view.record.job} has no parameter of that name`, {
      hint: known.length === 0 ? 'it has no parameters' : `it has ${known.join(', ')}`,
    });
  }
  if (timeout !== undefined && timeout <= 0) throw new BatchctlError('usage', '--timeout: expected more than 0s');
  return {
    ...(timeout === undefined ? {} : { timeout }),
    ...(Object.keys(params).length === 0 ? {} : { params }),
  };
}

/** Skips tasks, or undoes a skip. Throws `notFound`, `refused`, `usage`. */
export const skip = verb<RaiseEvent>()({
  name: 'skip',
  ...changing('POST', '/jobs/{job}/skips'),
  input: v.strictObject({
    job: jobToChange,
    task: option('--task <task>', 'this task: <step>/<n> or <step>[name=value,...]', v.array(text), []),
    cause: option(
      '--cause <cause>',
      'the tasks that failed for this cause: an id from `failures`, or its beginning',
      v.array(text),
      [],
    ),
    step: option(
      '--step <step>',
      'the tasks of this step that failed for good; with --undo, those that are skipped',
      text,
    ),
    reason: option('--reason <text>', 'the reason, which the proof records with who and when', text),
    undo: option('--undo', 'undo the skip, if no gather has opened without the tasks', flag, false),
  }),
  answer: async () => (await import('../model/answers/changes.ts')).SKIP_ANSWER,
  async run(context, { job, task, cause, step, undo, ...given }): Promise<SkipAnswer> {
    const reason = reasonOf(given.reason, undo);
    if (task.length === 0 && cause.length === 0 && step === undefined) {
      throw new BatchctlError('usage', 'expected --task STEP/N, --cause ID or --step STEP', {
        hint: `batchctl failures ${job}`,
      });
    }
    const platform = await context.platform();
    const found = await resolveJob(context, job);
    const { view, choice, changed, sent } = await skipTasks(platform, found, {
      tasks: await findTasks(platform.store, found, task),
      causes: cause,
      only: onlyStep(found, { task, step }),
      reason: reason ?? '',
      undo,
      dryRun: context.dryRun,
    });
    const state = stateOf(view);
    if (changed && view.paused === null && !isClosed(state)) {
      const { job, spec } = view.record;
      context.report({ event: 'byHand', job, groups: groupsOf(spec), remote: platform.workplace.sizesGroups });
    }
    const { tasks, count, already } = choice;
    return { job: view.record.job, state, changed, undo, tasks, count, already, reason, sent };
  },
});

const LONGEST_REASON = 1_000;

function reasonOf(reason: string | undefined, undo: boolean): string | null {
  if (undo) {
    if (reason === undefined) return null;
    throw new BatchctlError('usage', '--undo and --reason are mutually exclusive');
  }
  const text = reason?.trim() ?? '';
  if (text === '') {
    throw new BatchctlError('usage', 'expected --reason TEXT, which the proof records', {
      hint: '--reason "claim withdrawn, ticket 4711"',
    });
  }
  if (text.length <= LONGEST_REASON) return text;
  throw new BatchctlError('usage', `--reason: expected at most ${LONGEST_REASON} characters, found ${text.length}`);
}

/** Stops workers from taking a job's tasks. Throws `notFound`, `refused`. */
export const pause = verb()({
  name: 'pause',
  ...changing('POST', '/jobs/{job}/pauses'),
  input: v.strictObject({
    job: jobToChange,
    now: option('--now', 'return running attempts at once instead of letting them finish', flag, false),
  }),
  answer: async () => (await import('../model/answers/changes.ts')).STATE_CHANGE_ANSWER,
  async run(context, { job, now }): Promise<StateChangeAnswer> {
    const platform = await context.platform();
    const found = await resolveJob(context, job);
    const already = isAlreadyDone(found, 'pause', now);
    if (!already && found.paused === null) requireLegal(found, 'pause');
    const { view, changed } = context.dryRun
      ? { view: found, changed: !already }
      : await pauseJob(platform, found, { now });
    return { job: view.record.job, state: stateOf(view), changed };
  },
});

/** Resumes a paused job, or completes an interrupted submission. Throws `notFound`, `refused`, `jobFile`. */
export const resume = verb<RaiseEvent>()({
  name: 'resume',
  ...changing('POST', '/jobs/{job}/resumptions'),
  input: v.strictObject({
    job: jobToChange,
    with: v.optional(fileField('--with <jobfile>', 'corrected job file, for every undecided task', 'job')),
    scale: scaleFlag,
  }),
  answer: async () => (await import('../model/answers/changes.ts')).RESUME_ANSWER,
  async run(context, { job, with: file, scale }): Promise<ResumeAnswer> {
    const correction = file === undefined ? null : await context.files.correctedJob(file);
    const platform = await context.platform();
    const found = await resolveJob(context, job);
    if (context.dryRun) {
      const changes = correction === null ? [] : await previewCorrection(platform, found, correction);
      const changed = !isAlreadyDone(found, 'resume');
      if (changed) requireLegal(found, 'resume');
      return { job: found.record.job, state: stateOf(found), changed, changes, sent: 0 };
    }
    const { view, changed, changes, sent } = await resumeJob(platform, found, correction);
    if (sent > 0) await raiseJobGroups(context, view, { scale, fresh: true });
    return { job: view.record.job, state: stateOf(view), changed, changes, sent };
  },
});

/** Ends a job permanently, after confirmation. Throws `notFound`, `refused`. */
export const cancel = verb()({
  name: 'cancel',
  ...changing('POST', '/jobs/{job}/cancellations'),
  input: v.strictObject({ job: jobToChange }),
  answer: async () => (await import('../model/answers/changes.ts')).STATE_CHANGE_ANSWER,
  async run(context, { job }): Promise<StateChangeAnswer> {
    const platform = await context.platform();
    const found = await resolveJob(context, job);
    const already = isAlreadyDone(found, 'cancel');
    if (!already) {
      requireLegal(found, 'cancel');
      await context.confirm(`cancel ${found.record.job} permanently?`);
    }
    const { view, changed } = context.dryRun ? { view: found, changed: !already } : await cancelJob(platform, found);
    return { job: view.record.job, state: stateOf(view), changed };
  },
});

const NONE = 'none';

/** Null: no limit. */
const orNone = (parse: (text: string) => number) => parsedText((text) => (text === NONE ? null : parse(text)));

/** Changes the limits of an open job, or accepts a control total that failed it. Throws `notFound`, `refused`, `usage`. */
export const adjust = verb()({
  name: 'adjust',
  ...changing('PATCH', '/jobs/{job}'),
  input: v.strictObject({
    job: jobToChange,
    at: option(
      '--at <time>',
      'new start time of a job that has not started: 18:30, "in 6h", "tomorrow 06:00", or now',
      text,
    ),
    finishBy: option('--finish-by <time>', 'deadline: 18:30, "in 6h", "tomorrow 06:00", or none', text),
    maxCost: option('--max-cost <usd>', 'cost limit, if the profile knows prices; or none', orNone(parseDollars)),
    tolerate: option(
      '--tolerate <n>',
      'how many chains may fail for good: a count, or a share such as 0.1%',
      parsedText(toleranceOf),
    ),
    maxRunning: option(
      '--max-running <n>',
      'approximate number of tasks of the job that run at a time, or none',
      orNone(wholeNumberParser(1)),
    ),
    accept: option(
      '--accept <total>',
      'accept that a control total (`expect`) that failed the job does not hold: the equation, or its number from 1',
      text,
    ),
    reason: option('--reason <text>', 'with --accept: the reason, which the proof records with who and when', text),
  }),
  answer: async () => (await import('../model/answers/changes.ts')).ADJUST_ANSWER,
  async run(context, { job, at, finishBy, maxCost, tolerate, maxRunning, accept, ...given }): Promise<AdjustAnswer> {
    const wanted: Adjustment = {
      ...(at === undefined ? {} : { notBefore: await startTimeOf(context, at) }),
      ...(finishBy === undefined ? {} : { finishBy: finishBy === NONE ? null : await deadlineOf(context, finishBy) }),
      ...(maxCost === undefined ? {} : { maxCost }),
      ...(tolerate === undefined ? {} : { tolerate }),
      ...(maxRunning === undefined ? {} : { maxRunning }),
    };
    if (accept !== undefined) {
      if (Object.keys(wanted).length > 0)
        throw new BatchctlError('usage', '--accept is for a job that has failed; limits are for an open one');
      return acceptDifference(context, job, accept, reasonOf(given.reason, false) ?? '');
    }
    if (given.reason !== undefined) throw new BatchctlError('usage', '--reason is for --accept');
    if (Object.keys(wanted).length === 0) {
      throw new BatchctlError(
        'usage',
        'expected at least one of --at, --finish-by, --max-cost, --tolerate, --max-running, --accept',
        { hint: `batchctl status ${job} shows the current values` },
      );
    }
    if (maxCost !== undefined) await refuseCostLimit(context);
    const found = await resolveJob(context, job);
    const { dryRun } = context;
    const { view, changes, changed } = await adjustJob(await context.platform(), found, wanted, { dryRun });
    return { job: view.record.job, state: stateOf(view), changed, changes };
  },
});

async function acceptDifference(
  context: VerbContext,
  job: string,
  total: string,
  reason: string,
): Promise<AdjustAnswer> {
  const { dryRun } = context;
  const found = await resolveJob(context, job);
  const accepted = await acceptTotal(await context.platform(), found, { total, reason, dryRun });
  const { view, equation, left, right, changed } = accepted;
  const changes =
    changed || dryRun ? [{ field: `expect.${equation}`, from: `${left} and ${right}`, to: 'accepted' }] : [];
  return { job: view.record.job, state: stateOf(view), changed, changes };
}

function toleranceOf(text: string): string {
  if (text === NONE) throw new RangeError('expected a count or a share: 0 tolerates no failures, 100% any number');
  parseTolerance(text);
  return text;
}
