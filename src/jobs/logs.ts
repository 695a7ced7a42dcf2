import type { Readable } from 'node:stream';
import { mapAhead } from '../lib/parallel.ts';
import { jitter, wait } from '../lib/wait.ts';
import { isClosed, type JobState } from '../model/job-state.ts';
import { failedKey, logKey, logPrefix, outKey, taskNumber } from '../model/keys.ts';
import type { LedgerTask } from '../model/ledger/records.ts';
import { isSkipped, type JobView, roundOf, stateOf } from '../model/view.ts';
import type { ObjectEntry, ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { failedTasks } from './failures.ts';
import { refreshView } from './journal.ts';
import { stepTotals } from './listing.ts';
import { refusePruned } from './pruned.ts';
import { ifLedgerAvailable } from './record-view.ts';
import type { TaskName } from './tasks.ts';

export interface StoredLog {
  readonly step: string;
  readonly task: number;
  readonly attempt: string;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  /** The log itself, which the caller must consume. Null if it was removed meanwhile. */
  open(): Promise<Readable | null>;
}

interface LogsFilter {
  /** Only the logs of one task. */
  readonly task: TaskName | undefined;
  /** Only tasks that failed for good. */
  readonly failed: boolean;
  /** Only logs after this one. */
  readonly after: LogPlace | undefined;
}

/** A log's place in a list by step, task and time. A log that grows moves on, so none is passed over. */
export interface LogPlace {
  readonly task: TaskName;
  readonly modified: number;
  readonly attempt: string;
}

/** The logs of a job's attempts, by step, task and time. Attempts that wrote nothing have none. */
export async function* listLogs(platform: Platform, view: JobView, filter: LogsFilter): AsyncGenerator<StoredLog> {
  refusePruned(view, 'its logs');
  const { job, spec } = view.record;
  for (const [step, { name }] of spec.steps.entries()) {
    if (filter.task !== undefined && filter.task.step !== step) continue;
    const failed = filter.failed ? await failedTasks(platform.store, view, step) : null;
    const { after } = filter;
    if (after !== undefined && step < after.task.step) continue;
    const one = filter.task === undefined ? '' : `${taskNumber(filter.task.task)}.`;
    const from = after?.task.step === step ? logKey(job, name, after.task.task, '') : undefined;
    const isAfter = (log: StoredLog): boolean => from === undefined || comesAfter(log, after);
    let ofTask: readonly StoredLog[] = [];
    const listing = platform.store.list(`${logPrefix(job, name)}${one}`, from === undefined ? {} : { from });
    for await (const { key, size, modified } of listing) {
      const match = LOG_NAME.exec(key);
      if (match?.[1] === undefined || match[2] === undefined) continue;
      const task = Number(match[1]);
      if (failed !== null && !failed.has(task)) continue;
      const open = async (): Promise<Readable | null> => (await platform.store.get(key))?.body ?? null;
      const log = { step: name, task, attempt: match[2], bytes: size, open, modified };
      if (ofTask[0]?.task === task) ofTask = [...ofTask, log];
      else {
        yield* byTime(ofTask).filter(isAfter);
        ofTask = [log];
      }
    }
    yield* byTime(ofTask).filter(isAfter);
  }
}

/** The store lists a task's attempts by their random ids. */
const byTime = (logs: readonly StoredLog[]): readonly StoredLog[] =>
  logs.toSorted((one, other) => one.modified - other.modified || (one.attempt < other.attempt ? -1 : 1));

function comesAfter(log: StoredLog, place: LogPlace | undefined): boolean {
  if (place === undefined || log.task !== place.task.task) return true;
  return log.modified > place.modified || (log.modified === place.modified && log.attempt > place.attempt);
}

/** The new bytes of an attempt's log. */
interface LogPiece {
  readonly attempt: string;
  readonly bytes: Uint8Array;
}

/** Why following ended: the task is decided or skipped, its job is closed, or Ctrl-C. */
export type LogEnd = 'done' | 'failed' | 'skipped' | 'cancelled' | 'closed' | 'interrupted';

const LONGEST_POLL_MS = 5_000;

/**
 * Yields what a task's attempts have written to stderr, and then what they write, as their workers upload it (every
 * third of a lease, at most every 30 s), until the task is decided. Includes later attempts. Throws `notFound` for a
 * pruned job.
 */
export async function* followLog(
  platform: Platform,
  seen: JobView,
  task: TaskName,
  signal: AbortSignal,
): AsyncGenerator<LogPiece, LogEnd> {
  refusePruned(seen, 'its logs');
  const { store, clock, leaseSeconds } = platform;
  const pollMs = Math.min(LONGEST_POLL_MS, (leaseSeconds * 1_000) / 6);
  const prefix = logKey(seen.record.job, task.name, task.task, '');
  const reader = new LogReader(store);
  let view = seen;
  let closedAt: number | null = null;
  for (;;) {
    view = await refreshView(store, view);
    // Read the state before the logs: the last write to a log precedes the decision.
    const decided = await decisionOf(store, view, task);
    const closed = closedBy(view, task);
    closedAt = closed === null ? null : (closedAt ?? clock.monotonic());
    for await (const { log, bytes } of reader.read(store.list(prefix))) {
      yield { attempt: log.key.slice(prefix.length), bytes };
    }
    if (decided !== null) return decided;
    // A closed job's attempts end at their worker's next heartbeat, which then uploads their logs.
    if (closed !== null && closedAt !== null && clock.monotonic() - closedAt >= leaseSeconds * 1_000) return closed;
    if (signal.aborted) return 'interrupted';
    await wait(jitter(pollMs), signal);
  }
}

/** The new bytes of a task's log. */
export interface JobLogPiece extends LogPiece {
  readonly step: string;
  readonly task: number;
}

/** The number of logs read at a time, and thus in memory. */
const READ_AT_ONCE = 8;
/** Up to this many tasks, all logs of a job are checked each time; above, only those of running tasks. */
const MOST_LISTED = 10_000;
/** Tasks that are followed at a time. */
const MOST_FOLLOWED = 1_000;

/**
 * Yields what a job's running tasks have written to stderr, and then what all its tasks write, those that begin later
 * included, until the job is closed. Skips tasks that had already ended. For a job with more than 10,000 tasks, follows
 * up to 1,000 running ones; one that begins and ends between two looks may be missed.
 */
export async function* followJobLogs(
  platform: Platform,
  seen: JobView,
  signal: AbortSignal,
): AsyncGenerator<JobLogPiece, JobState | 'interrupted'> {
  refusePruned(seen, 'its logs');
  const { store, clock, leaseSeconds } = platform;
  const pollMs = Math.min(LONGEST_POLL_MS, (leaseSeconds * 1_000) / 6);
  const { job } = seen.record;
  const reader = new LogReader(store);
  let view = seen;
  let first = true;
  let closedAt: number | null = null;
  let before: Tasks = new Map();
  for (;;) {
    view = await refreshView(store, view);
    const state = stateOf(view);
    // Read the state before the logs: the last write to a log precedes the decision.
    const running = await runningTasks(platform, job);
    // A task's last bytes are stored once it no longer runs.
    const logs = logsOf(platform, view, new Map([...before, ...running]));
    before = running;
    const skips = (log: Log): boolean => first && !running.has(nameOf(log));
    for await (const { log, bytes } of reader.read(logs, skips)) {
      yield { step: log.step, task: log.task, attempt: log.attempt, bytes };
    }
    closedAt = isClosed(state) ? (closedAt ?? clock.monotonic()) : null;
    // Other closed jobs' attempts end at their worker's next heartbeat, which then uploads their logs.
    const patience = first || state === 'succeeded' || running.size === 0 ? 0 : leaseSeconds * 1_000;
    if (closedAt !== null && clock.monotonic() - closedAt >= patience) return state;
    if (signal.aborted) return 'interrupted';
    first = false;
    await wait(jitter(pollMs), signal);
  }
}

interface KnownLog {
  readonly etag: string;
  readonly shown: Shown;
}

type Tasks = ReadonlyMap<string, LedgerTask>;

const nameOf = ({ step, task }: { readonly step: string; readonly task: number }): string => `${step}/${task}`;

/** By name, up to `MOST_FOLLOWED`; none while the ledger is unavailable. */
async function runningTasks(platform: Platform, job: string): Promise<Tasks> {
  let found: readonly LedgerTask[] = [];
  await ifLedgerAvailable(async () => {
    found = await (await platform.ledger()).tasks(job, { states: ['running'], limit: MOST_FOLLOWED });
  });
  return new Map(found.map((task) => [nameOf(task), task]));
}

interface Log extends ObjectEntry {
  readonly step: string;
  readonly task: number;
  readonly attempt: string;
}

async function* logsOf({ store }: Platform, view: JobView, running: Tasks): AsyncGenerator<Log> {
  const { job, spec } = view.record;
  const total = stepTotals(view).reduce((sum, size) => sum + size, 0);
  const prefixes =
    total <= MOST_LISTED
      ? spec.steps.map(({ name }) => ({ step: name, prefix: logPrefix(job, name) }))
      : [...running.values()].map(({ step, task }) => ({ step, prefix: logKey(job, step, task, '') }));
  for (const { step, prefix } of prefixes) {
    for await (const entry of store.list(prefix)) {
      const [, task, attempt] = LOG_NAME.exec(entry.key) ?? [];
      if (task !== undefined && attempt !== undefined) yield { ...entry, step, task: Number(task), attempt };
    }
  }
}

const LOG_NAME = /\/log\/(\d{9})\.([^/]+)$/;

async function decisionOf(store: ObjectStore, view: JobView, task: TaskName): Promise<'done' | 'failed' | null> {
  const { job } = view.record;
  if ((await store.head(outKey(job, task.name, task.task))) !== null) return 'done';
  const round = roundOf(view, task.step, task.task);
  return (await store.head(failedKey(job, task.name, task.task, round))) === null ? null : 'failed';
}

function closedBy(view: JobView, task: TaskName): LogEnd | null {
  if (isSkipped(view, task.step, task.task)) return 'skipped';
  const state = stateOf(view);
  if (state === 'cancelled') return 'cancelled';
  return isClosed(state) ? 'closed' : null;
}

/** Shows logs; each is read again when it changes. */
class LogReader {
  readonly #store: ObjectStore;
  #known = new Map<string, KnownLog>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /**
   * Yields what was not shown yet of the listed logs, in order of their last write. Of a log that `skips` names, what
   * it holds now counts as shown. Forgets logs that are no longer listed.
   */
  async *read<Entry extends ObjectEntry>(
    listed: AsyncIterable<Entry>,
    skips: (log: Entry) => boolean = () => false,
  ): AsyncGenerator<{ readonly log: Entry; readonly bytes: Uint8Array }> {
    const known = new Map<string, KnownLog>();
    const changed: Entry[] = [];
    for await (const log of listed) {
      const { key, etag, size } = log;
      const before = this.#known.get(key) ?? UNSEEN;
      const skipped = skips(log);
      known.set(key, skipped ? { etag, shown: { ...NOTHING_SHOWN, length: size } } : before);
      if (!skipped && before.etag !== etag) changed.push(log);
    }
    this.#known = known;
    changed.sort((a, b) => a.modified - b.modified);
    const read = async (log: Entry) => ({ log, whole: await this.#store.read(log.key) });
    for await (const { log, whole } of mapAhead(changed, READ_AT_ONCE, read)) {
      if (whole === null) continue;
      const bytes = unshownBytes(known.get(log.key)?.shown ?? NOTHING_SHOWN, whole);
      known.set(log.key, { etag: log.etag, shown: shownOf(whole) });
      if (bytes.length > 0) yield { log, bytes };
    }
  }
}

/** How much of a log was shown: its length and its last bytes, which locate the position in a truncated log. */
export interface Shown {
  readonly length: number;
  readonly end: Uint8Array;
}

const END = 1_024;

export const NOTHING_SHOWN: Shown = { length: 0, end: new Uint8Array() };

const UNSEEN: KnownLog = { etag: '', shown: NOTHING_SHOWN };

/** The state after all of `log` was shown. */
export function shownOf(log: Uint8Array): Shown {
  return { length: log.length, end: log.slice(-END) };
}

/** The state after `more` was shown, too. */
export function shownWith({ length, end }: Shown, more: Uint8Array): Shown {
  return { length: length + more.length, end: shownOf(Buffer.concat([end, more])).end };
}

/**
 * The part of a log that was not shown yet. A log grows at its end; a long one is also truncated at its beginning,
 * under a line that says so. Then the bytes shown last mark the position; if they are gone, everything is new.
 */
export function unshownBytes(shown: Shown, log: Uint8Array): Uint8Array {
  if (shown.length === 0) return log;
  const { length, end } = shown;
  if (log.length >= length && equal(log.subarray(length - end.length, length), end)) return log.subarray(length);
  const at = lastIndexOf(log, end);
  return at < 0 ? log : log.subarray(at + end.length);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function lastIndexOf(log: Uint8Array, end: Uint8Array): number {
  const last = end.at(-1);
  for (let at = log.length - end.length; at >= 0; at -= 1) {
    if (log[at + end.length - 1] === last && equal(log.subarray(at, at + end.length), end)) return at;
  }
  return -1;
}
