import { BatchctlError } from '../errors.ts';
import { randomId } from '../lib/id.ts';
import { parseStored, readStored, requireShape, type Shape } from '../lib/json.ts';
import { mapAhead } from '../lib/parallel.ts';
import type { JournalGap } from '../model/answers/status.ts';
import { emptyView, foldJournal } from '../model/fold.ts';
import { JOB_FORMAT, type JobRecord, takesFiles } from '../model/job.ts';
import { isClosed } from '../model/job-state.ts';
import type { EntryKind, EntryWhat, JournalEntry } from '../model/journal.ts';
import { entryOf, jobKey, journalKey, journalPrefix } from '../model/keys.ts';
import { entryNeeds, requireReleased } from '../model/needs.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { readOpened } from './listing.ts';
import { decidingClaim, keyedOf } from './run-keys.ts';

/**
 * Reads a committed job (design.md 6: with a run key, only if the key refers to it); null if there provably is none.
 * Throws `newer` or `corrupt` for an unreadable job.json.
 */
export async function readJob(store: ObjectStore, job: string): Promise<JobRecord | null> {
  const record = await readRecord(store, job);
  return record !== null && (await isCommitted(store, record)) ? record : null;
}

/**
 * A job.json, committed or not; null if there provably is none, or if it records that the submission was discarded.
 * Throws like `readJob`.
 */
export async function readRecord(store: ObjectStore, job: string): Promise<JobRecord | null> {
  const key = jobKey(job);
  const record = await readStored<StoredRecord>(store, key, { known: JOB_FORMAT });
  if (record === null || record.discarded === job) return null;
  requireShape(key, record, RECORD);
  requireReleased(key, record.version);
  if (record.job === job) return record;
  throw new BatchctlError('corrupt', `${key} belongs to job ${record.job}`, {
    hint: 'restore it from a backup of the store',
  });
}

type StoredRecord = JobRecord & { readonly discarded?: DiscardedRecord['discarded'] };

/** Stands for the job.json of a submission discarded before it existed: its submitter can't create one any more. */
export interface DiscardedRecord {
  readonly format: 1;
  readonly discarded: string;
}

/** The fields that readers rely on. A digest that `verify` recomputes covers all of them; it also checks each input. */
const RECORD: Shape = {
  job: 'text',
  runKey: 'text|null',
  runNumber: 'number|null',
  parts: 'number',
  digest: 'text',
  code: 'text|null',
  createdAt: 'text',
  createdBy: 'text',
  host: 'text',
  version: 'text',
  rehearsal: 'map?',
  spec: {
    name: 'text',
    input: 'map',
    params: 'map',
    labels: 'map',
    tolerate: { kind: 'text' },
    expect: 'list',
    steps: [{ name: 'text', gather: 'flag', explode: 'flag', input: 'text', output: 'text', group: 'text' }],
  },
  inputs: 'list',
};

export async function isCommitted(store: ObjectStore, record: JobRecord): Promise<boolean> {
  const keyed = keyedOf(record);
  return keyed === null || (await decidingClaim(store, keyed))?.job === record.job;
}

/**
 * Updates a view: reads new journal entries, and what has opened after an `explode`. Throws `corrupt` if an entry is
 * missing before an existing one, as decisions would be unknown. Only the first read checks that, by one listing; later
 * reads ask just for the next entry, as each heartbeat does.
 */
export async function refreshView(store: ObjectStore, view: JobView): Promise<JobView> {
  if (view.next === 0 || view.hole !== null) return requireNoGap(await readByListing(store, view));
  return readNewEntries(store, view);
}

async function readNewEntries(store: ObjectStore, view: JobView): Promise<JobView> {
  let now = view;
  for (;;) {
    const entry = await readEntry(store, view.record.job, now.next);
    if (entry === null) return addOpenedSteps(store, now);
    now = foldJournal(now, [entry]);
  }
}

/**
 * Adds to a view what has opened after an `explode`: one small read per step that isn't open yet, none for other jobs.
 * Steps open in order, so nothing is read after an unopened one.
 */
