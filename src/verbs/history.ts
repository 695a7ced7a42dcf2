import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { journalEntries, readEntry } from '../jobs/journal.ts';
import { wholeNumberParser } from '../lib/units.ts';
import type { HistoryLine } from '../model/answers/jobs.ts';
import type { JournalGap } from '../model/answers/status.ts';
import { emptyView, foldJournal } from '../model/fold.ts';
import { acceptedText, historyText } from '../model/history-text.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { jobOrLatest, resolveJobToShow } from './job.ts';
import { firstRows, listVerb, PAGED, reading } from './verb.ts';

/** Lists the decisions about a job, oldest first. Throws `notFound`, `usage`. */
export const history = listVerb({
  name: 'history',
  ...reading('/jobs/{job}/history'),
  input: v.strictObject({ job: jobOrLatest, ...PAGED }),
  cursorOf: ({ number }: HistoryLine) => (number === null ? ACCEPTED : String(number)),
  answer: async () => (await import('../model/answers/jobs.ts')).HISTORY_LINE,
  async run(context, { job, after, limit }) {
    const from = after === undefined ? null : after === ACCEPTED ? 0 : parseNumber(after) + 1;
    const view = await resolveJobToShow(context, job);
    return firstRows(historyLines((await context.platform()).store, view, from), limit);
  },
});

/** In place of an entry's number. */
const ACCEPTED = 'accepted';

function parseNumber(after: string): number {
  try {
    return wholeNumberParser(0)(after);
  } catch {
    throw new BatchctlError('usage', `after: expected the number of an entry, found "${after.slice(0, 100)}"`);
  }
}

/**
 * The decisions about a job: its acceptance, unless it begins with an entry's number, then its journal, oldest first. A
 * gap in the journal is a line, and later entries are shown by kind. Throws `newer`, `corrupt`.
 */
export async function* historyLines(
  store: ObjectStore,
  { accepted: record, hole }: JobView,
  from: number | null = null,
): AsyncIterable<HistoryLine> {
  const { job, createdAt, createdBy } = record;
  const accepted = { number: null, when: createdAt, who: createdBy, what: 'accepted', text: acceptedText(record) };
  if (from === null) yield accepted;
  let last = createdAt;
  let number = 0;
  let view = emptyView(record);
  for await (const entry of journalEntries(store, job)) {
    // The text may depend on the entries before it.
    const line: HistoryLine = {
      number,
      when: entry.when,
      who: entry.who,
      what: entry.what,
      text: historyText(entry, view),
    };
    if (number >= (from ?? 0)) yield { ...line, ...entry };
    view = foldJournal(view, [entry]);
    last = entry.when;
    number += 1;
  }
  if (hole !== null) yield* linesAfterGap(store, job, hole, last, from ?? 0);
}

async function* linesAfterGap(
  store: ObjectStore,
  job: string,
  { missing, last }: JournalGap,
  before: string,
  from: number,
): AsyncIterable<HistoryLine> {
  let at = before;
  for (let number = missing; number <= last; number += 1) {
    const entry = await readEntry(store, job, number);
    const { when = at, who = '', what = 'missing' } = entry ?? {};
    at = when;
    const text = entry === null ? 'this entry is missing' : `${what}: ignored, as an earlier entry is missing`;
    if (number >= from) yield { ...{ number, when, who, what, text }, ...entry };
  }
}
