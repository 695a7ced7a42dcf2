import type { EntryKind } from '../model/journal.ts';
import { OPEN_PREFIX, openMark, parseOpenMark } from '../model/keys.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectEntry, ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { ABANDONED_MS, storeTime } from './discard.ts';
import { type AppendResult, append, refreshView } from './journal.ts';

export interface RoundMark {
  readonly key: string;
  readonly round: number;
  /** Milliseconds since the epoch, by the store's clock. */
  readonly modified: number;
}

/**
 * Starts a round: its mark, then its entry, if the journal is still as in `view`, so that any process that finds the
 * mark can complete it. Then writes the mark again: if it existed long without its entry (this machine was suspended),
 * it may have been removed, and an open job needs one.
 */
export async function beginRound(
  platform: Platform,
  view: JobView,
  entry: EntryKind & { readonly round: number },
): Promise<AppendResult> {
  const { store } = platform;
  const mark = openMark(view.record.job, entry.round);
  await store.put(mark, MARK);
  const begun = await append(platform, view, (now) => (now.next === view.next ? entry : null));
  if (begun.appended) await store.put(mark, MARK, { ifAbsent: true });
  return begun;
}

const MARK = '{"format":1}';

/**
 * True for the mark of a round that a closed job's journal never reached and never will: nothing follows a cancel or a
 * prune; otherwise its author died before the entry, as a day has passed. `now` is by the store's clock.
 */
export function isUnreached(
  { closed, cancelled, pruned }: JobView,
  { round, modified }: Pick<RoundMark, 'round' | 'modified'>,
  now: number,
): boolean {
  if (closed === null || round <= closed.round) return false;
  return cancelled || pruned !== null || now - modified >= ABANDONED_MS;
}

/** The marks of rounds that the job will never reach, according to `view`. */
export async function unreachedMarks(store: ObjectStore, view: JobView, now: number): Promise<readonly ObjectEntry[]> {
  const found: ObjectEntry[] = [];
  if (view.closed === null) return found;
  for await (const entry of store.list(`${OPEN_PREFIX}${view.record.job}.`)) {
    const mark = parseOpenMark(entry.key);
    const { modified } = entry;
    if (mark?.job === view.record.job && isUnreached(view, { round: mark.round, modified }, now)) found.push(entry);
  }
  return found;
}

/**
 * Deletes a closed job's marks of rounds that it will never reach, and returns them. Restores the mark of a round that
 * started at that very moment.
 */
export async function dropUnreached(platform: Platform, view: JobView): Promise<readonly ObjectEntry[]> {
  const { store, clock } = platform;
  // This machine's clock tells whether the store's is worth a request.
  if ((await unreachedMarks(store, view, clock.now())).length === 0) return [];
  const marks = await unreachedMarks(store, view, await storeTime(platform));
  if (marks.length === 0) return marks;
  await store.delete(marks.map(({ key }) => key));
  const now = await refreshView(store, view);
  if (now.closed === null) await store.put(openMark(now.record.job, now.round), MARK, { ifAbsent: true });
  return marks;
}
