import { BatchctlError } from '../errors.ts';
import { randomId } from '../lib/id.ts';
import { parseStored } from '../lib/json.ts';
import type { JobRecord } from '../model/job.ts';
import type { EntryKind, JournalEntry } from '../model/journal.ts';
import { jobKey, journalKey, runKeyClaim } from '../model/keys.ts';
import { emptyView, foldJournal, type JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { learnExploded } from './explode/learn-exploded.ts';

/** The claim of a run key: which job the key's nth run is. */
export interface RunKeyClaim {
  readonly format: 1;
  readonly job: string;
  readonly digest: string;
}

/**
 * Reads a job that is committed (design.md 6: with a run key, only if the key names it); null if there provably is none.
 * Throws `newer` or `corrupt` for a job.json that can't be read.
 */
export async function readJob(store: ObjectStore, job: string): Promise<JobRecord | null> {
  const record = await readRecord(store, job);
  return record !== null && (await isCommitted(store, record)) ? record : null;
}

/** A job.json, committed or not; null if there provably is none. Throws as `readJob` does. */
export async function readRecord(store: ObjectStore, job: string): Promise<JobRecord | null> {
  const bytes = await store.read(jobKey(job));
  return bytes === null ? null : parseStored<JobRecord>(jobKey(job), bytes);
}

/** Whether the job's submission was committed. */
export async function isCommitted(store: ObjectStore, record: JobRecord): Promise<boolean> {
  if (record.runKey === null || record.runNumber === null) return true;
  const claim = await readClaim(store, record.runKey, record.runNumber);
  return claim?.job === record.job;
}

export async function readClaim(store: ObjectStore, runKey: string, number: number): Promise<RunKeyClaim | null> {
  const key = runKeyClaim(runKey, number);
  const bytes = await store.read(key);
  return bytes === null ? null : parseStored<RunKeyClaim>(key, bytes);
}

/** Brings a view up to date: reads the journal's entries after those it has seen, and what opened behind an `explode`. */
export async function refreshView(store: ObjectStore, view: JobView): Promise<JobView> {
  let now = view;
  for (;;) {
    const entry = await readEntry(store, view.record.job, now.next);
    if (entry === null) return learnExploded(store, now);
    now = foldJournal(now, [entry]);
  }
}

/** A job's view; null if there provably is no such job. */
export async function readView(store: ObjectStore, job: string): Promise<JobView | null> {
  const record = await readJob(store, job);
  return record === null ? null : refreshView(store, emptyView(record));
}

/** Like `readView`, but a missing job is an error of kind `notFound`. */
export async function mustReadView(store: ObjectStore, job: string): Promise<JobView> {
  const view = await readView(store, job);
  if (view !== null) return view;
  throw new BatchctlError('notFound', `there is no job ${job}`, { hint: 'batchctl jobs' });
}

/** Every entry of a job's journal, oldest first. */
export async function readEntries(store: ObjectStore, job: string): Promise<readonly JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for (let n = 0; ; n += 1) {
    const entry = await readEntry(store, job, n);
    if (entry === null) return entries;
    entries.push(entry);
  }
}

export async function readEntry(store: ObjectStore, job: string, n: number): Promise<JournalEntry | null> {
  const key = journalKey(job, n);
  const bytes = await store.read(key);
  return bytes === null ? null : parseStored<JournalEntry>(key, bytes);
}

/**
 * Appends what `decide` says, given the journal as it is at that moment; null from it appends nothing.
 * An append that loses its number reads again and decides again (law 2). Nothing is appended to a pruned job, whatever
 * `decide` says. Answers the view after it, and whether this call appended.
 */
export async function append(
  store: ObjectStore,
  view: JobView,
  by: { readonly who: string; readonly now: number },
  decide: (view: JobView) => EntryKind | null,
): Promise<{ readonly view: JobView; readonly appended: boolean }> {
  let now = await refreshView(store, view);
  const id = randomId(16);
  for (;;) {
    const kind = decide(now);
    if (kind === null || now.pruned !== null) return { view: now, appended: false };
    const entry: JournalEntry = { format: 1, id, when: new Date(by.now).toISOString(), who: by.who, ...kind };
    const key = journalKey(view.record.job, now.next);
    const { created } = await store.put(key, JSON.stringify(entry), { ifAbsent: true });
    const at = created ? entry : await readEntry(store, view.record.job, now.next);
    if (at !== null && at.id === id) return { view: foldJournal(now, [at]), appended: true };
    now = await refreshView(store, now);
  }
}
