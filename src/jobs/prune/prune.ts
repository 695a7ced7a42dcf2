import { BatchctlError, isKind } from '../../errors.ts';
import { bytesChecksum } from '../../lib/file-checksum.ts';
import { mapAhead } from '../../lib/parallel.ts';
import type { PruneAnswer, PrunedJob, SparedJob } from '../../model/answers/data.ts';
import { deliveryOf } from '../../model/delivery.ts';
import { emptyView, foldJournal } from '../../model/fold.ts';
import type { JobState } from '../../model/job-state.ts';
import type { JournalEntry } from '../../model/journal.ts';
import {
  JOBS_PREFIX,
  jobKey,
  jobPrefix,
  journalKey,
  journalPrefix,
  OPEN_PREFIX,
  openedKey,
  proofsPrefix,
  prunedKey,
} from '../../model/keys.ts';
import type { ExactCounts } from '../../model/ledger/records.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { ObjectEntry, ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { isDeliveredByWatchers } from '../deliver/deliver.ts';
import { addRemoved, type RemovalTotals, type RemoveOptions, removeKeys, removeListed } from '../discard.ts';
import { storedIds } from '../find.ts';
import { append, readEntries, readJob, readView } from '../journal.ts';
import { findOpenReaders } from '../open-jobs.ts';
import { forgetPruned, markChecksum, type PrunedMark, readPrunedMark } from '../pruned.ts';
import { remainsOf } from '../verify/remains.ts';
import { rebuildLedger } from '../verify/repair.ts';
import { type LeftoverChoice, pruneLeftovers } from './leftovers.ts';

export interface PruneResult {
  readonly jobs: readonly PrunedJob[];
  readonly spared: readonly SparedJob[];
  readonly leftovers: PruneAnswer['leftovers'];
  readonly total: RemovalTotals;
}

/**
 * Removes the chosen jobs one by one, then leftovers. Several may run at once, and any may be interrupted; the next one
 * continues. `olderThan` in milliseconds.
 */
export async function prune(
  platform: Platform,
  choice: PruneChoice,
  olderThan: number,
  options: RemoveOptions,
): Promise<PruneResult> {
  const jobs: PrunedJob[] = [];
  const spared = [...choice.spared];
  for (const chosen of choice.jobs) {
    options.signal?.throwIfAborted();
    const { job, state, closedAt, proof, begun } = chosen;
    const removed = await pruneChosen(platform, chosen, options).catch((error: unknown) => {
      if (!isKind(error, 'corrupt', 'newer')) throw error;
      return { unreadable: error.message };
    });
    if (removed !== null && 'unreadable' in removed)
      spared.push({ job, why: 'unreadable', detail: removed.unreadable });
    else if (removed === null) spared.push({ job, why: 'open', detail: 'it was reopened meanwhile' });
    else if ('readBy' in removed) spared.push({ job, why: 'read', detail: removed.readBy });
    // Swept again without finding anything: not worth a line.
    else if (!begun || removed.objects > 0) jobs.push({ job, state, closedAt, proof, ...removed });
  }
  // A chosen job that stays after all keeps its code.
  const code = spared.length === choice.spared.length ? choice.code : null;
  const leftovers = await pruneLeftovers(platform, { ...choice, code }, olderThan, options);
  const total = [...jobs, ...Object.values(leftovers)].reduce<RemovalTotals>(addRemoved, { objects: 0, bytes: 0 });
  return { jobs, spared, leftovers, total };
}

/** Null for a job whose journal changed since it was chosen, unless by another prune. */
async function pruneChosen(
  platform: Platform,
  { job, next }: Prunable,
  options: RemoveOptions,
): Promise<RemovalTotals | { readonly readBy: string } | null> {
  const view = await readView(platform.store, job);
  if (view === null || (view.next !== next && view.pruned === null)) return null;
  return pruneJob(platform, view, options);
}

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

export interface PruneChoice extends LeftoverChoice {
  /** In order of their end. */
  readonly jobs: readonly Prunable[];
  readonly spared: readonly SparedJob[];
}

/** Jobs looked at ahead. */
const AHEAD = 8;

