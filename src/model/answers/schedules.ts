import * as v from 'valibot';
import { JOB_STATES } from '../job-state.ts';
import { describe, instant, number, text, textOrNull, type Value } from './shapes.ts';

const PERIOD = v.object({
  period: text,
  at: describe(instant, 'due time'),
  state: describe(
    v.picklist([...JOB_STATES, 'due', 'missed']),
    "its job's state; without a job: due, missed, or paused if it was due during a pause",
  ),
  job: textOrNull,
});

export type SchedulePeriod = Value<typeof PERIOD>;

const NEXT = v.object({ period: describe(text, '2026-11, or 2026-11-30T06:00'), at: describe(instant, 'due time') });

const STATE = v.picklist(['active', 'paused']);

/** One schedule of `schedule ls`. */
export const SCHEDULE = v.object({
  schedule: describe(text, 'its name'),
  state: STATE,
  kind: v.picklist(['cron', 'calendar']),
  when: describe(text, 'the pattern, or the business day and its time'),
  zone: describe(text, 'the time zone'),
  holidays: describe(v.array(text), 'dates: 2026-12-25'),
  catchUp: describe(number, 'seconds within which a missed firing is made up for'),
  name: describe(text, "the job's"),
  file: describe(text, 'path of the job file'),
  inputs: describe(v.array(text), '`{period}` not filled in'),
  code: describe(textOrNull, 'SHA-256 of its files'),
  who: describe(text, 'who created or last changed it'),
  changedAt: instant,
  next: describe(v.nullable(NEXT), 'null if it is paused or has ended'),
  last: describe(v.nullable(PERIOD), 'its last period; null before the first'),
});

export type ListedSchedule = Value<typeof SCHEDULE>;

/** The answer of `schedule show`. */
export const SCHEDULE_DETAILS = v.object({
  ...SCHEDULE.entries,
  recent: describe(v.array(PERIOD), 'its last ten periods, latest first'),
});

export type ScheduleDetails = Value<typeof SCHEDULE_DETAILS>;

/** One firing of `schedule next`. */
export const UPCOMING_FIRING = v.object({
  schedule: describe(text, 'its name'),
  period: describe(text, '2026-11, or 2026-11-30T06:00'),
  at: describe(instant, 'due time'),
  zone: describe(text, "the schedule's"),
  job: describe(textOrNull, 'a job that a person started early: the period does not run again'),
});

export type UpcomingFiring = Value<typeof UPCOMING_FIRING>;

/** The answer of `schedule pause` and `schedule resume`. */
export const CHANGED_SCHEDULE = v.object({
  schedule: describe(text, 'its name'),
  state: STATE,
  changed: describe(v.boolean(), 'false: nothing to change'),
});

export type ChangedSchedule = Value<typeof CHANGED_SCHEDULE>;

export const REMOVED_SCHEDULE = v.object({
  schedule: describe(text, 'its name'),
  removed: describe(v.boolean(), 'false with --dry-run'),
});

export type RemovedSchedule = Value<typeof REMOVED_SCHEDULE>;

/** The answer of `schedule run`. */
export const FIRED_PERIOD = v.object({
  job: describe(textOrNull, 'null with --dry-run, for a period that has not run'),
  runKey: describe(text, 'NAME@PERIOD'),
  created: describe(v.boolean(), 'false: it existed already'),
});

export type FiredPeriod = Value<typeof FIRED_PERIOD>;

export const ADDED_SCHEDULE = v.object({
  schedule: describe(text, 'its name'),
  changed: describe(v.boolean(), 'false: an identical schedule exists'),
  next: v.nullable(NEXT),
});

export type AddedSchedule = Value<typeof ADDED_SCHEDULE>;
