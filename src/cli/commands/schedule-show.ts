import { mustReadSchedule } from '../../jobs/schedules/schedules.ts';
import { formatDuration } from '../../lib/units.ts';
import { cadenceText } from '../../model/schedule.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { answer, renderTable } from '../render.ts';
import {
  firingText,
  inputsOf,
  periodDocument,
  SHOWN_OUTPUT,
  type ShownSchedule,
  scheduleDocument,
  showSchedule,
  tellHolidaysEnd,
} from '../schedule-document.ts';

/** Number of past periods shown. */
const RECENT = 10;

export function scheduleShowCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<name>': 'name of the schedule' },
    writes: false,
    output: SHOWN_OUTPUT,
    help: {
      about:
        'Shows what it fires and when, and the results of its last ten periods. A period that did not fire in time is missed; run it with schedule run.',
      examples: ['batchctl schedule show month-end', 'batchctl schedule show month-end --json'],
      exitCodes: [0, [4, 'no such schedule']],
      related: ['schedule ls', 'schedule next', 'schedule run', 'status'],
    },
    run: (input) => scheduleShow({ ctx, ...input }),
  });
}

export interface ScheduleShowOptions {
  readonly ctx: Context;
  readonly name: string;
}

export async function scheduleShow({ ctx, name }: ScheduleShowOptions): Promise<void> {
  const { store } = await ctx.platform();
  const shown = await showSchedule(ctx, await mustReadSchedule(store, name), RECENT);
  await answer(ctx, {
    json: { ...scheduleDocument(shown), recent: shown.recent.map(periodDocument) },
    text: () => shownText(ctx, shown),
  });
  tellHolidaysEnd(ctx, shown.schedule, ctx.clock.now());
}

async function shownText(ctx: Context, { schedule, next, recent }: ShownSchedule): Promise<string> {
  const { name, cadence, zone, catchUp, job, paused, who, when } = schedule;
  const now = ctx.clock.now();
  const state =
    paused === null ? '' : `, paused by ${paused.who} since ${formatInstant(Date.parse(paused.when), zone)}`;
  const holidays =
    cadence.kind === 'calendar' && cadence.holidays.length > 0 ? `, ${cadence.holidays.length} holidays` : '';
  const inputs = inputsOf(schedule);
  const table = await renderTable(ctx, recent, [
    { title: 'period', value: ({ period }) => period },
    { title: 'due', value: ({ at }) => formatInstant(at, zone, now) },
    { title: 'state', value: (period) => period.state, tint: (period) => (period.state === 'missed' ? 'bad' : null) },
    { title: 'job', value: (period) => period.job ?? '' },
  ]);
  return [
    `${name}: ${cadenceText(cadence)}, ${zone}${holidays}; catches up within ${formatDuration(catchUp)}${state}`,
    `fires ${job.spec.name} (${job.file})${inputs.length === 0 ? '' : ` on ${inputs.join(' ')}`}, by ${who} since ${formatInstant(Date.parse(when), zone)}`,
    `next: ${next === null ? 'none' : firingText(next, zone, now)}`,
    ...(recent.length === 0 ? [] : ['', table]),
  ].join('\n');
}
