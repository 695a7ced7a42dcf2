import { BatchctlError } from '../../errors.ts';
import { type Retried, retry as retryJob } from '../../jobs/retry.ts';
import { parseTaskName } from '../../jobs/task-name.ts';
import { parseDuration } from '../../lib/units.ts';
import type { Overrides, TaskSets } from '../../model/journal.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import { type CommandDefinition, defineCommand, parsed, repeated, wholeNumber } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { JOB_TEXT, jobMeant, STATE_SCHEMA } from '../job-argument.ts';
import { answer } from '../render.ts';
import { pairs } from '../submission-flags.ts';
import { hintWork } from '../work-hint.ts';

const count = { type: 'integer', minimum: 0 };
const sets = { type: 'object', additionalProperties: { type: 'string' }, description: 'by step: 0-4,17' };

export function retryCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': JOB_TEXT },
    options: {
      '--task <task>': repeated('this task alone: <step>/<n>'),
      '--canary <n>': parsed('so many first, the rest only if those succeed', wholeNumber(1)),
      '--timeout <duration>': parsed('a longer (or shorter) limit for each attempt', parseDuration),
      '--set <name=value>': repeated("another value of one of the job's parameters"),
    },
    writes: true,
    output: {
      type: 'object',
      required: ['job', 'state', 'round', 'tasks', 'canaries', 'leftOut', 'count', 'sent'],
      properties: {
        job: { type: 'string' },
        state: STATE_SCHEMA,
        round: { type: ['integer', 'null'], description: 'null when nothing was asked for' },
        tasks: sets,
        canaries: { ...sets, type: ['object', 'null'] },
        leftOut: { ...sets, description: 'failed tasks that an opened gather went without: not retried' },
        count,
        sent: { ...count, description: 'messages' },
      },
    },
    help: {
      about: 'Asks again for the tasks that failed for good: all of them, or those that --task names.',
      examples: [
        'batchctl retry last',
        'batchctl retry last --canary 2 --timeout 30m',
        'batchctl retry last --task price/17',
      ],
      exitCodes: [
        [0, 'asked for again, or nothing had failed'],
        [4, 'no such job or task'],
        [7, 'refused: cancelled, not failed, or a gather opened without it'],
      ],
      related: ['tasks', 'logs', 'resume', 'status'],
    },
    run: (input) => retry({ ctx, ...input }),
  });
}

export interface RetryOptions {
  readonly ctx: Context;
  readonly job: string;
  readonly task: readonly string[] | undefined;
  readonly canary: number | undefined;
  readonly timeout: number | undefined;
  readonly set: readonly string[] | undefined;
}

/** Retries what failed for good. Throws `notFound`, `refused`, `usage`. */
export async function retry({ ctx, job, task, canary, ...more }: RetryOptions): Promise<void> {
  await ctx.announce();
  const platform = await ctx.platform();
  const found = await jobMeant(ctx, job);
  const retried = await retryJob(platform, found, {
    tasks: (task ?? []).map((text) => parseTaskName(found, text)),
    canaries: canary ?? null,
    overrides: overridesOf(found, more),
    dryRun: ctx.flags.dryRun,
  });
  const { view, round, choice, sent } = retried;
  const { tasks, canaries, leftOut } = choice;
  const json = {
    job: view.record.job,
    state: stateOf(view),
    round,
    tasks,
    canaries,
    leftOut,
    count: choice.count,
    sent,
  };
  await answer(ctx, { json, text: textOf(retried, ctx.flags.dryRun) });
  if (Object.keys(leftOut).length > 0) ctx.warn(`too late for ${namesOf(leftOut)}: a gather opened without`);
  if (round === null) return;
  if (view.paused !== null) ctx.notice(`it is paused: batchctl resume ${view.record.job} sends them`);
  else await hintWork(ctx, view);
}

function overridesOf(view: JobView, { timeout, set }: Pick<RetryOptions, 'timeout' | 'set'>): Overrides {
  const params = pairs('--set', set ?? []);
  const known = Object.keys(view.record.spec.params);
  for (const name of Object.keys(params)) {
    if (known.includes(name)) continue;
    throw new BatchctlError('usage', `--set ${name}: job ${view.record.job} has no parameter of that name`, {
      hint: known.length === 0 ? 'it has none at all' : `it has ${known.join(', ')}`,
    });
  }
  if (timeout !== undefined && timeout <= 0) throw new BatchctlError('usage', '--timeout: expected more than 0s');
  return {
    ...(timeout === undefined ? {} : { timeout }),
    ...(Object.keys(params).length === 0 ? {} : { params: { ...view.overrides.params, ...params } }),
  };
}

function textOf({ view, round, choice }: Retried, dryRun: boolean): string {
  const { job } = view.record;
  if (choice.count === 0) return `${job}: nothing failed for good, nothing to retry`;
  const first = choice.canaries === null ? '' : `, first ${namesOf(choice.canaries)}`;
  const what = `${formatMany(choice.count, 'task')} again (${namesOf(choice.tasks)})${first}`;
  return dryRun ? `${job}: would ask for ${what}` : `${job}, round ${round}: asked for ${what}`;
}

const namesOf = (named: TaskSets): string =>
  Object.entries(named)
    .map(([step, set]) => `${step}/${set.length > 60 ? `${set.slice(0, 57)}...` : set}`)
    .join(' ');