async function addOpenedSteps(store: ObjectStore, view: JobView): Promise<JobView> {
  const { job, spec } = view.record;
  let exploded: Map<number, number> | null = null;
  for (const [index, { name }] of spec.steps.entries()) {
    if (!takesFiles(spec.steps, index) || view.exploded.has(index)) continue;
    const opened = await readOpened(store, job, name);
    if (opened === null) break;
    exploded ??= new Map(view.exploded);
    exploded.set(index, opened.count);
  }
  return exploded === null ? view : { ...view, exploded };
}

/** A job's view; null if there provably is no such job. Throws like `refreshView`. */
export async function readView(store: ObjectStore, job: string): Promise<JobView | null> {
  const view = await readViewToShow(store, job);
  return view === null ? null : requireNoGap(view);
}

/**
 * A job's view by single reads, without checking for gaps: for the per-minute metrics of all open jobs, which decide
 * nothing. A listing costs twelve times as much as a read.
 */
export async function peekView(store: ObjectStore, job: string): Promise<JobView | null> {
  const record = await readJob(store, job);
  return record === null ? null : readNewEntries(store, emptyView(record));
}

/** A job's view for display only: `hole` says which entry is missing, if any, and no later one is read. */
export async function readViewToShow(store: ObjectStore, job: string): Promise<JobView | null> {
  const record = await readJob(store, job);
  return record === null ? null : readByListing(store, emptyView(record));
}

/** Throws `corrupt` for a view of a journal with a gap. */
export function requireNoGap(view: JobView): JobView {
  if (view.hole === null) return view;
  throw new BatchctlError('corrupt', `${gapText(view, view.hole)}, so nothing is decided about this job`, {
    hint: gapHint(view, view.hole),
  });
}

/** `entry 2 of the journal of job J is missing, but there are entries up to 5` */
export function gapText({ record: { job } }: JobView, { missing, last }: JournalGap): string {
  return `entry ${missing} of the journal of job ${job} is missing, but there are entries up to ${last}`;
}

export function gapHint({ record: { job } }: JobView, { missing }: JournalGap): string {
  const restore = `restore ${journalKey(job, missing)} from a backup or an earlier version of the object`;
  return `${restore}. Without one: fetch the existing outputs with batchctl fetch ${job} -o DIR/, and submit the job again`;
}

/** Entries read concurrently. */
const AHEAD = 8;

/**
 * Continues by listing the journal instead of asking for the entry after the last. A process that appends an entry has
 * seen the one before it, and a listing includes everything written before it began. But entries may be appended during
 * a listing, which may then show only the later one. So a gap counts only if a second listing shows it.
 */
async function readByListing(store: ObjectStore, view: JobView): Promise<JobView> {
  const { job } = view.record;
  let now: JobView = { ...view, hole: null };
  for (let before: number | null = null; ; before = now.next) {
    const from = now.next;
    const there = await listEntries(store, job, from);
    const next = there.filter((n, at) => n === from + at);
    for await (const entry of mapAhead(next, AHEAD, (n) => readEntry(store, job, n))) {
      if (entry === null) break;
      now = foldJournal(now, [entry]);
    }
    const last = there.at(-1) ?? -1;
    if (last >= now.next && before !== now.next) continue;
    const hole = last < now.next ? null : { missing: now.next, last };
    return { ...(await addOpenedSteps(store, now)), hole };
  }
}

/** The numbers of a journal's entries, from the given one. */
async function listEntries(store: ObjectStore, job: string, from: number): Promise<readonly number[]> {
  const there: number[] = [];
  for await (const key of store.keys(journalPrefix(job), { from: journalKey(job, from) })) {
    const n = entryOf(key);
    if (n !== null) there.push(n);
  }
  return there;
}

/** The gap in a job's journal, if any, by a listing alone: for lists of many jobs, which read no entries. */
export async function findGap(store: ObjectStore, job: string): Promise<JournalGap | null> {
  for (let before: number | null = null; ; ) {
    const there = await listEntries(store, job, 0);
    const missing = there.findIndex((n, at) => n !== at);
    if (missing === -1) return null;
    // As above: the first listing may have passed the entry's place before it was written.
    if (missing === before) return { missing, last: there.at(-1) ?? missing };
    before = missing;
  }
}

