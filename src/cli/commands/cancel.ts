import { cancel as cancelJob } from '../../jobs/change/lifecycle.ts';
import { isAlready, mustBeLegal } from '../../model/legal.ts';
import { stateOf } from '../../model/view.ts';
import { JOB_TEXT, jobMeant, STATE_SCHEMA } from '../../verbs/job.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

export function cancelCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': JOB_TEXT },
    writes: true,
    output: {
      type: 'object',
      required: ['job', 'state', 'changed'],
      properties: { job: { type: 'string' }, state: STATE_SCHEMA, changed: { type: 'boolean' } },
    },
    help: {
      about: 'Ends a job permanently: stops running attempts and drops waiting tasks. Keeps its published outputs.',
      examples: ['batchctl cancel last --yes', 'batchctl cancel key:month-end-2026-11 --yes'],
      exitCodes: [
        [0, 'cancelled, now or before'],
        [4, 'no such job'],
        [7, 'refused: it ended in another way, or was not confirmed'],
      ],
      related: ['pause', 'status', 'fetch'],
    },
    run: (input) => cancel({ ctx, ...input }),
  });
}

export interface CancelOptions {
  readonly ctx: Context;
  readonly job: string;
}

/** Cancels a job after confirmation. Throws `notFound`, `refused`. */
export async function cancel({ ctx, job }: CancelOptions): Promise<void> {
  await ctx.announce();
  const platform = await ctx.platform();
  const found = await jobMeant(ctx, job);
  const id = found.record.job;
  if (!isAlready(found, 'cancel')) {
    mustBeLegal(found, 'cancel');
    await confirm(ctx, `cancel ${id} permanently?`);
  }
  const already = isAlready(found, 'cancel');
  const dry = ctx.flags.dryRun;
  const { view, changed } = dry ? { view: found, changed: !already } : await cancelJob(platform, found);
  await answer(ctx, {
    json: { job: id, state: stateOf(view), changed },
    text: !changed ? `${id} was already cancelled` : dry ? `would cancel ${id}` : `${id} is cancelled`,
  });
}
