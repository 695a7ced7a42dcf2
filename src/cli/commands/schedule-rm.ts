import { removeSchedule } from '../../jobs/schedules/change-schedule.ts';
import { mustReadSchedule } from '../../jobs/schedules/schedule-journal.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

export function scheduleRmCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<name>': "the schedule's" },
    writes: true,
    output: {
      type: 'object',
      required: ['schedule', 'removed'],
      properties: { schedule: { type: 'string' }, removed: { type: 'boolean', description: 'false with --dry-run' } },
    },
    help: {
      about:
        'It fires no more. Its jobs, and the keys of its periods, stay: a schedule of the same name made later runs none of them again.',
      examples: ['batchctl schedule rm month-end --yes'],
      exitCodes: [
        [0, 'removed'],
        [4, 'no such schedule'],
        [7, 'refused: not confirmed'],
      ],
      related: ['schedule pause', 'schedule add', 'schedule ls'],
    },
    run: (input) => scheduleRm({ ctx, ...input }),
  });
}

export interface ScheduleRmOptions {
  readonly ctx: Context;
  readonly name: string;
}

/** Removes a schedule, once that is confirmed. Throws `notFound`, `refused`. */
export async function scheduleRm({ ctx, name }: ScheduleRmOptions): Promise<void> {
  const platform = await ctx.platform();
  await mustReadSchedule(platform.store, name);
  if (!ctx.flags.dryRun) {
    await confirm(ctx, `remove the schedule ${name}?`);
    await removeSchedule(platform, name);
  }
  await answer(ctx, {
    json: { schedule: name, removed: !ctx.flags.dryRun },
    text: ctx.flags.dryRun ? `${name} would be removed` : `${name} is removed`,
  });
}
