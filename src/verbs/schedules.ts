import * as v from 'valibot';
import { comingPeriods, type Period, recentPeriods } from '../jobs/schedules/recent.ts';
import {
  listSchedules,
  mustReadSchedule,
  pauseSchedule,
  removeSchedule,
  resumeSchedule,
} from '../jobs/schedules/schedules.ts';
import { ahead } from '../lib/parallel.ts';
import type {
  ChangedSchedule,
  ComingFiring,
  ListedSchedule,
  RemovedSchedule,
  ShownPeriod,
  ShownSchedule,
} from '../model/answers/schedules.ts';
import { cadenceText, type Schedule } from '../model/schedule.ts';
import { field, listVerb, text, type VerbContext, verb } from './verb.ts';

const answers = () => import('../model/answers/schedules.ts');

const name = field('<name>', 'name of the schedule', text);

/** Schedules that are looked at concurrently. */
const AT_ONCE = 32;

/** Lists the schedules by name. One that can't be read is a warning. */
export const scheduleLs = listVerb({
  name: 'schedule ls',
  scope: 'read',
  changes: false,
  http: { method: 'GET', path: '/schedules' },
  input: v.strictObject({}),
  answer: async () => (await answers()).SCHEDULE,
  async run(context) {
    const { store } = await context.platform();
    const found = await listSchedules(store, warnOf(context));
    return ahead(found, AT_ONCE, async (schedule) => (await lookedAt(context, schedule, 1)).listed);
  },
});

/** Past periods that are shown. */
const RECENT = 10;

/** Tells who paused the schedule that is shown. `when`: ISO 8601. */
export interface PausedEvent {
  readonly event: 'paused';
  readonly who: string;
  readonly when: string;
}

/** One schedule and what became of its last periods. Throws `notFound`. */
export const scheduleShow = verb<PausedEvent>()({
  name: 'schedule show',
  scope: 'read',
  changes: false,
  http: { method: 'GET', path: '/schedules/{name}' },
  input: v.strictObject({ name }),
  answer: async () => (await answers()).SHOWN_SCHEDULE,
  async run(context, input): Promise<ShownSchedule> {
    const { store } = await context.platform();
    const schedule = await mustReadSchedule(store, input.name);
    const { listed, recent } = await lookedAt(context, schedule, RECENT);
    if (schedule.paused !== null) context.report({ event: 'paused', ...schedule.paused });
    tellHolidaysEnd(context, schedule, context.clock.now());
    return { ...listed, recent: recent.map(shownPeriod) };
  },
});

/** Firings that are shown. */
const COMING = 10;

/** The coming firings of one schedule, or of all, soonest first. Throws `notFound`. */
export const scheduleNext = listVerb({
  name: 'schedule next',
  scope: 'read',
  changes: false,
  http: { method: 'GET', path: '/firings' },
  input: v.strictObject({ name: v.optional(field('[name]', 'name of the schedule (default: all)', text)) }),
  answer: async () => (await answers()).COMING_FIRING,
  async run(context, input) {
    const platform = await context.platform();
    const schedules =
      input.name === undefined
        ? await listSchedules(platform.store, warnOf(context))
        : [await mustReadSchedule(platform.store, input.name)];
    const active = schedules.filter(({ paused }) => paused === null);
    const coming = await Promise.all(
      active.map(async (schedule) =>
        (await comingPeriods(platform, schedule, COMING)).map((firing) => ({ ...firing, schedule })),
      ),
    );
    const rows = coming
      .flat()
      .sort((a, b) => a.at - b.at)
      .slice(0, COMING);
    const until = Math.max(context.clock.now(), ...rows.map(({ at }) => at));
    return (async function* (): AsyncIterable<ComingFiring> {
      for (const { schedule, period, at, job } of rows)
        yield { schedule: schedule.name, period, at: iso(at), zone: schedule.zone, job };
      for (const schedule of active) tellHolidaysEnd(context, schedule, until);
    })();
  },
});

/** Pauses a schedule: what falls due meanwhile is not made up for. Throws `notFound`. */
export const schedulePause = verb()({
  name: 'schedule pause',
  scope: 'operate',
  changes: true,
  http: { method: 'POST', path: '/schedules/{name}/pauses' },
  input: v.strictObject({ name }),
  answer: async () => (await answers()).CHANGED_SCHEDULE,
  run: (context, input) => switched(context, input.name, 'paused'),
});

