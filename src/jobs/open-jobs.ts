import { BatchctlError, isKind, nullIfUnreadable } from '../errors.ts';
import { randomId } from '../lib/id.ts';
import { isRecord, isText, parseObject } from '../lib/json.ts';
import { emptyView } from '../model/fold.ts';
import { groupBy } from '../model/group-by.ts';
import { groupsOf, type JobInput, type JobRecord } from '../model/job.ts';
import type { JobState } from '../model/job-state.ts';
import { jobKey, OPEN_PREFIX, parseOpenMark } from '../model/keys.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { peekIfReadable } from './denied-job.ts';
import { ABANDONED_MS, storeTime } from './discard.ts';
import { readJob, readRecord, refreshView } from './journal.ts';
import { isUnreached, type RoundMark } from './round-marks.ts';

interface ReadersOptions {
  /** True: include submissions that have written their job.json but not claimed their run key yet. */
  readonly uncommitted?: boolean;
  /** The store's time, read only if the age of a mark matters; by default from the store itself, by a put. */
  readonly now?: () => Promise<number>;
}

/**
 * The full keys that open jobs read and for which `wanted` returns true, each with the id of such a job. `checksum`: that
 * of the input, as the job was accepted; null if unknown.
 */
export async function findOpenReaders(
  store: ObjectStore,
  wanted: (key: string, checksum: string | null) => boolean,
  { uncommitted = false, now = () => storeTime({ store, who: `reader-${randomId(8)}` }) }: ReadersOptions = {},
): Promise<ReadonlyMap<string, string>> {
  const readers = new Map<string, string>();
  for (const [job, its] of await openMarks(store)) {
    const of = await inputsOf(store, job, uncommitted);
    const read = keysRead(of.inputs, store.location).flatMap(({ key, checksum }) =>
      wanted(key, checksum) ? [key] : [],
    );
    if (read.length === 0) continue;
    // A job that can't be read may be open.
    if (of.record !== null && (await isOpenByMarks(store, of.record, its, now).catch(nullIfUnreadable)) === false)
      continue;
    for (const key of read) readers.set(key, job);
  }
  return readers;
}

/** Ids of jobs with an open mark, whether committed or not. */
export async function openJobs(store: ObjectStore): Promise<readonly string[]> {
  const jobs = new Set<string>();
  for await (const key of store.keys(OPEN_PREFIX)) {
    const mark = parseOpenMark(key);
    if (mark !== null) jobs.add(mark.job);
  }
  return [...jobs];
}

/** The jobs whose tasks run or wait to run, or that are in one of the given states. Skips jobs that can't be read. */
export async function runningViews(
  platform: Platform,
  states: readonly JobState[] = ['running'],
): Promise<readonly JobView[]> {
  const jobs = await openJobs(platform.store);
  const views = await Promise.all(jobs.map((job) => peekIfReadable(platform.store, job)));
  return views.filter((view) => view !== null).filter((view) => states.includes(stateOf(view)));
}

/** The marks of open jobs, by job. */
async function openMarks(store: ObjectStore): Promise<ReadonlyMap<string, readonly RoundMark[]>> {
  const marks: (RoundMark & { readonly job: string })[] = [];
  for await (const { key, modified } of store.list(OPEN_PREFIX)) {
    const mark = parseOpenMark(key);
    if (mark !== null) marks.push({ ...mark, key, modified });
  }
  return groupBy(marks, ({ job }) => job);
}

type ReadInput = Pick<JobInput, 'source' | 'checksum'>;

/**
 * A job's inputs; `record` is null for a job that this version can't read. Its inputs are looked up all the same, so
 * that it protects them and blocks nothing else. Throws `newer` if they are not listed as this version knows; a job.json
 * that is no JSON is no job that any version runs.
 */
async function inputsOf(
  store: ObjectStore,
  job: string,
  uncommitted: boolean,
): Promise<{ readonly record: JobRecord | null; readonly inputs: readonly ReadInput[] }> {
  try {
    const record = await (uncommitted ? readRecord(store, job) : readJob(store, job));
    return { record, inputs: record?.inputs ?? [] };
  } catch (error) {
    if (!isKind(error, 'newer', 'corrupt')) throw error;
    const bytes = await store.read(jobKey(job));
    const found = bytes === null ? null : parseObject(new TextDecoder().decode(bytes));
    const inputs = Array.isArray(found?.inputs) ? found.inputs.map(readableInput) : null;
    if (inputs?.every((input) => input !== null) === true) return { record: null, inputs };
    if (error.kind === 'newer') throw error;
    return { record: null, inputs: [] };
  }
}

