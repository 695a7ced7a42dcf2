import { formatDuration } from '../../lib/units.ts';
import type {
  AddedSchedule,
  ChangedSchedule,
  FiredPeriod,
  ListedSchedule,
  ScheduleDetails,
  UpcomingFiring,
} from '../../model/answers/schedules.ts';
import { isRaiseEvent } from '../../verbs/raise.ts';
import { scheduleAdd } from '../../verbs/schedule-add.ts';
import {
  type PausedEvent,
  scheduleLs,
  scheduleNext,
  schedulePause,
  scheduleResume,
  scheduleRm,
  scheduleRun,
  scheduleShow,
} from '../../verbs/schedules.ts';
import { crontabLine } from '../../verbs/submission.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { asText, showBeforeRaised } from '../print-notices.ts';
import { printAnswer, printList, renderTable } from '../render.ts';
import { submitProgress } from '../submit-progress.ts';
import { verbCommand } from '../verb-command.ts';

export function scheduleLsCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, scheduleLs, {
    help: {
      about: 'Shows the next firing of each schedule and the result of the last.',
      examples: ['batchctl schedule ls', 'batchctl schedule ls --json'],
      exitCodes: { 0: 'also if there are none' },
      related: ['schedule show', 'schedule next', 'schedule add', 'tick'],
    },
    show: () => ({ answer: (rows) => showList(ctx, rows) }),
  });
}

function showList(ctx: Context, rows: AsyncIterable<ListedSchedule>): Promise<number> {
  const now = ctx.clock.now();
  return printList<ListedSchedule>(ctx, {
    rows,
    columns: [
      { title: 'schedule', value: ({ schedule }) => schedule, whole: true },
      { title: 'job', value: ({ name }) => name, whole: true },
      { title: 'when', value: ({ when }) => when, min: 12, rank: 2 },
      { title: 'next', value: ({ next, zone }) => (next === null ? 'paused' : instantText(next.at, zone, now)) },
      { title: 'last', value: ({ last }) => (last === null ? '' : `${last.period} ${last.state}`) },
    ],
    empty: 'no schedules',
  });
}

export function scheduleShowCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, scheduleShow, {
    help: {
      about:
        'Shows what it fires and when, and the results of its last ten periods. A period that did not fire in time is missed; run it with schedule run.',
      examples: ['batchctl schedule show month-end', 'batchctl schedule show month-end --json'],
      exitCodes: { 0: true, 4: 'no such schedule' },
      related: ['schedule ls', 'schedule next', 'schedule run', 'status'],
    },
    show: () => {
      let paused: PausedEvent | null = null;
      return {
        event: (event) => {
          paused = event;
        },
        answer: (shown) => printAnswer(ctx, { json: shown, text: () => shownText(ctx, shown, paused) }),
      };
    },
  });
}

async function shownText(ctx: Context, shown: ScheduleDetails, paused: PausedEvent | null): Promise<string> {
  const { schedule, when, zone, catchUp, holidays, name, file, inputs, who, changedAt, next, recent } = shown;
  const now = ctx.clock.now();
  const state = paused === null ? '' : `, paused by ${paused.who} since ${instantText(paused.when, zone)}`;
  const without = holidays.length === 0 ? '' : `, ${holidays.length} holidays`;
  const on = inputs.length === 0 ? '' : ` on ${inputs.join(' ')}`;
  const table = await renderTable(ctx, recent, [
    { title: 'period', value: ({ period }) => period, whole: true },
    { title: 'due', value: ({ at }) => instantText(at, zone, now), rank: 1 },
    { title: 'state', value: (period) => period.state, tint: (period) => (period.state === 'missed' ? 'bad' : null) },
    { title: 'job', value: ({ job }) => job ?? '', whole: true },
  ]);
  return [
    `${schedule}: ${when}, ${zone}${without}; catches up within ${formatDuration(catchUp)}${state}`,
    `fires ${name} (${file})${on}, by ${who} since ${instantText(changedAt, zone)}`,
    `next: ${next === null ? 'none' : comingText(next, zone, now)}`,
    ...(recent.length === 0 ? [] : ['', table]),
  ].join('\n');
}

export function scheduleNextCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, scheduleNext, {
    help: {
      about: 'Shows the next ten firings, soonest first. A paused schedule has none.',
      examples: ['batchctl schedule next', 'batchctl schedule next month-end --json'],
      exitCodes: { 0: true, 4: 'no such schedule' },
      related: ['schedule show', 'schedule ls', 'schedule run'],
    },
    show: (_, { name }) => ({ answer: (rows) => showComing(ctx, rows, name) }),
  });
}

function showComing(ctx: Context, rows: AsyncIterable<UpcomingFiring>, name: unknown): Promise<number> {
  const now = ctx.clock.now();
  return printList<UpcomingFiring>(ctx, {
    rows,
    columns: [
      { title: 'schedule', value: ({ schedule }) => schedule, whole: true },
      { title: 'period', value: ({ period }) => period, whole: true },
      { title: 'at', value: ({ at, zone }) => instantText(at, zone, now) },
      { title: 'zone', value: ({ zone }) => zone, rank: 1 },
      { title: 'job', value: ({ job }) => job ?? '', whole: true },
    ],
    // An active schedule always has a next firing: `schedule add` refuses any other.
    empty: typeof name === 'string' ? `${name} is paused: batchctl schedule resume ${name}` : 'no upcoming firings',
  });
}