/** Like `readView`, but a missing job is an error of kind `notFound`. */
export async function requireView(store: ObjectStore, job: string): Promise<JobView> {
  const view = await readView(store, job);
  if (view !== null) return view;
  throw new BatchctlError('notFound', `there is no job ${job}`, { hint: 'batchctl jobs' });
}

/** The entries of a job's journal from the given number on, oldest first. */
export async function readEntries(store: ObjectStore, job: string, from = 0): Promise<readonly JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const entry of journalEntries(store, job, from)) entries.push(entry);
  return entries;
}

/** The same, one at a time. */
export async function* journalEntries(store: ObjectStore, job: string, from = 0): AsyncGenerator<JournalEntry> {
  for (let n = from; ; n += 1) {
    const entry = await readEntry(store, job, n);
    if (entry === null) return;
    yield entry;
  }
}

export async function readEntry(store: ObjectStore, job: string, n: number): Promise<JournalEntry | null> {
  const key = journalKey(job, n);
  const bytes = await store.read(key);
  return bytes === null ? null : parseEntry(key, bytes);
}

const ENTRY: Shape = { id: 'text', when: 'text', who: 'text', what: 'text' };
/** The fields that folding an entry relies on; kinds are checked there. */
const ENTRIES: Readonly<Partial<Record<EntryWhat, Shape>>> = {
  resend: { tasks: 'map', after: 'number' },
  pause: { now: 'flag', reason: 'text' },
  kill: { tasks: 'map', mode: 'text' },
  skip: { tasks: 'map', reason: 'text', failed: 'map?', round: 'number?' },
  unskip: { tasks: 'map', round: 'number?', asked: 'map?' },
  retry: { round: 'number', tasks: 'map', canaries: 'map|null', overrides: 'map', opened: 'list?' },
  'retry-rest': { round: 'number' },
  extend: {
    ...{ round: 'number', name: 'text', first: 'number', count: 'number', checksum: 'text', digest: 'text' },
    ...{ inputs: [{ name: 'text', size: 'number', source: { kind: 'text' } }], records: 'number|null' },
    ...{ input: { from: 'list', split: { by: 'text' } }, maxTasks: 'number' },
  },
  open: { step: 'text', count: 'number', leftOut: 'text' },
  close: { state: 'text', reason: 'text|null', round: 'number' },
  delivered: { after: 'number', to: 'text', outputs: 'number', bytes: 'number' },
};

/** A journal entry. Throws like `parseStored`, and `corrupt` for a close with an invalid state. */
export function parseEntry(key: string, bytes: Uint8Array): JournalEntry {
  const entry = parseStored<JournalEntry>(key, bytes, { known: JOB_FORMAT, shape: ENTRY });
  requireShape(key, entry, ENTRIES[entry.what] ?? {});
  if (entry.what !== 'close' || isClosed(entry.state)) return entry;
  throw new BatchctlError('corrupt', `${key} closes the job as "${entry.state}", which is not a state`, {
    hint: 'restore it from a backup of the store',
  });
}

export interface AppendResult {
  readonly view: JobView;
  readonly appended: boolean;
}

/**
 * Appends the result of `decide` for the current journal; null appends nothing. If another append takes the number,
 * reads and decides again (law 2). Never appends to a pruned job. Returns the view afterwards, and whether this call
 * appended. Throws `corrupt` for a journal with a gap, which the entry would fill.
 */
export async function append(
  { store, who, clock }: Pick<Platform, 'store' | 'who' | 'clock'>,
  view: JobView,
  decide: (view: JobView) => EntryKind | null,
): Promise<AppendResult> {
  const when = new Date(clock.now()).toISOString();
  let now = requireNoGap(await readByListing(store, view));
  const id = randomId(16);
  for (;;) {
    const kind = decide(now);
    if (kind === null || now.pruned !== null) return { view: now, appended: false };
    const { format, version } = entryNeeds(now.record, kind);
    const entry: JournalEntry = { format, ...(version !== null && { needs: version }), id, when, who, ...kind };
    const key = journalKey(view.record.job, now.next);
    const { created } = await store.put(key, JSON.stringify(entry), { ifAbsent: true });
    const at = created ? entry : await readEntry(store, view.record.job, now.next);
    if (at !== null && at.id === id) return { view: foldJournal(now, [at]), appended: true };
    now = await refreshView(store, now);
  }
}
