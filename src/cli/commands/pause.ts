import { pause as pauseJob } from '../../jobs/change/lifecycle.ts';
import { isAlready, mustBeLegal } from '../../model/legal.ts';
import { stateOf } from '../../model/view.ts';
import { JOB_TEXT, jobMeant, STATE_SCHEMA } from '../../verbs/job.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

export function pauseCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': JOB_TEXT },
    options: { '--now': 'return running attempts at once instead of letting them finish' },
    writes: true,
    output: {
      type: 'object',
      required: ['job', 'state', 'changed'],
      properties: { job: { type: 'string' }, state: STATE_SCHEMA, changed: { type: 'boolean' } },
    },
    help: {
      about:
        'No task of the job is taken until it is resumed. Workers react within a third of a lease. A returned attempt does not count as a failure.',
      examples: ['batchctl pause last', 'batchctl pause key:month-end-2026-11 --now'],
      exitCodes: [
        [0, 'paused, now or before'],
        [4, 'no such job'],
        [7, 'refused: the job is closed'],
      ],
      related: ['resume', 'cancel', 'status'],
    },
    run: (input) => pause({ ctx, ...input }),
  });
}

export interface PauseOptions {
  readonly ctx: Context;
  readonly job: string;
  readonly now: boolean;
}

/** Pauses a job. Throws `notFound`, `refused`. */
export async function pause({ ctx, job, now }: PauseOptions): Promise<void> {
  await ctx.announce();
  const platform = await ctx.platform();
  const found = await jobMeant(ctx, job);
  const already = isAlready(found, 'pause', now);
  if (!already && found.paused === null) mustBeLegal(found, 'pause');
  const dry = ctx.flags.dryRun;
  const { view, changed } = dry ? { view: found, changed: !already } : await pauseJob(platform, found, { now });
  const id = view.record.job;
  await answer(ctx, {
    json: { job: id, state: stateOf(view), changed },
    text: !changed ? `${id} was already paused` : dry ? `would pause ${id}` : `${id} is paused`,
  });
  if (!dry) ctx.notice(`resume it with batchctl resume ${id}`);
}
