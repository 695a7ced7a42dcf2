import { randomId } from '../lib/id.ts';
import type { NextMove, OpenedGather } from '../model/decide.ts';
import { openedKey } from '../model/keys.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { append, refreshView } from './journal.ts';
import { readOpened } from './listing.ts';

/**
 * Decides what a step is opened with, if the journal still says what `view` does; null: list again. Where it goes without
 * some tasks, that is an entry of the journal: so a retry of those either comes before, and they are waited for, or finds them
 * left out. Where it takes all there is none, as nothing is left that could be asked for.
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

/** Writes each opened.json of which there is the entry alone: whoever appended it died, or is about to write it. */
export async function completeOpened(store: ObjectStore, { record, opened }: JobView): Promise<void> {
  for (const [index, each] of opened) {
    const name = record.spec.steps[index]?.name ?? '';
    if ((await readOpened(store, record.job, name)) !== null) continue;
    await store.put(openedKey(record.job, name), JSON.stringify(each), { ifAbsent: true });
  }
}
