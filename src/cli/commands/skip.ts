import { BatchctlError } from '../../errors.ts';
import { type Skipped, skip as skipTasks } from '../../jobs/skip.ts';
import { parseTaskName } from '../../jobs/task-name.ts';
import { groupsOf, isClosed } from '../../model/job.ts';
import { stateOf } from '../../model/view.ts';
import { JOB_TEXT, jobMeant, STATE_SCHEMA } from '../../verbs/job.ts';
import { type CommandDefinition, defineCommand, repeated } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { tellRaise } from '../raise-work.ts';
import { answer } from '../render.ts';
import { SETS_SCHEMA, setsText } from '../task-sets.ts';

const count = { type: 'integer', minimum: 0 };

export function skipCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': JOB_TEXT },
    options: {
      '--task <task>': repeated('this task: <step>/<n>'),
      '--cause <cause>': repeated('the tasks that failed so: an id of `failures`, or its beginning'),
      '--reason <text>': 'why: the proof names it, with who and when',
      '--undo': 'take the skip of these tasks back, unless what waited for them has opened',
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
        already: { ...count, description: 'tasks that were so before' },
        reason: { type: ['string', 'null'] },
        sent: { ...count, description: 'messages' },
      },
    },
    help: {
      about:
        'Goes without tasks that failed for good or are not decided yet: the gather opens without them, the job can succeed, and the proof names them, who and why. A closed job is open again until all is decided.',
      examples: [
        'batchctl skip last --task price/17 --reason "claim withdrawn, ticket 4711"',
        'batchctl skip last --cause k3f --reason "empty files, agreed with the sender"',
        'batchctl skip last --task price/17 --undo',
      ],
      exitCodes: [
        [0, 'skipped, or was already'],
        [4, 'no such job, task or cause'],
        [7, 'refused: published, nothing asks for it, the job is cancelled; or too late to undo'],
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

/** Skips tasks, or takes that back. Throws `notFound`, `refused`, `usage`. */
export async function skip({ ctx, job, task = [], cause = [], reason, undo }: SkipOptions): Promise<void> {
  const why = reasonOf(reason, undo);
  if (task.length === 0 && cause.length === 0) {
    throw new BatchctlError('usage', 'expected --task STEP/N or --cause ID: what to go without', {
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
  if (changed && state === 'failed') ctx.notice(`more failed for good: batchctl failures ${view.record.job}`);
  if (changed && view.paused !== null) ctx.notice(`it is paused: batchctl resume ${view.record.job}`);
  else if (changed && !isClosed(state)) {
    const remote = (await ctx.platform()).remote === true;
    await tellRaise(ctx, { event: 'byHand', groups: groupsOf(view.record.spec), remote });
  }
}

function reasonOf(reason: string | undefined, undo: boolean): string | null {
  if (undo) {
    if (reason === undefined) return null;
    throw new BatchctlError('usage', '--undo and --reason exclude each other');
  }
  const text = reason?.trim() ?? '';
  if (text === '') {
    throw new BatchctlError('usage', 'expected --reason TEXT: whoever reads the proof will ask why', {
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
    return `${job}: ${formatMany(choice.already, 'task')} ${undo ? 'not skipped' : 'skipped already'}, nothing changed`;
  }
  const named = `${tasks} (${setsText(choice.tasks)})`;
  if (dryRun) return undo ? `${job}: would ask for ${named} again` : `${job}: would go without ${named}`;
  const state = changed ? `; the job is ${stateOf(view)}` : '';
  return undo ? `${job}: no longer goes without ${named}${state}` : `${job}: goes without ${named}${state}`;
}
