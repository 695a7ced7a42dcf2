import { BatchctlError, isKind } from '../errors.ts';
import { parseStored } from '../lib/json.ts';
import { eachParallel, mapAhead } from '../lib/parallel.ts';
import type { CauseExample } from '../model/answers/tasks.ts';
import { type CauseKey, causeId, causeText, type Failure, type FailureRecord } from '../model/failure.ts';
import { foldError } from '../model/fold-error.ts';
import { failedKey, logKey, outKey } from '../model/keys.ts';
import type { LedgerTask } from '../model/ledger/records.ts';
import { parseTaskSet, type Ranges, TaskBits, TaskRanges, unionOf } from '../model/task-set.ts';
import { isSkipped, type JobView, roundOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { originFinder } from './fetch/input-names.ts';
import { currentFailures, listPublished, stepTotals } from './listing.ts';
import { refusePruned } from './pruned.ts';
import { ledgerTasks } from './tasks.ts';

/** Up to this many failures, or one in MAX_HEADS_DIVISOR tasks, each is looked up; above, all outputs are listed. */
const MAX_HEADS = 512;
const MAX_HEADS_DIVISOR = 200;

const PAGES_IN_FLIGHT = 16;

/**
 * The tasks of a step that failed for good in the round that last included them, and aren't published. Lists the
 * store's failures (law 1); the result takes 125 KB for a million tasks.
 */
export async function failedTasks(store: ObjectStore, view: JobView, step: number): Promise<TaskBits> {
  const { job, spec } = view.record;
  const name = spec.steps[step]?.name ?? '';
  const size = stepTotals(view)[step] ?? 0;
  const candidates = new TaskBits(size);
  for await (const { task } of currentFailures(store, view, step, size)) candidates.add(task);
  if (candidates.count === 0) return candidates;
  const few = candidates.count <= Math.max(MAX_HEADS, size / MAX_HEADS_DIVISOR);
  const published = few ? new TaskBits(size) : await listPublished(store, job, name, size);
  if (few) {
    await eachParallel(candidates, PAGES_IN_FLIGHT, async (task) => {
      if ((await store.head(outKey(job, name, task))) !== null) published.add(task);
    });
  }
  const failed = new TaskBits(size);
  for (const task of candidates) if (!published.has(task)) failed.add(task);
  return failed;
}

/** One task's failure for good, as far as it is recorded. */
export interface TaskFailure extends Failure {
  readonly task: number;
  readonly worker: string | null;
  /** Milliseconds since the epoch; null when unknown. */
  readonly endedAt: number | null;
  /** It used up its attempts on at least two workers; null if that was not looked up. */
  readonly badInput: boolean | null;
}

const IN_FLIGHT = 32;

/**
 * The records in the ledger, or else the store, of each failed task of a step, ascending. The ledger's pages and the
 * set are read in parallel. An object is read only if the ledger has nothing for that task's round, or if `lookUp` asks
 * for facts that only the object has.
 */
async function* failuresOf(
  platform: Platform,
  view: JobView,
  step: number,
  tasks: TaskBits,
  lookUp: () => boolean = () => false,
): AsyncGenerator<TaskFailure> {
  yield* mapAhead(withLedgerRows(platform, view, step, tasks), IN_FLIGHT, async ({ task, known }) => {
    const found = known === null || lookUp() ? await readFailed(platform, view, step, task) : null;
    return taskFailure(task, known ?? found, found?.badInput ?? null);
  });
}

async function* withLedgerRows(
  platform: Platform,
  view: JobView,
  step: number,
  tasks: TaskBits,
): AsyncGenerator<{ readonly task: number; readonly known: LedgerTask | null }> {
  const name = view.record.spec.steps[step]?.name ?? '';
  const pages = ledgerTasks(platform, view.record.job, { states: ['failed'], step: name });
  let row = await pages.next();
  try {
    for (const task of tasks) {
      while (!row.done && row.value.task < task) row = await pages.next();
      const known = row.done ? null : row.value;
      const told = known?.task === task && known.round === roundOf(view, step, task);
      yield { task, known: told ? known : null };
    }
  } finally {
    await pages.return(undefined);
  }
}

/** A `failed/` object of the task's own round, as far as it can be read; null if it's provably gone. Throws `newer`. */
export async function readFailed(
  platform: Platform,
  view: JobView,
  step: number,
  task: number,
): Promise<StoredFailure | null> {
  const name = view.record.spec.steps[step]?.name ?? '';
  return readFailureObject(platform.store, failedKey(view.record.job, name, task, roundOf(view, step, task)));
}

/** `known`: the ledger's row or the stored failure. */
function taskFailure(
  task: number,
  known: Pick<LedgerTask, 'reason' | 'exitCode' | 'error' | 'worker' | 'endedAt'> | null,
  badInput: boolean | null,
): TaskFailure {
  const { reason, exitCode, error, worker, endedAt } = known ?? NOTHING;
  return { task, reason: reason ?? 'unknown', exitCode, error, worker, endedAt, badInput };
}

/** Failures for good with the same step, exit code, reason and normalized last error line. */
export interface Cause {
  /** Six characters, the same in each job (`model/failure.ts`). */
  readonly id: string;
  readonly step: string;
  readonly exitCode: number | null;
  readonly reason: string;
  /** The normalized error line. */
  readonly error: string | null;
  /** Tasks that count: without skipped ones. */
  readonly tasks: TaskRanges;
  readonly skipped: TaskRanges;
  /** When the first and the last of them failed, milliseconds since the epoch; null when unknown. */
  readonly first: number | null;
  readonly last: number | null;
  /** Number of workers; counted up to 1,000. */
  readonly workers: number;
  /** The number of counting tasks, of those looked up, that used up their attempts on at least two workers. */
  readonly badInput: number;
  /** The lowest task; those that count come first. */
  readonly example: { readonly task: number; readonly error: string | null; readonly worker: string | null };
}

/** The maximum number of distinct causes per step, in case every task reports something else. */
const MAX_CAUSES = 1_000;

const OTHERS = 'many different errors';

const WORKERS = 1_000;

/**
 * The causes of a job's failures now, the most frequent first. Memory is that of the causes and their runs of tasks,
 * without an object per task. An unreadable `failed/` is a cause of its own that names it. Up to `lookUp` failures are
 * checked for bad input, with one small read each. `observe` gets each failure with the text of its cause. Throws `newer`
 * for a failure of a later version.
 */
export async function causesOf(
  platform: Platform,
  view: JobView,
  onProgress: (failures: number) => void = () => undefined,
  lookUp = 0,
  observe: ((step: number, cause: string, failure: TaskFailure) => Promise<void>) | null = null,
): Promise<readonly Cause[]> {
  refusePruned(view, 'its failures');
  const all: CauseTally[] = [];
  let [seen, looked] = [0, 0];
  const one = (): boolean => {
    looked += 1;
    return looked <= lookUp;
  };
  for (const [step, { name }] of view.record.spec.steps.entries()) {
    const causes = new Map<string, CauseTally>();
    const tasks = await failedTasks(platform.store, view, step);
    for await (const failure of failuresOf(platform, view, step, tasks, one)) {
      const cause = findOrAddCause(causes, name, failure);
      addTo(cause, failure, isSkipped(view, step, failure.task));
      if (observe !== null) await observe(step, causeText(cause.of), failure);
      seen += 1;
      onProgress(seen);
    }
    all.push(...causes.values());
  }
  const count = ({ tasks }: CauseTally): number => tasks.count;
  return all
    .sort((a, b) => count(b) - count(a))
    .map(({ of, seenOn, example, ...cause }) => ({
      id: causeId(of),
      ...of,
      ...cause,
      workers: seenOn.size,
      example: example ?? { task: 0, error: null, worker: null },
    }));
}

/**
 * The causes with the given id or unique prefix: two causes may share an id. Throws `notFound` with the existing
 * causes, or `usage` for an ambiguous prefix.
 */
export function matchCauses(causes: readonly Cause[], id: string, job: string): readonly Cause[] {
  const wanted = id.toLowerCase();
  const found = wanted === '' ? [] : causes.filter((cause) => cause.id.startsWith(wanted));
  const ids = [...new Set(found.map((cause) => cause.id))];
  if (ids.length === 1) return found;
  const named = (some: readonly string[]): string => `${some.slice(0, 8).join(', ')}${some.length > 8 ? ', ...' : ''}`;
  if (ids.length > 1) {
    throw new BatchctlError('usage', `expected one cause, found several that begin with ${id}: ${named(ids)}`, {
      hint: 'use more characters of the id',
    });
  }
  const known = [...new Set(causes.map((cause) => cause.id))];
  const there = known.length === 0 ? 'nothing failed for good' : `it has ${named(known)}`;
  throw new BatchctlError('notFound', `job ${job} has no cause ${id}: ${there}`, { hint: `batchctl failures ${job}` });
}

interface CauseTally {
  readonly of: CauseKey;
  readonly tasks: TaskRanges;
  readonly skipped: TaskRanges;
  readonly seenOn: Set<string>;
  badInput: number;
  first: number | null;
  last: number | null;
  example: Cause['example'] | null;
}

function findOrAddCause(
  causes: Map<string, CauseTally>,
  step: string,
  { reason, exitCode, error }: TaskFailure,
): CauseTally {
  const own: CauseKey = { step, exitCode, reason, error: error === null ? null : foldError(error) };
  const known = causes.get(causeText(own));
  if (known !== undefined) return known;
  const of = causes.size < MAX_CAUSES ? own : { ...own, error: OTHERS };
  const text = causeText(of);
  const made = causes.get(text) ?? {
    of,
    tasks: new TaskRanges(),
    skipped: new TaskRanges(),
    seenOn: new Set<string>(),
    badInput: 0,
    first: null,
    last: null,
    example: null,
  };
  causes.set(text, made);
  return made;
}

function addTo(cause: CauseTally, failure: TaskFailure, skipped: boolean): void {
  const { task, error, worker, endedAt, badInput } = failure;
  if (badInput === true && !skipped) cause.badInput += 1;
  // The lowest task that counts, or else the lowest of all.
  if (cause.example === null || (!skipped && cause.tasks.count === 0)) cause.example = { task, error, worker };
  (skipped ? cause.skipped : cause.tasks).add(task);
  if (worker !== null && cause.seenOn.size < WORKERS) cause.seenOn.add(worker);
  if (endedAt === null) return;
  cause.first = Math.min(cause.first ?? endedAt, endedAt);
  cause.last = Math.max(cause.last ?? endedAt, endedAt);
}

const TAIL_BYTES = 4_096;

const TAIL_LINES = 10;

/**
 * Returns a function that looks up the input and the log of a cause's example, with three small reads and one of each
 * shard of parts.
 */
export function examplesOf(platform: Platform, view: JobView): (cause: Cause) => Promise<CauseExample> {
  const originOf = originFinder(platform.store, view);
  return async (cause) => {
    const { task, error, worker } = cause.example;
    const step = view.record.spec.steps.findIndex(({ name }) => name === cause.step);
    const origin = await originOf(step, task);
    const attempt = (await readFailed(platform, view, step, task))?.attempt ?? null;
    if (attempt === null || attempt === 'none') {
      return { task, ...origin, worker, attempt: null, error, log: null, tail: [] };
    }
    const key = logKey(view.record.job, cause.step, task, attempt);
    const tail = await tailOf(platform.store, key);
    return { task, ...origin, worker, attempt, error, log: tail === null ? null : key, tail: tail ?? [] };
  };
}

/** The last lines of a log; null if there is no log. */
async function tailOf(store: ObjectStore, key: string): Promise<readonly string[] | null> {
  const info = await store.head(key);
  if (info === null) return null;
  const offset = Math.max(0, info.size - TAIL_BYTES);
  const bytes = await store.read(key, { range: { offset, length: TAIL_BYTES } });
  if (bytes === null) return null;
  const lines = new TextDecoder().decode(bytes).trimEnd().split('\n');
  // For a longer log, the first line is incomplete.
  return (offset > 0 && lines.length > 1 ? lines.slice(1) : lines).slice(-TAIL_LINES);
}

/** The tasks of causes, by step; null if no cause is given. `all` includes skipped tasks. Throws like `matchCauses`. */
export async function tasksOfCauses(
  platform: Platform,
  view: JobView,
  ids: readonly string[],
  which: 'failed' | 'all',
): Promise<readonly Ranges[] | null> {
  if (ids.length === 0) return null;
  const causes = await causesOf(platform, view);
  const found = new Set(ids.flatMap((id) => matchCauses(causes, id, view.record.job)));
  return view.record.spec.steps.map(({ name }) =>
    [...found]
      .filter(({ step }) => step === name)
      .flatMap(({ tasks, skipped }) => (which === 'failed' ? [tasks] : [tasks, skipped]))
      .map((tasks) => parseTaskSet(tasks.toString()))
      .reduce<Ranges>(unionOf, []),
  );
}

/** The content of a `failed/` or `tries/` object; null for missing fields. */
export interface StoredFailure {
  readonly attempt: string | null;
  readonly number: number | null;
  readonly worker: string | null;
  readonly reason: string | null;
  readonly exitCode: number | null;
  readonly error: string | null;
  /** Milliseconds since the epoch. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** The number of journal entries that its worker had read when the attempt started. */
  readonly entries: number | null;
  /** Its attempts failed on at least two workers. */
  readonly badInput: boolean;
  /** As in `OutputMeta`. */
  readonly wholeRecords: boolean;
  /** The unreadable part of it, with its key; null if none. */
  readonly problem: string | null;
}

/**
 * Reads as much of a failure as possible: its existence decides, its content only explains. Null if it provably is
 * gone. Throws `newer` for a later version's format.
 */
export async function readFailureObject(store: ObjectStore, key: string): Promise<StoredFailure | null> {
  const bytes = await store.read(key);
  if (bytes === null) return null;
  try {
    return parseFailure(key, parseStored<FailureRecord>(key, bytes));
  } catch (error) {
    if (!isKind(error, 'corrupt')) throw error;
    return { ...NOTHING, reason: UNREADABLE, error: error.message, problem: error.message };
  }
}

export const UNREADABLE = 'unreadable';

const NOTHING = {
  attempt: null,
  number: null,
  worker: null,
  reason: null,
  exitCode: null,
  error: null,
  startedAt: null,
  endedAt: null,
  entries: null,
  badInput: false,
  wholeRecords: false,
} as const;

function parseFailure(key: string, record: { readonly [field in keyof FailureRecord]?: unknown }): StoredFailure {
  const { attempt, number, worker, reason, exitCode, error, startedAt, endedAt, entries, badInput, wholeRecords } =
    record;
  const found = {
    attempt: textIn(attempt),
    worker: textIn(worker),
    reason: textIn(reason),
    error: textIn(error),
    number: countIn(number),
    exitCode: countIn(exitCode),
    startedAt: instantIn(startedAt),
    endedAt: instantIn(endedAt),
    entries: countIn(entries),
    badInput: badInput === true,
    wholeRecords: wholeRecords === true,
  };
  const needed = ['attempt', 'number', 'worker', 'reason', 'startedAt', 'endedAt'] as const;
  const lost = needed.filter((field) => found[field] === null);
  const words = lost.map((field) => `${field} (${JSON.stringify(record[field] ?? null).slice(0, 40)})`);
  return { ...found, problem: lost.length === 0 ? null : `${key} has no readable ${words.join(', ')}` };
}

const textIn = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

const countIn = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;

/** ISO-8601 text as milliseconds since the epoch; null for an invalid date. */
export function instantIn(value: unknown): number | null {
  const instant = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(instant) ? null : instant;
}
