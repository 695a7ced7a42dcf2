import { BatchctlError } from '../../errors.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { randomId } from '../../lib/id.ts';
import { wait } from '../../lib/wait.ts';
import { orderSteps } from '../../model/counts.ts';
import { groupBy } from '../../model/group-by.ts';
import {
  LEDGER_SHARED_WORKERS,
  ledgerAttemptsPrefix,
  ledgerExactKey,
  ledgerPrunedKey,
  ledgerSharedPrefix,
  ledgerSumsPrefix,
} from '../../model/keys.ts';
import { checkCounters } from '../../model/ledger/decimals.ts';
import type {
  AttemptEvent,
  ExactCounts,
  LedgerJob,
  LedgerTask,
  LedgerWorker,
  StepCounts,
} from '../../model/ledger/records.ts';
import type { AttemptPage, JobFilter, Ledger, TaskFilter } from '../../ports/ledger.ts';
import { AttemptObjects, type LedgerObjects } from './attempt-objects.ts';
import { countStep, replaceByExact } from './counts.ts';
import { JobWriter } from './job-writer.ts';
import { markPruned, readJob, readJobs, writeJob } from './jobs.ts';
import { readAttemptPage, readAttempts, readTaskPage } from './read-attempts.ts';
import { SharedReading } from './shared-reading.ts';
import { replacedTotals, type Snapshot, Snapshots } from './snapshot.ts';
import type { ExactTotals, PrunedCounts } from './totals.ts';
import { type WorkerFilter, WorkerHeartbeats } from './workers.ts';

export interface StoreLedgerOptions {
  readonly store: LedgerObjects;
  /** The writer: the worker's id, or the person's. Its own attempts are those that name it as their worker. */
  readonly writer: string;
  readonly clock?: Clock;
  /** True for a worker: of many writers, one counts for all; `counts` and shared `workers` may be some seconds old. */
  readonly shares?: boolean;
}

/** Jobs whose steps are kept. */
const JOBS_KEPT = 100;
/** Keys deleted at once. */
const DELETES = 1000;
/**
 * Milliseconds from one `record` of a worker to its next while there are few events: a put costs as much for one event
 * as for fifty. What a worker does after recording (chain, ack) comes in batches too.
 */
const RECORD_MS = 500;
const FEW_EVENTS = 100;

/**
 * A ledger in the object store: it needs nothing else, and costs nothing while idle. Each writer puts only its own
 * objects, so there is no lock, no condition and no lost update.
 *
 * - `record` is one put per job, of this writer's counts and its recent attempts; a worker waits at least half a
 * second between puts, so that their number grows with time, not with tasks. Events of other workers' attempts are
 * looked up first, so that known ones aren't written twice.
 * - `counts` is one listing and a read of each changed writer's object: two to three bytes per task, no call per task.
 * With many writers, a worker's is one read, because one of them counts for all (`SharedReading`). A task that two
 * writers know counts once; if their records differ, its attempts are read.
 * - A closed job's counts are one listing and one small object, until a newer round begins.
 * - Pages of tasks and attempts read the objects that may contain them: the more writers at that time, the more
 * objects.
 */
export function openStoreLedger(options: StoreLedgerOptions): Ledger {
  if (options.writer === '')
    throw new BatchctlError('unexpected', "expected the ledger's writer to have a name, found none");
  return new StoreLedger(options);
}

