import type { EntryKind } from '../model/journal.ts';
import { OPEN, openMark, openOf } from '../model/keys.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectEntry, ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { ABANDONED_MS, storeTime } from './discard.ts';
import { append, refreshView } from './journal.ts';

/** An open mark of one job. */
export interface RoundMark {
  readonly key: string;
  readonly round: number;
  /** Milliseconds since the epoch, by the store's clock. */
  readonly modified: number;
}

/**
 * Begins a round: its mark, then its entry, if the journal still says what `view` does; so that whoever finds the mark
 * can finish what the entry began. Then the mark once more: one that stood without its entry for long (this machine was
 * asleep) may have been taken for one that nobody follows up, and a job that is open again needs one.
 */
export async function beginRound(
  platform: Platform,
  view: JobView,
  entry: EntryKind & { readonly round: number },
): Promise<{ readonly view: JobView; readonly appended: boolean }> {
  const { store } = platform;
  const mark = openMark(view.record.job, entry.round);
  await store.put(mark, MARK);
  const by = { who: platform.who, now: platform.clock.now() };
  const begun = await append(store, view, by, (now) => (now.next === view.next ? entry : null));
  if (begun.appended) await store.put(mark, MARK, { ifAbsent: true });
  return begun;
}

const MARK = '{"format":1}';

/**
 * True for the mark of a round that a closed job's journal never reached and never will: nothing follows a cancel or a
 * prune; else whoever put it has died before the entry, as a day has passed since. `now` by the store's clock.
 */
export function isUnreached(
  { closed, cancelled, pruned }: JobView,
  { round, modified }: Pick<RoundMark, 'round' | 'modified'>,
  now: number,
): boolean {
  if (closed === null || round <= closed.round) return false;
  return cancelled || pruned !== null || now - modified >= ABANDONED_MS;
}

/** The marks of rounds that the job will never reach, as `view` tells it. */
export async function unreachedMarks(store: ObjectStore, view: JobView, now: number): Promise<readonly ObjectEntry[]> {
  const found: ObjectEntry[] = [];
  if (view.closed === null) return found;
  for await (const entry of store.list(`${OPEN}${view.record.job}.`)) {
    const mark = openOf(entry.key);
    const { modified } = entry;
    if (mark?.job === view.record.job && isUnreached(view, { round: mark.round, modified }, now)) found.push(entry);
  }
  return found;
}

/**
 * Deletes a closed job's marks of rounds that it will never reach; answers those. Should a round have begun in that very
 * moment after all, it gets its mark back.
 */
export async function dropUnreached(platform: Platform, view: JobView): Promise<readonly ObjectEntry[]> {
  const { store, clock } = platform;
  // This machine's clock says whether it is worth asking for the store's.
  if ((await unreachedMarks(store, view, clock.now())).length === 0) return [];
  const marks = await unreachedMarks(store, view, await storeTime(platform));
  if (marks.length === 0) return marks;
  await store.delete(marks.map(({ key }) => key));
  const now = await refreshView(store, view);
  if (now.closed === null) await store.put(openMark(now.record.job, now.round), MARK, { ifAbsent: true });
  return marks;
}
