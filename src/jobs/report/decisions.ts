import { historyText } from '../../model/history-text.ts';
import type { EntryWhat, JournalEntry } from '../../model/journal.ts';
import type { Report } from '../../model/report/report.ts';
import { emptyView, foldJournal, type JobView } from '../../model/view.ts';

/** So many of the newest are told. */
const TOLD = 100;
/** What people and guards decide, and where the outputs went; the rest follows from the job's own course. */
const DECIDED: readonly EntryWhat[] = [
  ...(['pause', 'resume', 'cancel', 'stop', 'adjust', 'kill'] as const),
  ...(['skip', 'unskip', 'retry', 'delivered', 'undelivered', 'prune'] as const),
];

/** What was decided of a job, oldest first, in the words of `history`. */
export function decisionsIn(view: JobView, entries: readonly JournalEntry[]): Report['decisions'] {
  const decisions: Report['decisions'][number][] = [];
  let before = emptyView(view.record);
  for (const entry of entries) {
    const { what, when, who } = entry;
    if (DECIDED.includes(what)) decisions.push({ when, who, what, text: historyText(entry, before) });
    before = foldJournal(before, [entry]);
  }
  return decisions.slice(-TOLD);
}
