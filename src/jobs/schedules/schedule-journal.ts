import { BatchctlError } from '../../errors.ts';
import { randomId } from '../../lib/id.ts';
import { parseStored } from '../../lib/json.ts';
import { NAME, SCHEDULES, scheduleKey, scheduleOf } from '../../model/keys.ts';
import { foldSchedule, type Schedule, type ScheduleChange, type ScheduleEntry } from '../../model/schedule.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';

/** Reads a schedule; null if there is none, or no more. Throws `newer`, `corrupt` for a journal that can't be read. */
export async function readSchedule(store: Pick<ObjectStore, 'read'>, name: string): Promise<Schedule | null> {
  return foldSchedule(name, await readEntries(store, name));
}

/** Like `readSchedule`, but a missing one is an error of kind `notFound`. */
export async function mustReadSchedule(store: Pick<ObjectStore, 'read'>, name: string): Promise<Schedule> {
  const schedule = NAME.test(name) ? await readSchedule(store, name) : null;
  if (schedule !== null) return schedule;
  throw new BatchctlError('notFound', `there is no schedule ${name}`, { hint: 'batchctl schedule ls' });
}

/**
 * Appends what `decide` says to a schedule's journal, given the schedule as it is at that moment; null from it appends
 * nothing. An append that loses its number reads again and decides again (law 2). Answers the schedule after it.
 */
export async function changeSchedule(
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
    const entry: ScheduleEntry = { format: 1, id, when: new Date(clock.now()).toISOString(), who, ...change };
    const { created } = await store.put(scheduleKey(name, entries.length), JSON.stringify(entry), { ifAbsent: true });
    if (created) return { schedule: foldSchedule(name, [...entries, entry]), changed: true };
  }
}

/** A journal's entries, of which those that are `known` come first and are not read again. */
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
    entries.push(parseStored<ScheduleEntry>(key, bytes));
  }
}

/**
 * Reads all schedules again and again by one listing each time: entries are never changed, so only those that are new
 * are read.
 */
export class ScheduleReader {
  readonly #store: Pick<ObjectStore, 'read' | 'keys'>;
  #journals: ReadonlyMap<string, readonly ScheduleEntry[]> = new Map();

  constructor(store: Pick<ObjectStore, 'read' | 'keys'>) {
    this.#store = store;
  }

  /** Every schedule, by name. One that can't be read is told of, and no reason to leave the others alone. */
  async list(onTrouble: (name: string, error: unknown) => void): Promise<readonly Schedule[]> {
    const counts = new Map<string, number>();
    for await (const key of this.#store.keys(SCHEDULES)) {
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

/** Every schedule once, as `ScheduleReader.list` has them. */
export function listSchedules(
  store: Pick<ObjectStore, 'read' | 'keys'>,
  onTrouble: (name: string, error: unknown) => void,
): Promise<readonly Schedule[]> {
  return new ScheduleReader(store).list(onTrouble);
}