export function schedulePauseCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, schedulePause, {
    help: {
      about:
        'Stops firing the schedule until it is resumed. Periods that fall due meanwhile are not made up for; run them with schedule run. Jobs that have started continue.',
      examples: ['batchctl schedule pause month-end'],
      exitCodes: { 0: 'paused, now or before', 4: 'no such schedule' },
      related: ['schedule resume', 'schedule run', 'schedule rm', 'pause'],
    },
    show: () => asText(ctx, (changed) => pauseChangeText(ctx, changed, 'was already paused', 'paused')),
  });
}

export function scheduleResumeCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, scheduleResume, {
    help: {
      about:
        'Resumes firing at the next time. To run periods that fell due during the pause, use schedule run for each.',
      examples: ['batchctl schedule resume month-end'],
      exitCodes: { 0: 'resumed, or was not paused', 4: 'no such schedule' },
      related: ['schedule pause', 'schedule next', 'schedule run', 'resume'],
    },
    show: () => asText(ctx, (changed) => pauseChangeText(ctx, changed, 'was not paused', 'resumed')),
  });
}

function pauseChangeText(
  ctx: Context,
  { schedule, changed }: ChangedSchedule,
  unchanged: string,
  verb: string,
): string {
  return `${schedule} ${!changed ? unchanged : ctx.flags.dryRun ? `would be ${verb}` : `is ${verb}`}`;
}

export function scheduleRmCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, scheduleRm, {
    help: {
      about:
        'The schedule stops firing. Its jobs and the run keys of its periods stay, so a new schedule of the same name runs none of them again.',
      examples: ['batchctl schedule rm month-end --yes'],
      exitCodes: { 0: 'removed', 4: 'no such schedule', 7: 'refused: not confirmed' },
      related: ['schedule pause', 'schedule add', 'schedule ls'],
    },
    show: () => asText(ctx, ({ schedule, removed }) => `${schedule} ${removed ? 'is removed' : 'would be removed'}`),
  });
}

export function scheduleRunCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, scheduleRun, {
    help: {
      about:
        'Fires one period by hand: one that was missed, fell into a pause, or is still to come (it then does not run again at its time). For a period that has already run, it returns that job. With --quiet it prints only the id.',
      examples: [
        'batchctl schedule run month-end --period 2026-11',
        'batchctl schedule run nightly --period 2026-11-30T04:15',
      ],
      exitCodes: {
        0: 'submitted, or it already existed',
        2: 'usage error: the schedule has no such period',
        4: 'no such schedule, or an input matches nothing',
        7: 'refused: the period ran with other content',
      },
      related: ['schedule show', 'schedule next', 'submit', 'status', 'tick'],
    },
    show: () => {
      const progress = submitProgress(ctx);
      const shown = showBeforeRaised<FiredPeriod>(ctx, (fired) => showFired(ctx, fired));
      return {
        event: (event) => (isRaiseEvent(event) ? shown.event?.(event) : progress.show(event)),
        answer: shown.answer,
        close: progress.close,
      };
    },
  });
}

async function showFired(ctx: Context, fired: FiredPeriod): Promise<void> {
  const { job, runKey, created } = fired;
  const { dryRun, quiet, json } = ctx.flags;
  if (job === null) return printAnswer(ctx, { json: fired, text: `would submit ${runKey}` });
  const text = created ? job : `${job} (${dryRun ? 'already exists' : 'already existed'})`;
  return printAnswer(ctx, { json: fired, text: quiet && !dryRun && !json ? job : text });
}

export function scheduleAddCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, scheduleAdd, {
    help: {
      about:
        "Stores a job, its files and its times. Any host that runs batchctl tick or a manager then fires it. Each period runs once, as its run key can be claimed only once. {period} in inputs, --input and deliver.to is 2026-11 for a calendar, and 2026-11-30T06:00 for cron. Times are in --tz, or the profile's zone: a time that the clocks skip runs at the first instant after it, and a time that occurs twice runs once.",
      examples: [
        'batchctl schedule add month-end claims.yaml --calendar last-business-day --holidays holidays',
        "batchctl schedule add nightly job.yaml --cron '15 4 * * 1-5' --input 'store:increments/' --finish-by 07:00",
        'batchctl schedule add closing close.yaml --calendar nth-business-day:3 --time 06:00 --month-before --replace',
      ],
      exitCodes: {
        0: 'created, changed, or unchanged',
        3: 'the job file is invalid',
        4: 'one of its files, or the holidays file, does not exist',
        7: 'refused: another schedule has that name',
      },
      related: ['schedule next', 'schedule ls', 'schedule run', 'schedule rm', 'tick', 'submit'],
    },
    show: () => {
      let hasNoKeeper = false;
      return {
        event: () => {
          hasNoKeeper = true;
        },
        answer: async (added) => {
          await printAnswer(ctx, { json: added, text: () => addedText(ctx, added) });
          if (hasNoKeeper)
            ctx.notice(`nothing fires it yet; add to a crontab: ${crontabLine(ctx.io.cwd, await ctx.config())}`);
        },
      };
    },
  });
}

async function addedText(ctx: Context, { schedule, changed, next }: AddedSchedule): Promise<string> {
  const did = !changed ? 'exists already' : ctx.flags.dryRun ? 'would be created' : 'is set up';
  const first = next === null ? 'never' : comingText(next, await ctx.zone(), ctx.clock.now());
  return `${schedule} ${did}; next: ${first}`;
}

/** `2026-11, 2026-11-30 18:00 GMT (in 4d)` */
const comingText = ({ period, at }: NonNullable<AddedSchedule['next']>, zone: string, now: number): string =>
  `${period}, ${instantText(at, zone, now)}`;

/** An instant in the schedule's own zone: `2026-11-30 18:00 GMT (in 4d)`. */
const instantText = (at: string, zone: string, now?: number): string => formatInstant(Date.parse(at), zone, now);
