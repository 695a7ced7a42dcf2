import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { retry as retryJob } from '../jobs/change/retry.ts';
import { onlyStep, parseTaskName } from '../jobs/tasks.ts';
import { pairs, wholeNumber } from '../lib/units.ts';
import type { RetriedAnswer } from '../model/answers/retry.ts';
import type { Overrides, TaskSets } from '../model/journal.ts';
import { changedParams } from '../model/overrides.ts';
import { countIn, stepRanges } from '../model/task-set.ts';
import { type JobView, stateOf } from '../model/view.ts';
import { changedJob, duration, jobMeant } from './job.ts';
import { type RaiseEvent, raiseWork } from './raise.ts';
import { field, fileField, flag, parsedText, text, verb } from './verb.ts';

/** Runs permanently failed tasks again. Throws `notFound`, `refused`, `usage`, `jobFile`. */
export const retry = verb<RaiseEvent>()({
  name: 'retry',
  scope: 'operate',
  changes: true,
  http: { method: 'POST', path: '/jobs/{job}/retries' },
  input: v.strictObject({
    job: changedJob,
    task: v.optional(field('--task <task>', 'only this task: <step>/<n>', v.array(text)), []),
    cause: v.optional(
      field(
        '--cause <cause>',
        'only the tasks that failed for this cause: an id from `failures`, or its beginning',
        v.array(text),
      ),
      [],
    ),
    step: v.optional(field('--step <step>', 'only tasks of this step', text)),
    canary: v.optional(
      field('--canary <n>', 'retry this many first, and the rest only if they succeed', parsedText(wholeNumber(1))),
    ),
    with: v.optional(
      fileField(
        '--with <jobfile>',
        'corrected job file: its commands, files, parameters and limits apply to these tasks',
        'job',
      ),
    ),
    timeout: v.optional(field('--timeout <duration>', 'another timeout for each attempt', duration)),
    set: v.optional(field('--set <name=value>', "change one of the job's parameters", v.array(text)), []),
    scale: v.optional(field('--no-scale', "don't change the size of groups", flag), true),
  }),
  answer: async () => (await import('../model/answers/retry.ts')).RETRIED,
  async run(context, input): Promise<RetriedAnswer> {
    const mend = input.with === undefined ? null : await context.files.mend(input.with);
    const platform = await context.platform();
    const found = await jobMeant(context, input.job);
    const { view, round, choice, changes, sent } = await retryJob(platform, found, {
      tasks: input.task.map((name) => parseTaskName(found, name)),
      causes: input.cause,
      only: onlyStep(found, input),
      canaries: input.canary ?? null,
      overrides: overridesOf(found, input, Object.keys(mend?.spec.params ?? {})),
      mend,
      dryRun: context.dryRun,
    });
    const { tasks, canaries, leftOut, count } = choice;
    if (round !== null && view.paused === null) {
      await raiseWork(context, view, { scale: input.scale, fresh: true, again: countsOf(view, canaries ?? tasks) });
    }
    return { job: view.record.job, state: stateOf(view), round, tasks, canaries, leftOut, count, changes, sent };
  },
});

/** Number of tasks of each step. */
function countsOf(view: JobView, sets: TaskSets): ReadonlyMap<number, number> {
  const all = Number.MAX_SAFE_INTEGER;
  return new Map([...stepRanges(view.record, sets)].map(([step, ranges]) => [step, countIn(ranges, all)]));
}

function overridesOf(
  view: JobView,
  { timeout, set }: { readonly timeout?: number | undefined; readonly set: readonly string[] },
  added: readonly string[],
): Overrides {
  const params = pairs('--set', set);
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