/** Null for an input of a kind that this version doesn't know. */
function readableInput(input: unknown): ReadInput | null {
  if (!isRecord(input) || !isRecord(input.source)) return null;
  const { kind, key, bucket } = input.source;
  const known = kind === 'store' ? isText(key) : kind === 's3' ? isText(key) && isText(bucket) : isText(kind);
  const checksum = isText(input.checksum) ? input.checksum : null;
  return known ? { source: input.source as unknown as JobInput['source'], checksum } : null;
}

/** An input given as a full URL may be in this very store, whose location is `location`. */
function keysRead(
  inputs: readonly ReadInput[],
  location: string,
): readonly { readonly key: string; readonly checksum: string | null }[] {
  return inputs.flatMap(({ source, checksum }) => {
    if (source.kind === 'store') return [{ key: source.key, checksum }];
    // Such an input can't be restored: workers read the very version that was accepted.
    const whole = source.kind === 's3' ? `s3://${source.bucket}/${source.key}` : '';
    return whole.startsWith(`${location}/`) ? [{ key: whole.slice(location.length + 1), checksum: null }] : [];
  });
}

/**
 * A mark may outlive the close that should have deleted it. A retry's mark precedes its entry, and counts as open
 * unless that entry never came because the retry died.
 */
async function isOpenByMarks(
  store: ObjectStore,
  record: JobRecord,
  marks: readonly RoundMark[],
  now: () => Promise<number>,
): Promise<boolean> {
  const view = await refreshView(store, emptyView(record));
  const { closed } = view;
  if (closed === null) return true;
  const later = marks.filter(({ round }) => round > closed.round);
  if (later.length === 0) return false;
  const at = await now();
  return later.some((mark) => !isUnreached(view, mark, at));
}

/** The refusal to change an object that a job reads. `act` is the request: `replace`, `remove`. */
export function inUseError(key: string, job: string, act: string): BatchctlError {
  return new BatchctlError('refused', `won't ${act} ${key}: the open job ${job} reads it`, {
    hint: `wait for it (batchctl wait ${job}), or end it (batchctl cancel ${job})`,
  });
}

const NAMED = 5;

/**
 * Throws `refused`, naming the open jobs of one group or of any: what they need must stay. A missing bucket
 * has no open jobs; any other error of the store is thrown.
 */
export async function requireNoOpenJobs(platform: Platform, group: string | null, act: string): Promise<void> {
  const jobs = await unfinishedJobs(platform, group);
  const [first] = jobs;
  if (first === undefined) return;
  const more = jobs.length > NAMED ? `, and ${jobs.length - NAMED} more` : '';
  const text = `${jobs.length} unfinished: ${jobs.slice(0, NAMED).join(', ')}${more}`;
  throw new BatchctlError('refused', `won't ${act} while jobs are unfinished: ${text}`, {
    hint: `wait for each (batchctl wait ${first}), or end it (batchctl cancel ${first})`,
  });
}

async function unfinishedJobs(platform: Platform, group: string | null): Promise<readonly string[]> {
  const marks = await openMarks(platform.store).catch((error: unknown) => {
    if (isKind(error, 'notFound')) return [];
    throw error;
  });
  const open: string[] = [];
  for (const [job, its] of marks) if (await isOpen(platform, job, its, group)) open.push(job);
  return open;
}

/**
 * A mark without a committed job is a submission under way, or for a day one that may be. Uses this machine's
 * clock, because asking for the store's needs write access; AWS rejects requests if the clock is minutes off.
 */
async function isOpen(
  platform: Platform,
  job: string,
  marks: readonly RoundMark[],
  group: string | null,
): Promise<boolean> {
  const record = await readJob(platform.store, job);
  if (record === null) {
    return marks.some(({ modified }) => platform.clock.now() - modified < ABANDONED_MS);
  }
  if (group !== null && !groupsOf(record.spec).includes(group)) return false;
  return isOpenByMarks(platform.store, record, marks, async () => platform.clock.now());
}
