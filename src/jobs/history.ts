import { acceptedText, historyText } from '../model/history-text.ts';
import type { JournalEntry } from '../model/journal.ts';
import { emptyView, foldJournal, type JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { readEntries } from './journal.ts';

/** One thing that was decided about a job. */
export interface HistoryLine {
  /** The journal entry's number, from 0; null for the acceptance, which job.json tells. */
  readonly number: number | null;
  /** ISO-8601 UTC. */
  readonly when: string;
  readonly who: string;
  /** The entry's kind, or `accepted`. */
  readonly what: JournalEntry['what'] | 'accepted';
  readonly text: string;
  /** Null for the acceptance. */
  readonly entry: JournalEntry | null;
}

/** Who decided what of a job, when: its acceptance, then its journal, oldest first. Throws `newer`, `corrupt`. */
export async function historyOf(store: ObjectStore, { record }: JobView): Promise<readonly HistoryLine[]> {
  const accepted: HistoryLine = {
    ...{ number: null, when: record.createdAt, who: record.createdBy, what: 'accepted', entry: null },
    text: acceptedText(record),
  };
  let view = emptyView(record);
  const lines = (await readEntries(store, record.job)).map((entry, number): HistoryLine => {
    const { when, who, what } = entry;
    const text = historyText(entry, view);
    view = foldJournal(view, [entry]);
    return { number, when, who, what, text, entry };
  });
  return [accepted, ...lines];
}
