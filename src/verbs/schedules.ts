import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { existingRun } from '../jobs/run-keys.ts';
import { fire } from '../jobs/schedules/fire.ts';
import { comingPeriods, type Period, recentPeriods } from '../jobs/schedules/recent.ts';
import {
  listSchedules,
  pauseSchedule,
  removeSchedule,
  requireSchedule,
  resumeSchedule,
} from '../jobs/schedules/schedules.ts';
import { formatInstant, isoOf } from '../lib/instant.ts';
import { mapAhead } from '../lib/parallel.ts';
import type {
  ChangedSchedule,
  FiredPeriod,
  ListedSchedule,
  RemovedSchedule,
  ScheduleDetails,
  SchedulePeriod,
  UpcomingFiring,
} from '../model/answers/schedules.ts';
import { isClosed } from '../model/job-state.ts';
import { cadenceText, runKeyOf, type Schedule } from '../model/schedule.ts';
import { type Firing, firingOf, firingsAfter } from '../model/schedule-times.ts';
import { stateOf } from '../model/view.ts';
import type { VerbContext } from './context.ts';
import { scaleFlag } from './job.ts';
import { type RaiseEvent, raiseJobGroups } from './raise.ts';
import { type SubmitEvent, warnOfLeftOut, withSubmitProgress } from './submission.ts';
import { changing, field, flag, listVerb, option, reading, text, verb } from './verb.ts';

const answers = () => import('../model/answers/schedules.ts');

const name = field('<name>', 'name of the schedule', text);

/** Schedules read concurrently. */
const AT_ONCE = 32;

/** Lists the schedules by name. A schedule that can't be read is a warning. */
export const scheduleLs = listVerb({
  name: 'schedule ls',
  ...reading('/schedules'),
  input: v.strictObject({}),
  answer: async () => (await answers()).SCHEDULE,
  async run(context) {
    const { store } = await context.platform();
    const found = await listSchedules(store, warnOf(context));
    return mapAhead(found, AT_ONCE, async (schedule) => (await describeSchedule(context, schedule, 1)).listed);
  },
});

/** Number of past periods shown. */
const RECENT = 10;

/** Reports who paused the schedule that is shown. `when`: ISO 8601. */
export interface PausedEvent {
  readonly event: 'paused';
  readonly who: string;
  readonly when: string;
}

/** Shows one schedule and the results of its last periods. Throws `notFound`. */
export const scheduleShow = verb<PausedEvent>()({
  name: 'schedule show',
  ...reading('/schedules/{name}'),
  input: v.strictObject({ name }),
  answer: async () => (await answers()).SCHEDULE_DETAILS,
  async run(context, input): Promise<ScheduleDetails> {
    const { store } = await context.platform();
    const schedule = await requireSchedule(store, input.name);
    const { listed, recent } = await describeSchedule(context, schedule, RECENT);
    if (schedule.paused !== null) context.report({ event: 'paused', ...schedule.paused });
    noticeHolidaysEnd(context, schedule, context.clock.now());
    return { ...listed, recent: recent.map(shownPeriod) };
  },
});

/** Number of firings shown. */
const COMING = 10;

/** Lists the coming firings of one schedule, or of all, soonest first. Throws `notFound`. */
export const scheduleNext = listVerb({
  name: 'schedule next',
  ...reading('/firings'),
  input: v.strictObject({ name: option('[name]', 'name of the schedule (default: all)', text) }),
  answer: async () => (await answers()).UPCOMING_FIRING,
  async run(context, input) {
    const platform = await context.platform();
    const schedules =
      input.name === undefined
        ? await listSchedules(platform.store, warnOf(context))
        : [await requireSchedule(platform.store, input.name)];
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
    return (async function* (): AsyncIterable<UpcomingFiring> {
      for (const { schedule, period, at, job } of rows)
        yield { schedule: schedule.name, period, at: isoOf(at), zone: schedule.zone, job };
      for (const schedule of active) noticeHolidaysEnd(context, schedule, until);
    })();
  },
});

/** Pauses a schedule: firings that fall due meanwhile are not made up. Throws `notFound`. */
export const schedulePause = verb()({
  name: 'schedule pause',
  ...changing('POST', '/schedules/{name}/pauses'),
  input: v.strictObject({ name }),
  answer: async () => (await answers()).CHANGED_SCHEDULE,
  run: (context, input) => setScheduleState(context, input.name, 'paused'),
});

/** Resumes a paused schedule. Throws `notFound`. */
export const scheduleResume = verb()({
  name: 'schedule resume',
  ...changing('POST', '/schedules/{name}/resumptions'),
  input: v.strictObject({ name }),
  answer: async () => (await answers()).CHANGED_SCHEDULE,
  run: (context, input) => setScheduleState(context, input.name, 'active'),
});

