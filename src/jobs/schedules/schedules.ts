import { BatchctlError } from '../../errors.ts';
import { randomId } from '../../lib/id.ts';
import { canonicalJson, parseStored, requireShape, type Shape } from '../../lib/json.ts';
import { JOB_FORMAT } from '../../model/job.ts';
import { codeKey, NAME_PATTERN, SCHEDULES_PREFIX, scheduleKey, scheduleOf } from '../../model/keys.ts';
import { scheduleNeeds } from '../../model/needs.ts';
import {
  foldSchedule,
  type Schedule,
  type ScheduleChange,
  type ScheduleEntry,
  type ScheduleSpec,
} from '../../model/schedule.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import type { CodeArchive } from '../code-archive.ts';

/**
 * Returns null if the schedule doesn't exist or was removed. Throws `newer`, or `corrupt` for an unreadable journal.
 */
export async function readSchedule(store: Pick<ObjectStore, 'read'>, name: string): Promise<Schedule | null> {
  return foldSchedule(name, await readEntries(store, name));
}

/** Like `readSchedule`, but a missing one is an error of kind `notFound`. */
export async function requireSchedule(store: Pick<ObjectStore, 'read'>, name: string): Promise<Schedule> {
  const schedule = NAME_PATTERN.test(name) ? await readSchedule(store, name) : null;
  if (schedule !== null) return schedule;
  throw new BatchctlError('notFound', `there is no schedule ${name}`, { hint: 'batchctl schedule ls' });
}

/**
 * Appends the entry that `decide` returns for the current schedule; for null, nothing. If another entry takes the
 * number, reads and decides again (law 2). Returns the resulting schedule.
 */
async function changeSchedule(
  platform: Pick<Platform, 'store' | 'clock' | 'who'>,
  name: string,
  decide: (schedule: Schedule | null) => ScheduleChange | null,
): Promise<{ readonly schedule: Schedule | null; readonly changed: boolean }> {
  const { store, clock, who } = platform;
  const id = randomId(16);
  for (;;) {
    const entries = await readEntries(store, name);
    if (entries.some((entry) => entry.id === id)) return { schedule: foldSchedule(name, entries), changed: true };
    const schedule = foldSchedule(name, entries);
    const change = decide(schedule);
    if (change === null) return { schedule, changed: false };
    const { format, version } = scheduleNeeds(change);
    const when = new Date(clock.now()).toISOString();
    const entry: ScheduleEntry = { format, ...(version !== null && { needs: version }), id, when, who, ...change };
    const { created } = await store.put(scheduleKey(name, entries.length), JSON.stringify(entry), { ifAbsent: true });
    if (created) return { schedule: foldSchedule(name, [...entries, entry]), changed: true };
  }
}

const ENTRY: Shape = { id: 'text', when: 'text', who: 'text', what: 'text' };
const ADDED: Shape = {
  schedule: { cadence: 'map', zone: 'text', catchUp: 'number', job: { spec: { steps: 'list' }, inputs: 'list' } },
};

/** A journal's entries; the first ones are `known` and not read again. */
async function readEntries(
  store: Pick<ObjectStore, 'read'>,
  name: string,
  known: readonly ScheduleEntry[] = [],
): Promise<readonly ScheduleEntry[]> {
  const entries = [...known];
  for (;;) {
    const key = scheduleKey(name, entries.length);
    const bytes = await store.read(key);
    if (bytes === null) return entries;
    const entry = parseStored<ScheduleEntry>(key, bytes, { known: JOB_FORMAT, shape: ENTRY });
    if (entry.what === 'add') requireShape(key, entry, ADDED);
    entries.push(entry);
  }
}

/** Reads all schedules repeatedly with one listing each time. Entries never change, so only new ones are read. */
export class ScheduleReader {
  readonly #store: Pick<ObjectStore, 'read' | 'keys'>;
  #journals: ReadonlyMap<string, readonly ScheduleEntry[]> = new Map();

  constructor(store: Pick<ObjectStore, 'read' | 'keys'>) {
    this.#store = store;
  }

  /** All schedules, by name. Calls `onTrouble` for one that can't be read, and continues. */
  async list(onTrouble: (name: string, error: unknown) => void): Promise<readonly Schedule[]> {
    const counts = new Map<string, number>();
    for await (const key of this.#store.keys(SCHEDULES_PREFIX)) {
      const name = scheduleOf(key);
      if (name !== null) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const journals = new Map<string, readonly ScheduleEntry[]>();
    const found: Schedule[] = [];
    for (const [name, count] of counts) {
      try {
        const before = this.#journals.get(name) ?? [];
        const known = before.length > count ? [] : before;
        const entries = known.length === count ? known : await readEntries(this.#store, name, known);
        journals.set(name, entries);
        const schedule = foldSchedule(name, entries);
        if (schedule !== null) found.push(schedule);
      } catch (error) {
        onTrouble(name, error);
      }
    }
    this.#journals = journals;
    return found;
  }
}

/** All schedules, read once; see `ScheduleReader.list`. */
export function listSchedules(
  store: Pick<ObjectStore, 'read' | 'keys'>,
  onTrouble: (name: string, error: unknown) => void,
): Promise<readonly Schedule[]> {
  return new ScheduleReader(store).list(onTrouble);
}

export interface ChangedSchedule {
  readonly schedule: Schedule;
  /** False if it was already so. */
  readonly changed: boolean;
}

export interface AddedSchedule extends ChangedSchedule {
  /** The replaced schedule; null for none. */
  readonly before: Schedule | null;
}

/**
 * Creates a schedule, writing its program first, so that no firing can miss it. Repeating the call changes nothing.
 * Throws `refused` if another schedule has the name, unless it is to be replaced.
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

/** True if the other specification fires exactly the same. */
export function isSame({ cadence, zone, catchUp, job }: ScheduleSpec, other: ScheduleSpec): boolean {
  return canonicalJson({ cadence, zone, catchUp, job }) === canonicalJson(other);
}

export function taken({ name, who, when }: Schedule): BatchctlError {
  return new BatchctlError('refused', `a schedule ${name} exists already, by ${who}, since ${when}`, {
    hint: `change it with --replace; batchctl schedule show ${name} shows it`,
  });
}

/** Firings that fall due during the pause are never made up. Throws `notFound`. */
export async function pauseSchedule(platform: Platform, name: string): Promise<ChangedSchedule> {
  return setPaused(platform, name, ({ paused }) => (paused === null ? 'pause' : null));
}

/** Throws `notFound`. */
export async function resumeSchedule(platform: Platform, name: string): Promise<ChangedSchedule> {
  return setPaused(platform, name, ({ paused }) => (paused === null ? null : 'resume'));
}

/** Removes a schedule and returns its last state; its jobs and their run keys stay. Throws `notFound`. */
export async function removeSchedule(platform: Platform, name: string): Promise<Schedule> {
  const before = await requireSchedule(platform.store, name);
  await changeSchedule(platform, name, (now) => (now === null ? null : { what: 'rm' }));
  return before;
}

async function setPaused(
  platform: Platform,
  name: string,
  decide: (schedule: Schedule) => 'pause' | 'resume' | null,
): Promise<ChangedSchedule> {
  await requireSchedule(platform.store, name);
  const { schedule, changed } = await changeSchedule(platform, name, (before) => {
    const what = decide(before ?? gone(name));
    return what === null ? null : { what };
  });
  return { schedule: schedule ?? gone(name), changed };
}

function gone(name: string): never {
  throw new BatchctlError('notFound', `the schedule ${name} was removed just now`, { hint: 'batchctl schedule ls' });
}