/** How long later prunes remove what an attempt published after the prune. */
const SWEEP_MS = 2 * 24 * 3_600_000;

type Candidate =
  | { readonly kind: 'done'; readonly job: string }
  | { readonly kind: 'uncommitted'; readonly job: string }
  | { readonly kind: 'unreadable'; readonly job: string; readonly detail: string }
  | { readonly kind: 'job'; readonly view: JobView; readonly code: readonly string[]; readonly proof: boolean };

/**
 * Finds jobs that closed more than `olderThan` milliseconds ago and may be removed. Holds the records and journals of a
 * few jobs at a time; the result has one line per job.
 */
export async function choosePrunable(platform: Platform, olderThan: number): Promise<PruneChoice> {
  const { store, clock } = platform;
  const now = clock.now();
  const read = await findReaders(store, now);
  const code = new Set<string>();
  const [jobs, spared, uncommitted]: [Prunable[], SparedJob[], string[]] = [[], [], []];
  for await (const seen of mapAhead(storedIds(store), AHEAD, (job) => readCandidate(store, job, now))) {
    if (seen.kind === 'done') continue;
    if (seen.kind === 'uncommitted') uncommitted.push(seen.job);
    else if (seen.kind === 'unreadable') spared.push({ job: seen.job, why: 'unreadable', detail: seen.detail });
    else {
      const { view, proof } = seen;
      const { job } = view.record;
      const why = spareReason(view, now - olderThan, read.get(job)) ?? undeliveredReason(platform, view);
      if (why === null) jobs.push(prunableOf(view, proof));
      else {
        spared.push({ job, ...why });
        for (const hash of seen.code) code.add(hash);
      }
    }
  }
  const known = spared.every(({ why }) => why !== 'unreadable');
  return { jobs: jobs.sort(compareCloseTime), spared, uncommitted, code: known ? code : null };
}

function prunableOf(view: JobView, proof: boolean): Prunable {
  const { record, next, closed, pruned } = view;
  const { job, parts } = record;
  return { job, next, state: stateOf(view), closedAt: closed?.when ?? null, parts, proof, begun: pruned !== null };
}

/** Oldest first, so that an interrupted prune has removed the oldest. */
function compareCloseTime(a: Prunable, b: Prunable): number {
  const [left, right] = [a.closedAt ?? '', b.closedAt ?? ''];
  return left < right ? -1 : Number(left > right);
}

function spareReason(view: JobView, before: number, reader: string | undefined): Omit<SparedJob, 'job'> | null {
  const { closed } = view;
  if (view.pruned !== null) return reader === undefined ? null : { why: 'read', detail: reader };
  if (closed === null) return { why: 'open', detail: stateOf(view) };
  if (Date.parse(closed.when) > before) return { why: 'recent', detail: closed.when };
  return reader === undefined ? null : { why: 'read', detail: reader };
}

/** Jobs with outputs still to be delivered; given-up or impossible deliveries don't hold back a prune. */
function undeliveredReason(platform: Platform, view: JobView): Omit<SparedJob, 'job'> | null {
  const delivery = deliveryOf(view);
  const tried = delivery?.state === 'due' || delivery?.state === 'failing';
  return delivery !== null && tried && isDeliveredByWatchers(platform, view)
    ? { why: 'undelivered', detail: delivery.to }
    : null;
}

async function readCandidate(store: ObjectStore, job: string, now: number): Promise<Candidate> {
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
  const [reader] = (
    await findOpenReaders(store, (key) => key.startsWith(jobPrefix(job)), { uncommitted: true })
  ).values();
  return reader ?? null;
}

/** The jobs whose outputs open jobs read, each with such a reader. */
async function findReaders(store: ObjectStore, now: number): Promise<ReadonlyMap<string, string>> {
  const sources = new Map<string, string>();
  // A choice writes nothing, so it uses this machine's clock; the removal checks again by the store's.
  const options = { uncommitted: true, now: async () => now };
  for (const [key, reader] of await findOpenReaders(store, (key) => key.startsWith(JOBS_PREFIX), options)) {
    const source = key.split('/')[1];
    if (source !== undefined) sources.set(source, reader);
  }
  return sources;
}

