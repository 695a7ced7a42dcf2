import { BatchctlError } from '../../errors.ts';
import { type Retried, retry as retryJob } from '../../jobs/retry.ts';
import { parseTaskName } from '../../jobs/task-name.ts';
import { parseDuration } from '../../lib/units.ts';
import type { Overrides, TaskSets } from '../../model/journal.ts';
import { changedParams } from '../../model/overrides.ts';
import { countIn, stepRanges } from '../../model/task-set.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import { CHANGES_SCHEMA, changesText } from '../change-lines.ts';
import { type CommandDefinition, defineCommand, parsed, repeated, wholeNumber } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { JOB_TEXT, jobMeant, STATE_SCHEMA } from '../job-argument.ts';
import { openMend } from '../open-mend.ts';
import { raiseWork } from '../raise-work.ts';
import { answer } from '../render.ts';
import { pairs } from '../submission-flags.ts';
import { SETS_SCHEMA, setsText } from '../task-sets.ts';

const count = { type: 'integer', minimum: 0 };

export function retryCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': JOB_TEXT },
    options: {
      '--task <task>': repeated('this task alone: <step>/<n>'),
      '--cause <cause>': repeated('the tasks that failed so: an id of `failures`, or its beginning'),
      '--canary <n>': parsed('so many first, the rest only if those succeed', wholeNumber(1)),
      '--with <jobfile>': 'the mended job file: its commands, files, parameters and limits for these tasks',
      '--timeout <duration>': parsed('a longer (or shorter) limit for each attempt', parseDuration),
      '--set <name=value>': repeated("another value of one of the job's parameters"),
      '--no-scale': 'leave the size of groups as it is',
    },
    writes: true,
    output: {
      type: 'object',
      required: ['job', 'state', 'round', 'tasks', 'canaries', 'leftOut', 'count', 'changes', 'sent'],
      properties: {
        job: { type: 'string' },
        state: STATE_SCHEMA,
        round: { type: ['integer', 'null'], description: 'null when nothing was asked for' },
        tasks: SETS_SCHEMA,
        canaries: { ...SETS_SCHEMA, type: ['object', 'null'] },
        leftOut: { ...SETS_SCHEMA, description: 'failed tasks that an opened gather went without: not retried' },
        count,
        changes: CHANGES_SCHEMA,
        sent: { ...count, description: 'messages' },
      },
    },
    help: {
      about:
        'Asks again for the tasks that failed for good: all of them, those that --task names, or those of a cause. What changes holds for these tasks, and for what waits for them; what is published stays as it is. --dry-run shows all that would change.',
      examples: [
        'batchctl retry last',
        'batchctl retry last --cause k3f --with job.yaml --canary 2',
        'batchctl retry last --canary 2 --timeout 30m --dry-run',
        'batchctl retry last --task price/17 --set region=US',
      ],
      exitCodes: [
        [0, 'asked for again, or nothing had failed'],
        [3, 'the mended job file is not valid'],
        [4, 'no such job, task or cause'],
        [7, "refused: cancelled, not failed, a gather opened without it, or the mended file is another job's"],
      ],
      related: ['failures', 'skip', 'tasks', 'logs', 'resume', 'status'],
    },
    run: (input) => retry({ ctx, ...input }),
  });
}

export interface RetryOptions {
  readonly ctx: Context;
  readonly job: string;
  readonly task: readonly string[] | undefined;
  readonly cause: readonly string[] | undefined;
  readonly canary: number | undefined;
  readonly with: string | undefined;
  readonly timeout: number | undefined;
  readonly set: readonly string[] | undefined;
  readonly scale: boolean;
}

/** Retries what failed for good. Throws `notFound`, `refused`, `usage`, `jobFile`. */
export async function retry({ ctx, job, task, cause, canary, ...more }: RetryOptions): Promise<void> {
  const mend = await openMend(ctx, more.with);
  await ctx.announce();
  const platform = await ctx.platform();
  const found = await jobMeant(ctx, job);
  const retried = await retryJob(platform, found, {
    tasks: (task ?? []).map((text) => parseTaskName(found, text)),
    causes: cause ?? [],
    canaries: canary ?? null,
    overrides: flagsOf(found, more, Object.keys(mend?.spec.params ?? {})),
    mend,
    dryRun: ctx.flags.dryRun,
  });
  const { view, round, choice, changes, sent } = retried;
  const { tasks, canaries, leftOut } = choice;
  const json = {
    job: view.record.job,
    state: stateOf(view),
    round,
    tasks,
    canaries,
    leftOut,
    count: choice.count,
    changes,
    sent,
  };
  await answer(ctx, { json, text: () => textOf(ctx, retried) });
  if (Object.keys(leftOut).length > 0) ctx.warn(`too late for ${setsText(leftOut)}: a gather opened without`);
  if (round === null) return;
  if (view.paused !== null) ctx.notice(`it is paused: batchctl resume ${view.record.job} sends them`);
  else await raiseWork(ctx, view, { scale: more.scale, fresh: true, again: countsOf(view, canaries ?? tasks) });
}

/** How many tasks of each step. */
function countsOf(view: JobView, sets: TaskSets): ReadonlyMap<number, number> {
  const all = Number.MAX_SAFE_INTEGER;
  return new Map([...stepRanges(view.record, sets)].map(([step, ranges]) => [step, countIn(ranges, all)]));
}

function flagsOf(
  view: JobView,
  { timeout, set }: Pick<RetryOptions, 'timeout' | 'set'>,
  added: readonly string[],
): Overrides {
  const params = pairs('--set', set ?? []);
  // Those that an earlier mended file brought are the job's by now.
  const known = [...new Set([...Object.keys(changedParams(view.record, view.overrides)), ...added])];
  for (const name of Object.keys(params)) {
    if (known.includes(name)) continue;
    throw new BatchctlError('usage', `--set ${name}: job ${view.record.job} has no parameter of that name`, {
      hint: known.length === 0 ? 'it has none at all' : `it has ${known.join(', ')}`,
    });
  }
  if (timeout !== undefined && timeout <= 0) throw new BatchctlError('usage', '--timeout: expected more than 0s');
  return {
    ...(timeout === undefined ? {} : { timeout }),
    ...(Object.keys(params).length === 0 ? {} : { params }),
  };
}

async function textOf(ctx: Context, { view, round, choice, changes }: Retried): Promise<string> {
  const { job } = view.record;
  if (choice.count === 0) return `${job}: nothing failed for good, nothing to retry`;
  const first = choice.canaries === null ? '' : `, first ${setsText(choice.canaries)}`;
  const what = `${formatMany(choice.count, 'task')} again (${setsText(choice.tasks)})${first}`;
  const line = ctx.flags.dryRun ? `${job}: would ask for ${what}` : `${job}, round ${round}: asked for ${what}`;
  return changes.length === 0 ? line : `${line}\n\n${await changesText(ctx, changes)}`;
}