/** Resumes a paused schedule. Throws `notFound`. */
export const scheduleResume = verb()({
  name: 'schedule resume',
  scope: 'operate',
  changes: true,
  http: { method: 'POST', path: '/schedules/{name}/resumptions' },
  input: v.strictObject({ name }),
  answer: async () => (await answers()).CHANGED_SCHEDULE,
  run: (context, input) => switched(context, input.name, 'active'),
});

/** Removes a schedule once that is confirmed; its jobs stay. Throws `notFound`, `refused`. */
export const scheduleRm = verb()({
  name: 'schedule rm',
  scope: 'operate',
  changes: true,
  http: { method: 'DELETE', path: '/schedules/{name}' },
  input: v.strictObject({ name }),
  answer: async () => (await answers()).REMOVED_SCHEDULE,
  async run(context, input): Promise<RemovedSchedule> {
    const platform = await context.platform();
    await mustReadSchedule(platform.store, input.name);
    if (!context.dryRun) {
      await context.confirm(`remove schedule ${input.name}?`);
      await removeSchedule(platform, input.name);
    }
    return { schedule: input.name, removed: !context.dryRun };
  },
});

async function switched(
  context: Pick<VerbContext, 'platform' | 'dryRun'>,
  schedule: string,
  state: ChangedSchedule['state'],
): Promise<ChangedSchedule> {
  const platform = await context.platform();
  if (context.dryRun) {
    const { paused } = await mustReadSchedule(platform.store, schedule);
    return { schedule, state, changed: (paused === null) === (state === 'paused') };
  }
  const change = state === 'paused' ? pauseSchedule : resumeSchedule;
  return { schedule, state, changed: (await change(platform, schedule)).changed };
}

/** A schedule with its next period, and its last `count` ones. */
async function lookedAt(
  context: Pick<VerbContext, 'platform'>,
  schedule: Schedule,
  count: number,
): Promise<{ readonly listed: ListedSchedule; readonly recent: readonly Period[] }> {
  const platform = await context.platform();
  const [[next], recent] = await Promise.all([
    schedule.paused === null ? comingPeriods(platform, schedule, 1) : [],
    recentPeriods(platform, schedule, count),
  ]);
  const { cadence, zone, catchUp, job, paused, who, when } = schedule;
  const [last] = recent;
  const listed = {
    schedule: schedule.name,
    state: paused === null ? 'active' : 'paused',
    kind: cadence.kind,
    when: cadenceText(cadence),
    zone,
    holidays: cadence.kind === 'calendar' ? cadence.holidays : [],
    catchUp,
    name: job.spec.name,
    file: job.file,
    inputs: job.inputs.length > 0 ? job.inputs : (job.spec.input?.from ?? []),
    code: job.code,
    who,
    changedAt: when,
    next: next === undefined ? null : { period: next.period, at: iso(next.at) },
    last: last === undefined ? null : shownPeriod(last),
  } as const satisfies ListedSchedule;
  return { listed, recent };
}

const shownPeriod = ({ period, at, state, job }: Period): ShownPeriod => ({ period, at: iso(at), state, job });

const warnOf =
  (context: Pick<VerbContext, 'warn'>) =>
  (schedule: string, error: unknown): void =>
    context.warn(`schedule ${schedule}: ${error instanceof Error ? error.message : String(error)}`);

/** Holidays are dates of certain years; after them only weekends are skipped. */
export function tellHolidaysEnd(
  context: Pick<VerbContext, 'notice'>,
  { cadence }: Pick<Schedule, 'cadence'>,
  until: number,
): void {
  if (cadence.kind !== 'calendar') return;
  const last = cadence.holidays.at(-1);
  const year = new Date(until).getUTCFullYear();
  if (last === undefined || Number(last.slice(0, 4)) >= year) return;
  context.notice(
    `the holidays end with ${last}: in ${year} only weekends are skipped, until you add its dates with --holidays and --replace`,
  );
}

export const iso = (at: number): string => new Date(at).toISOString();
