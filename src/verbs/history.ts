import * as v from 'valibot';
import { readEntries, readEntry } from '../jobs/journal.ts';
import type { HistoryLine } from '../model/answers/jobs.ts';
import { acceptedText, historyText } from '../model/history-text.ts';
import type { JournalEntry, JournalGap } from '../model/journal.ts';
import { emptyView, foldJournal, type JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { jobOrLatest, resolveJobToShow } from './job.ts';
import { listVerb, reading } from './verb.ts';

/** Lists the decisions about a job, oldest first. Throws `notFound`, `usage`. */
export const history = listVerb({
  name: 'history',
  ...reading('/jobs/{job}/history'),
  input: v.strictObject({ job: jobOrLatest }),
  answer: async () => (await import('../model/answers/jobs.ts')).HISTORY_LINE,
  async run(context, { job }) {
    const view = await resolveJobToShow(context, job);
    return linesOf(await historyOf((await context.platform()).store, view));
  },
});

async function* linesOf(lines: Awaited<ReturnType<typeof historyOf>>): AsyncIterable<HistoryLine> {
  for (const { entry, ...line } of lines) yield { ...line, ...entry };
}

/** One decision about a job, and its journal entry: null for the acceptance, and for a missing entry. */
interface Decision extends HistoryLine {
  readonly entry: JournalEntry | null;
}

/**
 * The decisions about a job: its acceptance, then its journal, oldest first. A gap in the journal is a line, and later
 * entries are shown by kind. Throws `newer`, `corrupt`.
 */
export async function historyOf(store: ObjectStore, { record, hole }: JobView): Promise<readonly Decision[]> {
  const accepted: Decision = {
    number: null,
    when: record.createdAt,
    who: record.createdBy,
    what: 'accepted',
    entry: null,
    text: acceptedText(record),
  };
  let view = emptyView(record);
  const lines = (await readEntries(store, record.job)).map((entry, number): Decision => {
    const { when, who, what } = entry;
    const text = historyText(entry, view);
    view = foldJournal(view, [entry]);
    return { number, when, who, what, text, entry };
  });
  return [
    accepted,
    ...lines,
    ...(hole === null ? [] : await linesAfterGap(store, record.job, hole, (lines.at(-1) ?? accepted).when)),
  ];
}

async function linesAfterGap(
  store: ObjectStore,
  job: string,
  { missing, last }: JournalGap,
  before: string,
): Promise<readonly Decision[]> {
  const lines: Decision[] = [];
  for (let number = missing; number <= last; number += 1) {
    const entry = await readEntry(store, job, number);
    const { when = lines.at(-1)?.when ?? before, who = '', what = 'missing' } = entry ?? {};
    const text = entry === null ? 'this entry is missing' : `${what}: ignored, as an earlier entry is missing`;
    lines.push({ number, when, who, what, text, entry });
  }
  return lines;
}
