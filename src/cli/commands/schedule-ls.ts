import { listSchedules } from '../../jobs/schedules/schedules.ts';
import { cadenceText } from '../../model/schedule.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { answerList } from '../render.ts';
import { SCHEDULE_OUTPUT, type ShownSchedule, scheduleDocument, showSchedule } from '../schedule-document.ts';

export function scheduleLsCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    writes: false,
    output: SCHEDULE_OUTPUT,
    help: {
      about: 'Shows the next firing of each schedule and the result of the last.',
      examples: ['batchctl schedule ls', 'batchctl schedule ls --json'],
      exitCodes: [[0, 'also if there are none']],
      related: ['schedule show', 'schedule next', 'schedule add', 'tick'],
    },
    run: () => scheduleLs({ ctx }),
  });
}

export interface ScheduleLsOptions {
  readonly ctx: Context;
}

/** Lists the schedules by name. An unreadable schedule is a warning. */
export async function scheduleLs({ ctx }: ScheduleLsOptions): Promise<void> {
  const { store } = await ctx.platform();
  const found = await listSchedules(store, (name, error) => {
    ctx.warn(`schedule ${name}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const now = ctx.clock.now();
  await answerList<ShownSchedule>(ctx, {
    rows: await Promise.all(found.map((schedule) => showSchedule(ctx, schedule, 1))),
    json: scheduleDocument,
    columns: [
      { title: 'schedule', value: ({ schedule }) => schedule.name },
      { title: 'job', value: ({ schedule }) => schedule.job.spec.name },
      { title: 'when', value: ({ schedule }) => cadenceText(schedule.cadence), min: 12 },
      { title: 'next', value: ({ schedule, next }) => nextText(schedule.zone, next?.at, now) },
      { title: 'last', value: ({ recent: [last] }) => (last === undefined ? '' : `${last.period} ${last.state}`) },
    ],
    empty: 'no schedules',
  });
}

const nextText = (zone: string, at: number | undefined, now: number): string =>
  at === undefined ? 'paused' : formatInstant(at, zone, now);
