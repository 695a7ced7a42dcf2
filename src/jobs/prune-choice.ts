import { isKind } from '../errors.ts';
import { ahead } from '../lib/ahead.ts';
import { deliveryOf } from '../model/delivery.ts';
import type { JobState } from '../model/job.ts';
import type { JournalEntry } from '../model/journal.ts';
import { JOBS, jobPrefix, proofsPrefix } from '../model/keys.ts';
import { emptyView, foldJournal, type JobView, stateOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { marksDelivery } from './deliver/deliver.ts';
import { storedIds } from './find.ts';
import { readEntries, readJob } from './journal.ts';
import { openReaders } from './open-readers.ts';
import { readPrunedMark } from './pruned.ts';

/** A job whose outputs prune may remove, with few fields, as there may be many. */
export interface Prunable {
  readonly job: string;
  /** Number of its next journal entry at the time of the choice: a job that moved since was not chosen. */
  readonly next: number;
  readonly state: JobState;
  /** ISO-8601 UTC. */
  readonly closedAt: string | null;
  readonly parts: number;
  /** True if a proof is stored. */
  readonly proof: boolean;
  /** An earlier prune started on it, so no confirmation is needed. */
  readonly begun: boolean;
}

/** A job that is kept, and why: `open`, `recent`, `undelivered`, `read` by an open job, `unreadable`. */
export interface Spared {
  readonly job: string;
  readonly why: 'open' | 'recent' | 'undelivered' | 'read' | 'unreadable';
  /** The job that reads it, where it is to be delivered, or what is wrong with it. */
  readonly detail: string | null;
}

export interface PruneChoice {
  /** In order of their end. */
  readonly jobs: readonly Prunable[];
  readonly spared: readonly Spared[];
  /** Below `jobs/`, but never committed. */
  readonly uncommitted: readonly string[];
  /** Hashes of the code that jobs use; null while a job can't be read, as its code is unknown. */
  readonly code: ReadonlySet<string> | null;
}

/** Jobs looked at ahead. */
const AHEAD = 8;
/** How long later prunes remove what an attempt published after the prune. */
const SWEEP_MS = 2 * 24 * 3_600_000;

type Seen =
  | { readonly kind: 'done'; readonly job: string }
  | { readonly kind: 'uncommitted'; readonly job: string }
  | { readonly kind: 'unreadable'; readonly job: string; readonly detail: string }
  | { readonly kind: 'job'; readonly view: JobView; readonly code: readonly string[]; readonly proof: boolean };

/**
 * Checks every job in the store: which closed longer than `olderThan` milliseconds ago, and may be removed. Holds the
 * records and journals of a few jobs at a time; the result has one line per job.
 */
export async function choosePrunable(platform: Platform, olderThan: number): Promise<PruneChoice> {
  const { store, clock } = platform;
  const now = clock.now();
  const read = await readByOpenJobs(store, now);
  const code = new Set<string>();
  const [jobs, spared, uncommitted]: [Prunable[], Spared[], string[]] = [[], [], []];
  for await (const seen of ahead(storedIds(store), AHEAD, (job) => lookAt(store, job, now))) {
    if (seen.kind === 'done') continue;
    if (seen.kind === 'uncommitted') uncommitted.push(seen.job);
    else if (seen.kind === 'unreadable') spared.push({ job: seen.job, why: 'unreadable', detail: seen.detail });
    else {
      const { view, proof } = seen;
      const { job } = view.record;
      const why = sparedBecause(view, now - olderThan, read.get(job)) ?? undelivered(platform, view);
      if (why === null) jobs.push(prunableOf(view, proof));
      else {
        spared.push({ job, ...why });
        for (const hash of seen.code) code.add(hash);
      }
    }
  }
  const known = spared.every(({ why }) => why !== 'unreadable');
  return { jobs: jobs.sort(longestEnded), spared, uncommitted, code: known ? code : null };
}

function prunableOf(view: JobView, proof: boolean): Prunable {
  const { record, next, closed, pruned } = view;
  const { job, parts } = record;
  return { job, next, state: stateOf(view), closedAt: closed?.when ?? null, parts, proof, begun: pruned !== null };
}

/** Oldest first, so that an interrupted prune has removed the oldest. */
function longestEnded(a: Prunable, b: Prunable): number {
  const [left, right] = [a.closedAt ?? '', b.closedAt ?? ''];
  return left < right ? -1 : Number(left > right);
}

function sparedBecause(view: JobView, before: number, reader: string | undefined): Omit<Spared, 'job'> | null {
  const { closed } = view;
  if (view.pruned !== null) return reader === undefined ? null : { why: 'read', detail: reader };
  if (closed === null) return { why: 'open', detail: stateOf(view) };
  if (Date.parse(closed.when) > before) return { why: 'recent', detail: closed.when };
  return reader === undefined ? null : { why: 'read', detail: reader };
}

/** Jobs with outputs still to be delivered; given-up or impossible deliveries don't hold back a prune. */
function undelivered(platform: Platform, view: JobView): Omit<Spared, 'job'> | null {
  const delivery = deliveryOf(view);
  const tried = delivery?.state === 'due' || delivery?.state === 'failing';
  return delivery !== null && tried && marksDelivery(platform, view)
    ? { why: 'undelivered', detail: delivery.to }
    : null;
}

async function lookAt(store: ObjectStore, job: string, now: number): Promise<Seen> {
  try {
    const mark = await readPrunedMark(store, job);
    if (mark?.finished === true && now - Date.parse(mark.when) > SWEEP_MS) return { kind: 'done', job };
    const record = await readJob(store, job);
    if (record === null) return { kind: 'uncommitted', job };
    const entries = await readEntries(store, job);
    const view = foldJournal(emptyView(record), entries);
    const code = [record.code, ...entries.map(codeOfEntry)].filter((hash) => typeof hash === 'string');
    return { kind: 'job', view, code, proof: await hasAny(store, proofsPrefix(job)) };
  } catch (error) {
    if (!isKind(error, 'corrupt', 'newer')) throw error;
    return { kind: 'unreadable', job, detail: error.message };
  }
}

function codeOfEntry(entry: JournalEntry): string | null {
  return entry.what === 'retry' ? (entry.overrides.code ?? null) : null;
}

async function hasAny(store: ObjectStore, prefix: string): Promise<boolean> {
  for await (const _ of store.keys(prefix)) return true;
  return false;
}

/** An open job that reads the job's outputs; null for none. */
export async function readerOf(store: ObjectStore, job: string): Promise<string | null> {
  const [reader] = (await openReaders(store, (key) => key.startsWith(jobPrefix(job)), { uncommitted: true })).values();
  return reader ?? null;
}

/** The jobs whose outputs open jobs read, each with such a reader. */
async function readByOpenJobs(store: ObjectStore, now: number): Promise<ReadonlyMap<string, string>> {
  const sources = new Map<string, string>();
  // A choice writes nothing, so it uses this machine's clock; the removal checks again by the store's.
  const options = { uncommitted: true, now: async () => now };
  for (const [key, reader] of await openReaders(store, (key) => key.startsWith(JOBS), options)) {
    const source = key.split('/')[1];
    if (source !== undefined) sources.set(source, reader);
  }
  return sources;
}
