import * as v from 'valibot';
import { JOB_STATES } from '../job-state.ts';
import { describe, instant, number, text, textOrNull, type Value } from './shapes.ts';

const PERIOD = v.object({
  period: text,
  at: describe(instant, 'due time'),
  state: describe(
    v.picklist([...JOB_STATES, 'due', 'missed']),
    'the state of its job; due, missed or paused if it has no job',
  ),
  job: textOrNull,
});

export type SchedulePeriod = Value<typeof PERIOD>;

const NEXT = v.object({ period: text, at: instant });

const STATE = v.picklist(['active', 'paused']);

/** One schedule of `schedule ls`. */
export const SCHEDULE = v.object({
  schedule: text,
  state: STATE,
  kind: v.picklist(['cron', 'calendar']),
  when: describe(text, 'the pattern, or the business day and its time'),
  zone: text,
  holidays: describe(v.array(text), 'dates'),
  catchUp: describe(number, 'seconds'),
  name: describe(text, "the job's"),
  file: describe(text, 'path of the job file'),
  inputs: describe(v.array(text), '{period} is not replaced'),
  code: describe(textOrNull, 'SHA-256 of its files'),
  who: describe(text, 'who created or last changed it'),
  changedAt: instant,
  next: v.nullable(NEXT),
  last: v.nullable(PERIOD),
});

export type ListedSchedule = Value<typeof SCHEDULE>;

/** The answer of `schedule show`. */
export const SCHEDULE_DETAILS = v.object({ ...SCHEDULE.entries, recent: describe(v.array(PERIOD), 'latest first') });

export type ScheduleDetails = Value<typeof SCHEDULE_DETAILS>;

/** One firing of `schedule next`. */
export const UPCOMING_FIRING = v.object({
  schedule: text,
  period: text,
  at: instant,
  zone: text,
  job: describe(textOrNull, 'the job that ran this period by hand; the schedule skips it'),
});

export type UpcomingFiring = Value<typeof UPCOMING_FIRING>;

/** The answer of `schedule pause` and `schedule resume`. */
export const CHANGED_SCHEDULE = v.object({
  schedule: text,
  state: STATE,
  changed: describe(v.boolean(), 'false: it was already in that state'),
});

export type ChangedSchedule = Value<typeof CHANGED_SCHEDULE>;

export const REMOVED_SCHEDULE = v.object({ schedule: text, removed: describe(v.boolean(), 'false with --dry-run') });

export type RemovedSchedule = Value<typeof REMOVED_SCHEDULE>;

/** The answer of `schedule run`. */
export const FIRED_PERIOD = v.object({
  job: describe(textOrNull, 'null with --dry-run, for a period that has not run'),
  runKey: text,
  created: v.boolean(),
});

export type FiredPeriod = Value<typeof FIRED_PERIOD>;

export const ADDED_SCHEDULE = v.object({
  schedule: text,
  changed: describe(v.boolean(), 'false: an identical schedule exists'),
  next: v.nullable(NEXT),
});

export type AddedSchedule = Value<typeof ADDED_SCHEDULE>;