/**
 * Removes what a closed job wrote, and keeps its job.json, journal, proofs and openings. First writes a journal entry:
 * from then on the job can't be reopened, and workers drop its messages. Then records the results of its steps, and
 * then removes objects. If interrupted, the job counts as pruned, and the next prune continues; several may run at
 * once. Returns null if another entry came first, so that the job must not be pruned any more. Removes nothing while an
 * open job, which it names, reads the outputs.
 */
export async function pruneJob(
  platform: Platform,
  seen: JobView,
  options: RemoveOptions,
): Promise<RemovalTotals | { readonly readBy: string } | null> {
  if (options.dryRun === true) return removeListed(platform.store, removable(platform, seen), options);
  const view = await appendPrune(platform, seen);
  if (view.pruned === null) return null;
  const { job } = view.record;
  const mark = (await readPrunedMark(platform.store, job)) ?? (await createPrunedMark(platform, view, view.pruned));
  // An input of a job submitted meanwhile: it can be removed once that job is closed.
  const readBy = await readerOf(platform.store, job);
  if (readBy !== null) return { readBy };
  const removed = await removeListed(platform.store, removable(platform, view), options);
  if (mark.finished && removed.objects === 0) return removed;
  await removeKeys(platform.store, platform.store.keys(`${OPEN_PREFIX}${job}.`));
  await forgetPruned(platform, view, mark);
  await platform.store.put(prunedKey(job), JSON.stringify({ ...mark, finished: true } satisfies PrunedMark));
  return removed;
}

/** The decision: of a concurrent retry and prune, the later one finds the other in the journal. */
async function appendPrune(platform: Platform, seen: JobView): Promise<JobView> {
  const remains = seen.pruned === null ? await remainsOf(platform.store, seen) : {};
  // Outputs that can't be counted are found before the decision, which is final.
  if (seen.pruned === null) await countsOf(platform, seen);
  const { view } = await append(platform, seen, (now) =>
    now.pruned === null && now.closed !== null && now.next === seen.next ? { what: 'prune', remains } : null,
  );
  return view;
}

async function createPrunedMark(
  platform: Platform,
  view: JobView,
  { who, when }: NonNullable<JobView['pruned']>,
): Promise<PrunedMark> {
  const { job } = view.record;
  const key = journalKey(job, view.next - 1);
  const bytes = await platform.store.read(key);
  if (bytes === null) {
    throw new BatchctlError('corrupt', `${key} is gone`, { hint: 'restore it from a backup, then prune again' });
  }
  const steps = await countsOf(platform, view);
  const counted = {
    format: 1,
    when,
    who,
    steps,
    finished: false,
    entry: bytesChecksum(bytes),
  } as const;
  const mark: PrunedMark = { ...counted, checksum: markChecksum(counted) };
  const { created } = await platform.store.put(prunedKey(job), JSON.stringify(mark), { ifAbsent: true });
  return created ? mark : ((await readPrunedMark(platform.store, job)) ?? mark);
}

/** The ledger's counts if they are exact; otherwise the store is listed a last time. */
async function countsOf(platform: Platform, view: JobView): Promise<readonly ExactCounts[]> {
  const known = await (await platform.ledger()).counts(view.record.job);
  const whole = known.length === view.record.spec.steps.length && known.every(({ exact }) => exact);
  if (!whole) return (await rebuildLedger(platform, view)).exact;
  return known.map(({ step, done, failed, bytesIn, bytesOut, seconds, counters }) => ({
    step,
    done,
    failed,
    bytesIn,
    bytesOut,
    seconds,
    counters,
  }));
}

async function* removable({ store }: Platform, { record: { job, spec } }: JobView): AsyncGenerator<ObjectEntry> {
  // opened.json records a step's number of tasks, and what was left out.
  const kept = new Set([jobKey(job), prunedKey(job), ...spec.steps.map(({ name }) => openedKey(job, name))]);
  const below = [journalPrefix(job), proofsPrefix(job)];
  for await (const entry of store.list(jobPrefix(job))) {
    if (!kept.has(entry.key) && !below.some((prefix) => entry.key.startsWith(prefix))) yield entry;
  }
}
