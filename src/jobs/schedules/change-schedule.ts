import { BatchctlError } from '../../errors.ts';
import { canonicalJson } from '../../model/digest.ts';
import { codeKey } from '../../model/keys.ts';
import type { Schedule, ScheduleSpec } from '../../model/schedule.ts';
import type { Platform } from '../../ports/platform.ts';
import type { CodeArchive } from '../code-archive.ts';
import { changeSchedule, mustReadSchedule } from './schedule-journal.ts';

export interface ChangedSchedule {
  readonly schedule: Schedule;
  /** False when it was so already. */
  readonly changed: boolean;
}

export interface AddedSchedule extends ChangedSchedule {
  /** What it replaced; null for none. */
  readonly before: Schedule | null;
}

/**
 * Makes a schedule: its program first, so that no firing finds it missing. The same again changes nothing. Throws
 * `refused` for a name that another schedule has, unless that one is to be replaced.
 */
export async function addSchedule(
  platform: Platform,
  name: string,
  {
    spec,
    code,
    replace,
  }: { readonly spec: ScheduleSpec; readonly code: CodeArchive | null; readonly replace: boolean },
): Promise<AddedSchedule> {
  if (code !== null) await platform.store.put(codeKey(code.sha256), code.gzip);
  let before: Schedule | null = null;
  const { schedule, changed } = await changeSchedule(platform, name, (now) => {
    before = now;
    if (now !== null && isSame(now, spec)) return null;
    if (now !== null && !replace) throw taken(now);
    return { what: 'add', schedule: spec };
  });
  return { schedule: schedule ?? gone(name), changed, before };
}

/** True for a schedule that fires just this. */
export function isSame({ cadence, zone, catchUp, job }: ScheduleSpec, other: ScheduleSpec): boolean {
  return canonicalJson({ cadence, zone, catchUp, job }) === canonicalJson(other);
}

export function taken({ name, who, when }: Schedule): BatchctlError {
  return new BatchctlError('refused', `a schedule ${name} exists already, by ${who}, since ${when}`, {
    hint: `change it with --replace; batchctl schedule show ${name} shows it`,
  });
}

/** Nothing that falls due while it is paused is ever made up for. Throws `notFound`. */
export async function pauseSchedule(platform: Platform, name: string): Promise<ChangedSchedule> {
  return change(platform, name, ({ paused }) => (paused === null ? 'pause' : null));
}

/** Throws `notFound`. */
export async function resumeSchedule(platform: Platform, name: string): Promise<ChangedSchedule> {
  return change(platform, name, ({ paused }) => (paused === null ? null : 'resume'));
}

/** Removes a schedule; its jobs and their run keys stay. Answers it as it was. Throws `notFound`. */
export async function removeSchedule(platform: Platform, name: string): Promise<Schedule> {
  const before = await mustReadSchedule(platform.store, name);
  await changeSchedule(platform, name, (now) => (now === null ? null : { what: 'rm' }));
  return before;
}

async function change(
  platform: Platform,
  name: string,
  decide: (schedule: Schedule) => 'pause' | 'resume' | null,
): Promise<ChangedSchedule> {
  await mustReadSchedule(platform.store, name);
  const { schedule, changed } = await changeSchedule(platform, name, (before) => {
    const what = decide(before ?? gone(name));
    return what === null ? null : { what };
  });
  return { schedule: schedule ?? gone(name), changed };
}

function gone(name: string): never {
  throw new BatchctlError('notFound', `the schedule ${name} was removed just now`, {
    hint: 'batchctl schedule ls',
  });
}
