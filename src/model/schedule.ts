import { canonicalJson } from '../lib/json.ts';
import type { JobSpec } from './job.ts';
import type { EntryBase } from './journal.ts';
import { NAME_PATTERN } from './keys.ts';
import { type Cadence, calendarText, type Firing, firingsAfter, firingsBetween } from './schedule-times.ts';
import { addDays, instantsOf, wallTime } from './wall-time.ts';

/** The deadline of a schedule's job: a time span after it was due, or a time of day after that. */
export type FinishBy =
  | { readonly kind: 'after'; readonly seconds: number }
  /** `06:00`, at least this many days later. */
  | { readonly kind: 'time'; readonly time: string; readonly days: 0 | 1 };

/** A schedule's job, and its times. Complete, so that firing it needs neither the job file nor its directory. */
export interface ScheduleSpec {
  readonly cadence: Cadence;
  /** An IANA zone. */
  readonly zone: string;
  /** Seconds for which a missed firing is made up for. */
  readonly catchUp: number;
  readonly job: ScheduledJob;
}

export interface ScheduledJob {
  readonly spec: JobSpec;
  /** The hash of its files, which are in the store; null for none. */
  readonly code: string | null;
  /** The job file's name as given, for people. */
  readonly file: string;
  /** The base of relative paths, on this machine: only for a store on it. */
  readonly directory: string;
  /** Replace the spec's, relative to `inputDirectory`. */
  readonly inputs: readonly string[];
  readonly inputDirectory: string;
  readonly params: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly expectInputs: number | null;
  readonly allowEmpty: boolean;
  /** Absent in schedules of earlier builds. */
  readonly allowIncomplete?: boolean;
  readonly finishBy: FinishBy | null;
  /** USD. */
  readonly maxCost: number | null;
  /** Seconds after it is due for which a missing input is waited for without a message. */
  readonly awaitInput: number;
}

export type ScheduleEntry = EntryBase & ScheduleChange;

export type ScheduleChange =
  | { readonly what: 'add'; readonly schedule: ScheduleSpec }
  | { readonly what: 'pause' }
  | { readonly what: 'resume' }
  | { readonly what: 'rm' };

export interface Schedule extends ScheduleSpec {
  readonly name: string;
  /** When it was made, or its pattern changed (milliseconds since the epoch): earlier firings don't belong to it. */
  readonly since: number;
  /** Who wrote its current version, and when. */
  readonly who: string;
  readonly when: string;
  readonly paused: { readonly who: string; readonly when: string } | null;
  /** When it was paused; with an open end if it still is. */
  readonly pauses: readonly { readonly from: number; readonly until: number }[];
}

/** The schedule after a journal's entries: null if there is none, or it was removed. A name may be reused. */
export function foldSchedule(name: string, entries: readonly ScheduleEntry[]): Schedule | null {
  return entries.reduce<Schedule | null>((before, entry) => applyEntry(name, before, entry), null);
}

function applyEntry(name: string, before: Schedule | null, entry: ScheduleEntry): Schedule | null {
  const at = Date.parse(entry.when);
  const { who, when } = entry;
  switch (entry.what) {
    case 'add': {
      const kept = before !== null && keepsFirings(before, entry.schedule) ? before.since : at;
      const { paused = null, pauses = [] } = before ?? {};
      return { ...entry.schedule, name, since: kept, who, when, paused, pauses };
    }
    case 'pause':
      if (before === null || before.paused !== null) return before;
      return { ...before, paused: { who, when }, pauses: [...before.pauses, { from: at, until: OPEN_END }] };
    case 'resume': {
      if (before === null || before.paused === null) return before;
      const pauses = before.pauses.map((pause) => (pause.until === OPEN_END ? { ...pause, until: at } : pause));
      return { ...before, paused: null, pauses };
    }
    case 'rm':
      return null;
    default:
      return entry satisfies never;
  }
}

const OPEN_END = Number.POSITIVE_INFINITY;

/**
 * Whether a firing that was due is still due after a change. A calendar names its periods by month, whatever its day:
 * if the day moves into the past, it fires late, so that no month is lost. Other times of a cron pattern are other
 * periods.
 */
const keepsFirings = (before: ScheduleSpec, now: ScheduleSpec): boolean =>
  (before.cadence.kind === 'calendar' && now.cadence.kind === 'calendar') || timesOf(before) === timesOf(now);

const timesOf = ({ cadence, zone }: ScheduleSpec): string => canonicalJson({ cadence, zone });

/** The run key of a firing: whichever keeper fires it, it runs once. */
export const runKeyOf = (schedule: Pick<Schedule, 'name'>, { period }: Pick<Firing, 'period'>): string =>
  `${schedule.name}@${period}`;

/** The name of the schedule that a run key belongs to if there is one of that name; null for other run keys. */
export function scheduleOfRun(runKey: string): string | null {
  const name = runKey.slice(0, Math.max(0, runKey.indexOf('@')));
  return NAME_PATTERN.test(name) ? name : null;
}

/**
 * The due firings: everything within the catch-up time, except from before it was made or while it was paused. While it
 * is paused nothing is due: firings due before that wait for `resume`, as long as their catch-up lasts.
 */
export function dueFirings(schedule: Schedule, now: number): readonly Firing[] {
  if (schedule.paused !== null) return [];
  return unpausedFirings(schedule, Math.max(schedule.since, now - schedule.catchUp * 1_000), now);
}

/** The next firing after an instant; null if it is paused, or has ended. */
export function nextFiring(schedule: Schedule, after: number): number | null {
  return schedule.paused === null ? (firingsAfter(schedule, after, 1)[0]?.at ?? null) : null;
}

/** Firings whose catch-up ended after one instant up to another; the store says whether they ran. */
export function lapsedFirings(schedule: Schedule, from: number, until: number): readonly Firing[] {
  const late = schedule.catchUp * 1_000;
  return unpausedFirings(schedule, Math.max(schedule.since, from - late), until - late);
}

/** True for a firing during a pause: it isn't made up for. */
export function isWithinPause({ pauses }: Pick<Schedule, 'pauses'>, { at }: Firing): boolean {
  return pauses.some(({ from, until }) => at > from && at <= until);
}

function unpausedFirings(schedule: Schedule, from: number, until: number): readonly Firing[] {
  return firingsBetween(schedule, from, until).filter((firing) => !isWithinPause(schedule, firing));
}

/** The deadline of a firing that was due at an instant; both in milliseconds since the epoch. */
export function deadlineOf(finishBy: FinishBy, at: number, zone: string): number {
  if (finishBy.kind === 'after') return at + finishBy.seconds * 1_000;
  const [hour = 0, minute = 0] = finishBy.time.split(':').map(Number);
  const day = wallTime(at, zone);
  const on = (days: number): number => instantsOf(addDays(day, days, { hour, minute, second: 0 }), zone)[0];
  return on(finishBy.days) > at ? on(finishBy.days) : on(finishBy.days + 1);
}

/** `0 6 * * *`, `last-business-day 18:00`: a short text for when it fires. */
export function cadenceText(cadence: Cadence): string {
  if (cadence.kind === 'cron') return cadence.pattern;
  return `${calendarText(cadence.day)} ${cadence.time}${cadence.monthBefore ? ', for the month before' : ''}`;
}
