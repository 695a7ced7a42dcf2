import { SCHEDULES, scheduleOf } from '../../model/keys.ts';
import { foldSchedule, type Schedule, type ScheduleEntry } from '../../model/schedule.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { readEntries } from './schedule-journal.ts';

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
