import {
  type ChangedSchedule,
  mustReadSchedule,
  pauseSchedule,
  resumeSchedule,
} from '../../jobs/schedules/schedules.ts';
import { type CommandDefinition, defineCommand, type JsonSchema } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

const OUTPUT: JsonSchema = {
  type: 'object',
  required: ['schedule', 'state', 'changed'],
  properties: {
    schedule: { type: 'string' },
    state: { enum: ['active', 'paused'] },
    changed: { type: 'boolean', description: 'false: it was already so' },
  },
};

export function schedulePauseCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<name>': 'name of the schedule' },
    writes: true,
    output: OUTPUT,
    help: {
      about:
        'Stops firing the schedule until it is resumed. Periods that fall due meanwhile are not made up for; run them with schedule run. Jobs that have started continue.',
      examples: ['batchctl schedule pause month-end'],
      exitCodes: [
        [0, 'paused, now or before'],
        [4, 'no such schedule'],
      ],
      related: ['schedule resume', 'schedule run', 'schedule rm', 'pause'],
    },
    run: (input) => schedulePause({ ctx, ...input }),
  });
}

export function scheduleResumeCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<name>': 'name of the schedule' },
    writes: true,
    output: OUTPUT,
    help: {
      about:
        'Resumes firing at the next time. To run periods that fell due during the pause, use schedule run for each.',
      examples: ['batchctl schedule resume month-end'],
      exitCodes: [
        [0, 'resumed, or was not paused'],
        [4, 'no such schedule'],
      ],
      related: ['schedule pause', 'schedule next', 'schedule run', 'resume'],
    },
    run: (input) => scheduleResume({ ctx, ...input }),
  });
}

export interface SchedulePauseOptions {
  readonly ctx: Context;
  readonly name: string;
}

/** Pauses a schedule. Throws `notFound`. */
export async function schedulePause({ ctx, name }: SchedulePauseOptions): Promise<void> {
  const { changed } = await change(ctx, name, 'paused');
  const did = !changed ? 'was already paused' : ctx.flags.dryRun ? 'would be paused' : 'is paused';
  await answer(ctx, { json: { schedule: name, state: 'paused', changed }, text: `${name} ${did}` });
}

/** Resumes a schedule. Throws `notFound`. */
export async function scheduleResume({ ctx, name }: SchedulePauseOptions): Promise<void> {
  const { changed } = await change(ctx, name, 'active');
  const did = !changed ? 'was not paused' : ctx.flags.dryRun ? 'would be resumed' : 'is resumed';
  await answer(ctx, { json: { schedule: name, state: 'active', changed }, text: `${name} ${did}` });
}

async function change(ctx: Context, name: string, to: 'paused' | 'active'): Promise<ChangedSchedule> {
  const platform = await ctx.platform();
  if (!ctx.flags.dryRun) {
    return to === 'paused' ? pauseSchedule(platform, name) : resumeSchedule(platform, name);
  }
  const schedule = await mustReadSchedule(platform.store, name);
  return { schedule, changed: (schedule.paused === null) === (to === 'paused') };
}
