import { randomId } from '../lib/id.ts';
import type { NextMove, OpenedGather } from '../model/decide.ts';
import { openedKey } from '../model/keys.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { append, refreshView } from './journal.ts';
import { readOpened } from './listing.ts';

/**
 * Decides what a step is opened with, if the journal is still as in `view`; null: list again. If tasks are left out,
 * that is a journal entry, so a retry of them either comes before and is waited for, or finds them left out. If all are
 * taken, there is no entry, as no task is left to retry.
 */
export async function decideOpening(
  { store, who, clock }: Platform,
  view: JobView,
  { step, count, leftOut }: NextMove & { move: 'open' },
): Promise<{ readonly view: JobView; readonly opened: OpenedGather | null }> {
  if (leftOut === '') {
    const now = await refreshView(store, view);
    return { view: now, opened: now.next === view.next ? { format: 1, id: randomId(16), count, leftOut } : null };
  }
  const name = view.record.spec.steps[step]?.name ?? '';
  const { view: now, appended } = await append(store, view, { who, now: clock.now() }, (then) =>
    then.next === view.next ? { what: 'open', step: name, count, leftOut } : null,
  );
  return { view: now, opened: appended ? (now.opened.get(step) ?? null) : null };
}

/** Writes each opened.json that has only its entry so far: its author died, or is about to write it. */
export async function completeOpened(store: ObjectStore, { record, opened }: JobView): Promise<void> {
  for (const [index, each] of opened) {
    const name = record.spec.steps[index]?.name ?? '';
    if ((await readOpened(store, record.job, name)) !== null) continue;
    await store.put(openedKey(record.job, name), JSON.stringify(each), { ifAbsent: true });
  }
}