class StoreLedger implements Ledger {
  readonly #store: LedgerObjects;
  readonly #worker: string;
  readonly #writer: string;
  readonly #clock: Clock;
  readonly #objects: AttemptObjects;
  readonly #snapshots: Snapshots;
  readonly #heartbeats: WorkerHeartbeats;
  /** Null: this process reads by itself. */
  readonly #shared: {
    readonly counts: SharedReading<readonly StepCounts[]>;
    readonly workers: SharedReading<readonly LedgerWorker[]>;
  } | null;
  /** A job's recorded steps, which never change. */
  readonly #steps = new Map<string, readonly string[]>();
  /** Null: the job is pruned, and nothing more is recorded of it. */
  readonly #writers = new Map<string, JobWriter | null>();
  #recording: Promise<unknown> = Promise.resolve();
  #recordedAt = Number.NEGATIVE_INFINITY;

  constructor({ store, writer, clock = systemClock, shares = false }: StoreLedgerOptions) {
    this.#store = store;
    this.#worker = writer;
    // Two processes of one person have the same name, and a writer's objects must have only one writer.
    this.#writer = `${writer.replaceAll(/[^A-Za-z0-9@-]/g, '_')}.${randomId(8)}`;
    this.#clock = clock;
    this.#objects = new AttemptObjects(store);
    this.#snapshots = new Snapshots(store);
    this.#heartbeats = new WorkerHeartbeats(store);
    this.#shared = shares
      ? { counts: new SharedReading(store, clock), workers: new SharedReading(store, clock) }
      : null;
  }

  async open(): Promise<void> {}

  recordJob(job: LedgerJob): Promise<void> {
    return writeJob(this.#store, job, this.#clock.now());
  }

  async record(events: readonly AttemptEvent[]): Promise<void> {
    for (const event of events) checkCounters(event.counters);
    await this.#inTurn(async () => {
      if (this.#shared !== null && events.length < FEW_EVENTS)
        await wait(this.#recordedAt + RECORD_MS - performance.now());
      for (const [job, own] of groupBy(events, ({ job }) => job)) {
        const writer = await this.#writerOf(job);
        await writer?.record(own, this.#clock.now(), () => this.#snapshots.get(job));
      }
      this.#recordedAt = performance.now();
    });
  }

  heartbeat(worker: LedgerWorker): Promise<void> {
    return this.#heartbeats.write(worker);
  }

  job(id: string): Promise<LedgerJob | null> {
    return readJob(this.#store, id);
  }

  jobs(filter: JobFilter): Promise<readonly LedgerJob[]> {
    return readJobs(this.#store, filter);
  }

  async counts(job: string, { exact = false }: { readonly exact?: boolean } = {}): Promise<readonly StepCounts[]> {
    if (this.#shared !== null && !exact) {
      return await this.#shared.counts.get({
        prefix: ledgerSharedPrefix(job),
        read: (most) => this.#readCounts(job, most),
      });
    }
    return (await this.#readCounts(job, Number.POSITIVE_INFINITY))?.counts ?? [];
  }

  async recordExact(job: string, round: number, steps: readonly ExactCounts[]): Promise<void> {
    for (const step of steps) checkCounters(step.counters);
    const snapshot = await this.#snapshots.get(job);
    const replaced: StepCounts[] = [];
    for (const step of steps) {
      const counted = await countStep(this.#objects, snapshot, job, step.step);
      const counts = replaceByExact(snapshot, counted, round, step, this.#clock.now());
      if (counts !== null) replaced.push(counts);
    }
    if (replaced.length === 0) return;
    const covered = new Set(replaced.map(({ step }) => step));
    const replaces = replacedTotals(snapshot, round, covered);
    const order = 1 + Math.max(0, ...[...snapshot.exact.values()].map((each) => each.order));
    const exact: ExactTotals = { format: 1, round, order, steps: replaced, replaces };
    await this.#store.put(ledgerExactKey(job, round, randomId(8)), JSON.stringify(exact));
  }

  async tasks(job: string, filter: TaskFilter): Promise<readonly LedgerTask[]> {
    const found = await this.#readSnapshot(job);
    return found === null ? [] : await readTaskPage(this.#objects, found.snapshot, job, found.steps, filter);
  }

  async attempts(job: string, step: string, task: number): Promise<readonly AttemptEvent[]> {
    const found = await this.#readSnapshot(job);
    if (found === null) return [];
    const attempts = await readAttempts(this.#objects, found.snapshot, { job, step }, new Set([task]));
    return [...(attempts.get(task)?.merged ?? [])].sort(
      (a, b) => a.startedAt - b.startedAt || (a.attempt < b.attempt ? -1 : 1),
    );
  }

  async attemptsOfJob(job: string, page: AttemptPage): Promise<readonly AttemptEvent[]> {
    const found = await this.#readSnapshot(job);
    return found === null ? [] : await readAttemptPage(this.#objects, found.snapshot, job, found.steps, page);
  }

  async workers({
    shared = false,
    ...filter
  }: WorkerFilter & { readonly shared?: boolean }): Promise<readonly LedgerWorker[]> {
    if (this.#shared === null || !shared) return await this.#heartbeats.read(filter);
    const { group, since = 0 } = filter;
    const now = this.#clock.now();
    const signs = await this.#shared.workers.get({
      prefix: LEDGER_SHARED_WORKERS,
      read: async (most) => {
        const counts = await this.#heartbeats.readFew({ since }, most);
        return counts === null ? null : { counts, writers: counts.length };
      },
      // Many workers send heartbeats every few seconds: a reading without a recent one is old.
      holds: ([newest]) => newest !== undefined && now - newest.seenAt < (now - since) / 4,
    });
    return signs.filter((sign) => sign.seenAt >= since && (group === undefined || sign.group === group));
  }

  /** Writes the mark first. From then on readers use its counts, whatever still exists or comes late. */
  async forget(job: string): Promise<void> {
    const pruned: PrunedCounts = { format: 1, counts: await this.counts(job, { exact: true }) };
    await this.#store.put(ledgerPrunedKey(job), JSON.stringify(pruned), { ifAbsent: true });
    await markPruned(this.#store, job);
    await this.#inTurn(async () => void this.#writers.set(job, null));
    for (const prefix of [ledgerSumsPrefix(job), ledgerAttemptsPrefix(job), ledgerSharedPrefix(job)]) {
      let keys: string[] = [];
      for await (const key of this.#store.keys(prefix)) {
        if (key !== ledgerPrunedKey(job)) keys.push(key);
        if (keys.length < DELETES) continue;
        await this.#store.delete(keys);
        keys = [];
      }
      await this.#store.delete(keys);
    }
    this.#snapshots.forget(job);
  }

  async close(): Promise<void> {
    await this.#recording;
  }

  async #readSnapshot(job: string): Promise<{ readonly snapshot: Snapshot; readonly steps: readonly string[] } | null> {
    const [snapshot, known] = await Promise.all([this.#snapshots.get(job), this.#recordedSteps(job)]);
    return snapshot.pruned === null ? { snapshot, steps: orderSteps(known, snapshot.steps) } : null;
  }

  /** Null if more than `most` objects would have to be read. */
  async #readCounts(
    job: string,
    most: number,
  ): Promise<{ readonly counts: readonly StepCounts[]; readonly writers: number } | null> {
    const [snapshot, known] = await Promise.all([
      this.#snapshots.getIfFew(job, 'sums', most),
      this.#recordedSteps(job),
    ]);
    if (snapshot === null) return null;
    const writers = snapshot.totals.length;
    if (snapshot.pruned !== null) return { counts: snapshot.pruned, writers };
    const steps = orderSteps(known, snapshot.steps);
    return { counts: await Promise.all(steps.map((step) => countStep(this.#objects, snapshot, job, step))), writers };
  }

  async #recordedSteps(job: string): Promise<readonly string[]> {
    const known = this.#steps.get(job);
    if (known !== undefined) return known;
    const record = await this.job(job);
    const steps = record?.steps.map(({ name }) => name) ?? [];
    if (record !== null) {
      if (this.#steps.size >= JOBS_KEPT) this.#steps.clear();
      this.#steps.set(job, steps);
    }
    return steps;
  }

  /** Checks once whether a job is pruned: readers obey the mark anyway. */
  async #writerOf(job: string): Promise<JobWriter | null> {
    const known = this.#writers.get(job);
    if (known !== undefined) return known;
    const pruned = await this.#store.read(ledgerPrunedKey(job));
    const names = { job, writer: this.#writer, worker: this.#worker };
    const writer = pruned === null ? new JobWriter(this.#store, this.#objects, names) : null;
    this.#writers.set(job, writer);
    return writer;
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#recording.then(work);
    this.#recording = turn.catch(() => undefined);
    return turn;
  }
}
