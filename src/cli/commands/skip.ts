import { BatchctlError } from '../../errors.ts';
import { type Skipped, skip as skipTasks } from '../../jobs/change/skip.ts';
import { parseTaskName } from '../../jobs/tasks.ts';
import { groupsOf, isClosed } from '../../model/job.ts';
import { stateOf } from '../../model/view.ts';
import { JOB_TEXT, jobMeant, STATE_SCHEMA } from '../../verbs/job.ts';
import { SETS_SCHEMA, setsText } from '../changes-text.ts';
import { type CommandDefinition, defineCommand, repeated } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { tellRaise } from '../raise-work.ts';
import { answer } from '../render.ts';

const count = { type: 'integer', minimum: 0 };

export function skipCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': JOB_TEXT },
    options: {
      '--task <task>': repeated('this task: <step>/<n>'),
      '--cause <cause>': repeated('the tasks that failed for this cause: an id from `failures`, or its beginning'),
      '--reason <text>': 'the reason, which the proof records with who and when',
      '--undo': 'undo the skip, unless a gather has opened without the tasks',
    },
    writes: true,
    output: {
      type: 'object',
      required: ['job', 'state', 'changed', 'undo', 'tasks', 'count', 'already', 'reason', 'sent'],
      properties: {
        job: { type: 'string' },
        state: STATE_SCHEMA,
        changed: { type: 'boolean' },
        undo: { type: 'boolean' },
        tasks: SETS_SCHEMA,
        count,
        already: { ...count, description: 'tasks that were already so' },
        reason: { type: ['string', 'null'] },
        sent: { ...count, description: 'messages' },
      },
    },
    help: {
      about:
        'Skips tasks that failed for good or are not decided yet. The gather opens without them, the job can succeed, and the proof records the tasks, who skipped them and why. A closed job reopens until everything is decided.',
      examples: [
        'batchctl skip last --task price/17 --reason "claim withdrawn, ticket 4711"',
        'batchctl skip last --cause k3f --reason "empty files, agreed with the sender"',
        'batchctl skip last --task price/17 --undo',
      ],
      exitCodes: [
        [0, 'skipped, now or before'],
        [4, 'no such job, task or cause'],
        [7, 'refused: the task is published, not part of the job or of a cancelled job; or it is too late to undo'],
      ],
      related: ['failures', 'retry', 'adjust', 'verify', 'status'],
    },
    run: (input) => skip({ ctx, ...input }),
  });
}

export interface SkipOptions {
  readonly ctx: Context;
  readonly job: string;
  readonly task: readonly string[] | undefined;
  readonly cause: readonly string[] | undefined;
  readonly reason: string | undefined;
  readonly undo: boolean;
}

const LONGEST_REASON = 1_000;

/** Skips tasks, or undoes it. Throws `notFound`, `refused`, `usage`. */
export async function skip({ ctx, job, task = [], cause = [], reason, undo }: SkipOptions): Promise<void> {
  const why = reasonOf(reason, undo);
  if (task.length === 0 && cause.length === 0) {
    throw new BatchctlError('usage', 'expected --task STEP/N or --cause ID', {
      hint: `batchctl failures ${job}`,
    });
  }
  await ctx.announce();
  const platform = await ctx.platform();
  const found = await jobMeant(ctx, job);
  const skipped = await skipTasks(platform, found, {
    tasks: task.map((text) => parseTaskName(found, text)),
    causes: cause,
    reason: why ?? '',
    undo,
    dryRun: ctx.flags.dryRun,
  });
  const { view, choice, changed, sent } = skipped;
  const { tasks, already } = choice;
  const state = stateOf(view);
  await answer(ctx, {
    json: { job: view.record.job, state, changed, undo, tasks, count: choice.count, already, reason: why, sent },
    text: textOf(skipped, undo, ctx.flags.dryRun),
  });
  if (changed && state === 'failed')
    ctx.notice(`more tasks have failed for good: batchctl failures ${view.record.job}`);
  if (changed && view.paused !== null) ctx.notice(`the job is paused: batchctl resume ${view.record.job}`);
  else if (changed && !isClosed(state)) {
    const remote = (await ctx.platform()).remote === true;
    await tellRaise(ctx, { event: 'byHand', groups: groupsOf(view.record.spec), remote });
  }
}

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

function textOf({ view, choice, changed }: Skipped, undo: boolean, dryRun: boolean): string {
  const { job } = view.record;
  const tasks = formatMany(choice.count, 'task');
  if (choice.count === 0) {
    return `${job}: ${formatMany(choice.already, 'task')} ${undo ? 'not skipped' : 'already skipped'}, nothing changed`;
  }
  const named = `${tasks} (${setsText(choice.tasks)})`;
  if (dryRun) return undo ? `${job}: would unskip ${named}` : `${job}: would skip ${named}`;
  const state = changed ? `; the job is ${stateOf(view)}` : '';
  return undo ? `${job}: unskipped ${named}${state}` : `${job}: skipped ${named}${state}`;
}