/** Removes a schedule after confirmation; its jobs stay. Throws `notFound`, `refused`. */
export const scheduleRm = verb()({
  name: 'schedule rm',
  ...changing('DELETE', '/schedules/{name}'),
  input: v.strictObject({ name }),
  answer: async () => (await answers()).REMOVED_SCHEDULE,
  async run(context, input): Promise<RemovedSchedule> {
    const platform = await context.platform();
    await requireSchedule(platform.store, input.name);
    if (!context.dryRun) {
      await context.confirm(`remove schedule ${input.name}?`);
      await removeSchedule(platform, input.name);
    }
    return { schedule: input.name, removed: !context.dryRun };
  },
});

/** Submits the job of one period by hand. Throws `notFound`, `usage`, and like a submission. */
export const scheduleRun = verb<RaiseEvent | SubmitEvent>()({
  name: 'schedule run',
  ...changing('POST', '/schedules/{name}/runs'),
  input: v.strictObject({
    name,
    period: option('--period <period>', 'the period: 2026-11 for a calendar, 2026-11-30T06:00 for cron', text),
    existing: option('--existing', 'if the period ran with other content, use its job anyway', flag, false),
    again: option('--again', 'run the period again', flag, false),
    scale: scaleFlag,
  }),
  answer: async () => (await answers()).FIRED_PERIOD,
  async run(context, { period, existing, again, scale, ...input }): Promise<FiredPeriod> {
    if (existing && again) throw new BatchctlError('usage', '--existing and --again are mutually exclusive');
    const platform = await context.platform();
    const schedule = await requireSchedule(platform.store, input.name);
    const now = context.clock.now();
    const firing = findFiring(schedule, period, now);
    const runKey = runKeyOf(schedule, firing);
    if (context.dryRun) {
      const job = again ? null : ((await existingRun(platform, runKey))?.claim.job ?? null);
      return { job, runKey, created: job === null };
    }
    const { signal, passed } = context;
    const mode = again ? 'again' : existing ? 'existing' : 'new';
    const { view, created } = await withSubmitProgress(context, (onProgress) =>
      fire(platform, schedule, firing, { mode, signal, passed, onProgress }),
    );
    if (created) warnOfLeftOut(context, view.record);
    if (firing.at > now) {
      const due = formatInstant(firing.at, schedule.zone, now);
      context.notice(`${firing.period} is due ${due} and will not run again then`);
    }
    if (!isClosed(stateOf(view))) await raiseJobGroups(context, view, { scale, fresh: created });
    return { job: view.record.job, runKey, created };
  },
});

function findFiring(schedule: Schedule, period: string | undefined, now: number): Firing {
  const firing = period === undefined ? null : firingOf(schedule, period);
  if (firing !== null) return firing;
  const [next] = firingsAfter(schedule, now, 1);
  const such = next === undefined ? '' : ` such as ${next.period}`;
  throw new BatchctlError(
    'usage',
    period === undefined
      ? `expected --period, a period of ${schedule.name}${such}`
      : `--period ${period}: expected a period of ${schedule.name}${such}`,
    {
      hint: `batchctl schedule show ${schedule.name} shows past periods; batchctl schedule next ${schedule.name} shows the next ones`,
    },
  );
}

async function setScheduleState(
  context: Pick<VerbContext, 'platform' | 'dryRun'>,
  schedule: string,
  state: ChangedSchedule['state'],
): Promise<ChangedSchedule> {
  const platform = await context.platform();
  if (context.dryRun) {
    const { paused } = await requireSchedule(platform.store, schedule);
    return { schedule, state, changed: (paused === null) === (state === 'paused') };
  }
  const change = state === 'paused' ? pauseSchedule : resumeSchedule;
  return { schedule, state, changed: (await change(platform, schedule)).changed };
}

/** A schedule with its next period, and its last `count` periods. */
async function describeSchedule(
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
    next: next === undefined ? null : { period: next.period, at: isoOf(next.at) },
    last: last === undefined ? null : shownPeriod(last),
  } as const satisfies ListedSchedule;
  return { listed, recent };
}

const shownPeriod = ({ period, at, state, job }: Period): SchedulePeriod => ({ period, at: isoOf(at), state, job });

const warnOf =
  (context: Pick<VerbContext, 'warn'>) =>
  (schedule: string, error: unknown): void =>
    context.warn(`schedule ${schedule}: ${error instanceof Error ? error.message : String(error)}`);

/** Reports when the holidays end: they are dates of certain years, and after the last one only weekends are skipped. */
export function noticeHolidaysEnd(
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
