import { comingPeriods } from '../../jobs/schedules/recent.ts';
import { listSchedules, mustReadSchedule } from '../../jobs/schedules/schedules.ts';
import type { Schedule } from '../../model/schedule.ts';
import type { Firing } from '../../model/schedule-times.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { answerList } from '../render.ts';
import { iso, tellHolidaysEnd } from '../schedule-document.ts';

/** Number of firings shown. */
const COMING = 10;

export function scheduleNextCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[name]': 'name of the schedule (default: all)' },
    writes: false,
    output: {
      type: 'object',
      required: ['schedule', 'period', 'at', 'zone', 'job'],
      properties: {
        schedule: { type: 'string' },
        period: { type: 'string' },
        at: { type: 'string', format: 'date-time' },
        zone: { type: 'string' },
        job: { type: ['string', 'null'], description: 'already run by hand, so it does not run again' },
      },
    },
    help: {
      about: 'Shows the next ten firings, soonest first. A paused schedule has none.',
      examples: ['batchctl schedule next', 'batchctl schedule next month-end --json'],
      exitCodes: [0, [4, 'no such schedule']],
      related: ['schedule show', 'schedule ls', 'schedule run'],
    },
    run: (input) => scheduleNext({ ctx, ...input }),
  });
}

export interface ScheduleNextOptions {
  readonly ctx: Context;
  readonly name: string | undefined;
}

interface Coming extends Firing {
  readonly schedule: Schedule;
  readonly job: string | null;
}

/** Lists upcoming firings. Throws `notFound`. */
export async function scheduleNext({ ctx, name }: ScheduleNextOptions): Promise<void> {
  const platform = await ctx.platform();
  const tell = (of: string, error: unknown): void => {
    ctx.warn(`schedule ${of}: ${error instanceof Error ? error.message : String(error)}`);
  };
  const schedules =
    name === undefined ? await listSchedules(platform.store, tell) : [await mustReadSchedule(platform.store, name)];
  const active = schedules.filter(({ paused }) => paused === null);
  const coming = await Promise.all(
    active.map(async (schedule) =>
      (await comingPeriods(platform, schedule, COMING)).map((firing): Coming => ({ ...firing, schedule })),
    ),
  );
  const rows = coming
    .flat()
    .sort((a, b) => a.at - b.at)
    .slice(0, COMING);
  const now = ctx.clock.now();
  await answerList<Coming>(ctx, {
    rows,
    json: ({ schedule, period, at, job }) => ({
      schedule: schedule.name,
      period,
      at: iso(at),
      zone: schedule.zone,
      job,
    }),
    columns: [
      { title: 'schedule', value: ({ schedule }) => schedule.name },
      { title: 'period', value: ({ period }) => period },
      { title: 'at', value: ({ at, schedule }) => formatInstant(at, schedule.zone, now) },
      { title: 'zone', value: ({ schedule }) => schedule.zone },
      { title: 'job', value: ({ job }) => job ?? '' },
    ],
    empty:
      name !== undefined && active.length === 0
        ? `${name} is paused: batchctl schedule resume ${name}`
        : 'no upcoming firings',
  });
  for (const schedule of active) tellHolidaysEnd(ctx, schedule, Math.max(now, ...rows.map(({ at }) => at)));
}
