import { comingPeriods, type Period, recentPeriods } from '../jobs/schedules/recent.ts';
import { cadenceText, type Schedule } from '../model/schedule.ts';
import type { Firing } from '../model/schedule-times.ts';
import type { JsonSchema } from './command.ts';
import type { Context } from './context.ts';
import { formatInstant } from './format.ts';

const text = { type: 'string' };
const textOrNull = { type: ['string', 'null'] };
const time = { type: 'string', format: 'date-time' };
const texts = { type: 'array', items: text };

const PERIOD_STATES = ['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled', 'due', 'missed'];

const period: JsonSchema = {
  period: text,
  at: { ...time, description: 'due time' },
  state: { enum: PERIOD_STATES, description: 'the state of its job; due, missed or paused if it has no job' },
  job: textOrNull,
};

/** What `schedule ls --json` prints, a line a schedule. */
export const SCHEDULE_OUTPUT = {
  type: 'object',
  required: ['schedule', 'state', 'when', 'zone', 'catchUp', 'name', 'file', 'inputs', 'code', 'who', 'changedAt'],
  properties: {
    schedule: text,
    state: { enum: ['active', 'paused'] },
    kind: { enum: ['cron', 'calendar'] },
    when: { ...text, description: 'the pattern, or the business day and its time' },
    zone: text,
    holidays: { ...texts, description: 'dates' },
    catchUp: { type: 'number', description: 'seconds' },
    name: { ...text, description: "the job's" },
    file: { ...text, description: 'path of the job file' },
    inputs: { ...texts, description: '{period} is not replaced' },
    code: { ...textOrNull, description: 'SHA-256 of its files' },
    who: { ...text, description: 'who created or last changed it' },
    changedAt: time,
    next: { type: ['object', 'null'], properties: { period: text, at: time } },
    last: { type: ['object', 'null'], properties: period },
  },
} as const satisfies JsonSchema;

/** What `schedule show --json` prints. */
export const SHOWN_OUTPUT: JsonSchema = {
  ...SCHEDULE_OUTPUT,
  properties: {
    ...SCHEDULE_OUTPUT.properties,
    recent: { type: 'array', items: { type: 'object', properties: period }, description: 'latest first' },
  },
};

export interface ShownSchedule {
  readonly schedule: Schedule;
  readonly next: Firing | null;
  readonly recent: readonly Period[];
}

/** A schedule with its next period and its last `count` ones. */
export async function showSchedule(ctx: Context, schedule: Schedule, count: number): Promise<ShownSchedule> {
  const platform = await ctx.platform();
  const [coming, recent] = await Promise.all([
    schedule.paused === null ? comingPeriods(platform, schedule, 1) : [],
    recentPeriods(platform, schedule, count),
  ]);
  return { schedule, next: coming[0] ?? null, recent };
}

export function scheduleDocument({ schedule, next, recent }: ShownSchedule): Readonly<Record<string, unknown>> {
  const { name, cadence, zone, catchUp, job, paused, who, when } = schedule;
  const [last] = recent;
  return {
    schedule: name,
    state: paused === null ? 'active' : 'paused',
    kind: cadence.kind,
    when: cadenceText(cadence),
    zone,
    holidays: cadence.kind === 'calendar' ? cadence.holidays : [],
    catchUp,
    name: job.spec.name,
    file: job.file,
    inputs: inputsOf(schedule),
    code: job.code,
    who,
    changedAt: when,
    next: next === null ? null : { period: next.period, at: iso(next.at) },
    last: last === undefined ? null : periodDocument(last),
  };
}

export const periodDocument = ({ period: name, at, state, job }: Period): Readonly<Record<string, unknown>> => ({
  period: name,
  at: iso(at),
  state,
  job,
});

/** Its inputs, with `{period}` unreplaced. */
export function inputsOf({ job }: Pick<Schedule, 'job'>): readonly string[] {
  return job.inputs.length > 0 ? job.inputs : (job.spec.input?.from ?? []);
}

/** `2026-11, 2026-11-30 18:00 GMT (in 4d)`, in the schedule's own zone. */
export function firingText({ period: name, at }: Firing, zone: string, now: number): string {
  return `${name}, ${formatInstant(at, zone, now)}`;
}

export const iso = (at: number): string => new Date(at).toISOString();

/** Holidays are dates of certain years; beyond them only weekends are skipped, so warn. */
export function tellHolidaysEnd(ctx: Context, { cadence }: Pick<Schedule, 'cadence'>, until: number): void {
  if (cadence.kind !== 'calendar') return;
  const last = cadence.holidays.at(-1);
  const year = new Date(until).getUTCFullYear();
  if (last === undefined || Number(last.slice(0, 4)) >= year) return;
  ctx.notice(
    `the holidays end with ${last}: in ${year} only weekends are skipped, until you add its dates with --holidays and --replace`,
  );
}
