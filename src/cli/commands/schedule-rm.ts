import { mustReadSchedule, removeSchedule } from '../../jobs/schedules/schedules.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

export function scheduleRmCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<name>': 'name of the schedule' },
    writes: true,
    output: {
      type: 'object',
      required: ['schedule', 'removed'],
      properties: { schedule: { type: 'string' }, removed: { type: 'boolean', description: 'false with --dry-run' } },
    },
    help: {
      about:
        'The schedule stops firing. Its jobs and the run keys of its periods stay, so a new schedule of the same name runs none of them again.',
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

/** Removes a schedule after confirmation. Throws `notFound`, `refused`. */
export async function scheduleRm({ ctx, name }: ScheduleRmOptions): Promise<void> {
  const platform = await ctx.platform();
  await mustReadSchedule(platform.store, name);
  if (!ctx.flags.dryRun) {
    await confirm(ctx, `remove schedule ${name}?`);
    await removeSchedule(platform, name);
  }
  await answer(ctx, {
    json: { schedule: name, removed: !ctx.flags.dryRun },
    text: ctx.flags.dryRun ? `${name} would be removed` : `${name} is removed`,
  });
}
