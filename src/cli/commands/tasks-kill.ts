import { BatchctlError } from '../../errors.ts';
import { kill } from '../../jobs/change/kill.ts';
import { parseTaskName } from '../../jobs/tasks.ts';
import { mustBeLegal } from '../../model/legal.ts';
import { stateOf } from '../../model/view.ts';
import { JOB_TEXT, jobMeant, STATE_SCHEMA } from '../../verbs/job.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

export function tasksKillCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': JOB_TEXT, '<task>': '<step>/<n>' },
    options: {
      '--requeue': 'end its attempt and retry the task (the default)',
      '--fail': 'end its attempt and fail the task permanently',
    },
    writes: true,
    output: {
      type: 'object',
      required: ['job', 'state', 'task', 'mode'],
      properties: {
        job: { type: 'string' },
        state: STATE_SCHEMA,
        task: { type: 'string' },
        mode: { enum: ['requeue', 'fail'] },
      },
    },
    help: {
      about: "Ends a task's running attempt at the next heartbeat of its worker.",
      examples: ['batchctl tasks kill last price/17', 'batchctl tasks kill last price/17 --fail'],
      exitCodes: [
        [0, 'requested'],
        [4, 'no such job or task'],
        [7, 'refused: the task is decided, or the job closed'],
      ],
      related: ['tasks', 'retry', 'logs'],
    },
    run: (input) => tasksKill({ ctx, ...input }),
  });
}

export interface TasksKillOptions {
  readonly ctx: Context;
  readonly job: string;
  readonly task: string;
  readonly requeue: boolean;
  readonly fail: boolean;
}

export async function tasksKill({ ctx, job, task, requeue, fail }: TasksKillOptions): Promise<void> {
  if (requeue && fail) throw new BatchctlError('usage', '--requeue and --fail are mutually exclusive');
  const mode = fail ? 'fail' : 'requeue';
  await ctx.announce();
  const platform = await ctx.platform();
  const found = await jobMeant(ctx, job);
  const named = parseTaskName(found, task);
  mustBeLegal(found, 'kill');
  const view = ctx.flags.dryRun ? found : await kill(platform, found, named, mode);
  const name = `${named.name}/${named.task}`;
  const would = ctx.flags.dryRun ? 'would be ' : '';
  await answer(ctx, {
    json: { job: view.record.job, state: stateOf(view), task: name, mode },
    text: fail ? `${name} ${would}failed for good` : `${name} ${would}returned to the queue`,
  });
}
