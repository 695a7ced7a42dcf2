import { parseStored } from '../../lib/json.ts';
import type { TaskBits } from '../../model/bits.ts';
import type { FailureRecord } from '../../model/failure.ts';
import { failedPrefix, isBegun, taskOfFailed, triesPrefix } from '../../model/keys.ts';
import type { OutputMeta } from '../../model/output.ts';
import { Findings } from '../../model/verify/findings.ts';
import type { JobView } from '../../model/view.ts';
import type { AttemptEvent, ExactCounts, Ledger } from '../../ports/ledger.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { exactOf } from '../exact.ts';
import { ledgerJob } from '../remember.ts';
import { scanStep } from './scan-outputs.ts';
import { TotalsSum } from './totals-sum.ts';
import { readAllOpened, type VerifyOptions } from './verify-context.ts';

export interface Rebuilt {
  /** Events told to the ledger; those that it knew changed nothing. */
  readonly events: number;
  /** What the store says of each step: exact for a job that is closed and settled. */
  readonly exact: readonly ExactCounts[];
}

/** Events of one group commit. */
const GROUP = 500;
/** tries/<task>.<round>.<attempt> */
const TRY = /\/tries\/(\d{9})\.(\d+)\.([a-z0-9]+)$/;

/**
 * Tells the ledger all that the store knows of a job: each published output, each failed attempt, each failure for good.
 * Idempotent, and it only moves forward (law 1). Memory is that of one group of events.
 */
export async function rebuildLedger(platform: Platform, view: JobView, options: VerifyOptions = {}): Promise<Rebuilt> {
  const { store } = platform;
  const ledger = await platform.ledger();
  await ledger.recordJob(ledgerJob(view));
  const writer = new EventWriter(ledger);
  const exact: ExactCounts[] = [];
  let done = 0;
  let before: TaskBits | null = null;
  const opened = await readAllOpened(store, view);
  for (const [index, step] of view.record.spec.steps.entries()) {
    const name = step.name;
    const ctx = {
      ...{ store, view, opened, deep: false, signal: options.signal, altered: [], evidence: null },
      ...{ findings: new Findings(), warnings: new Findings() },
      looked: (count: number) => {
        done += count;
        if (done % 100 === 0) options.onProgress?.(done, view.record.parts * view.record.spec.steps.length);
      },
    };
    const sum = new TotalsSum();
    const { facts } = await scanStep(ctx, index, before, (task, meta) => {
      sum.add(meta);
      return writer.add(doneEvent(view.record.job, name, task, meta));
    });
    for await (const event of failures(store, view.record.job, name)) await writer.add(event);
    exact.push(exactOf(name, facts, sum.totals()));
    before = facts.published;
  }
  await writer.flush();
  return { events: writer.count, exact };
}

class EventWriter {
  readonly #ledger: Ledger;
  #waiting: AttemptEvent[] = [];
  count = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  add(event: AttemptEvent): Promise<void> | undefined {
    this.#waiting.push(event);
    this.count += 1;
    return this.#waiting.length < GROUP ? undefined : this.flush();
  }

  async flush(): Promise<void> {
    const events = this.#waiting;
    this.#waiting = [];
    if (events.length > 0) await this.#ledger.record(events);
  }
}

/** Failed attempts first: the one that failed for good replaces its own. */
async function* failures(store: ObjectStore, job: string, step: string): AsyncGenerator<AttemptEvent> {
  for await (const { key } of store.list(triesPrefix(job, step))) {
    const named = TRY.exec(key);
    if (named === null || isBegun(key)) continue;
    const event = await failureEvent(store, key, { job, step, task: Number(named[1]), round: Number(named[2]) });
    if (event !== null) yield { ...event, outcome: 'failedAttempt' };
  }
  for await (const { key } of store.list(failedPrefix(job, step))) {
    const named = taskOfFailed(key);
    if (named === null) continue;
    const event = await failureEvent(store, key, { job, step, ...named });
    if (event !== null) yield { ...event, outcome: 'failed' };
  }
}

async function failureEvent(
  store: ObjectStore,
  key: string,
  of: Pick<AttemptEvent, 'job' | 'step' | 'task' | 'round'>,
): Promise<Omit<AttemptEvent, 'outcome'> | null> {
  const bytes = await store.read(key);
  if (bytes === null) return null;
  const { attempt, number, worker, startedAt, endedAt, exitCode, reason, error } = parseStored<FailureRecord>(
    key,
    bytes,
  );
  return {
    ...{ ...of, ...UNKNOWN, attempt, number, worker, exitCode, reason, error },
    startedAt: Date.parse(startedAt),
    endedAt: Date.parse(endedAt),
  };
}

function doneEvent(job: string, step: string, task: number, meta: OutputMeta): AttemptEvent {
  const { round, attempt, number, worker, cpuSeconds, peakMemory, bytesIn, bytesOut, counters } = meta;
  return {
    ...{ ...UNKNOWN, job, step, task, round, attempt, number, worker, outcome: 'done', exitCode: 0 },
    ...{ cpuSeconds, peakMemory, bytesIn, bytesOut, counters },
    startedAt: Date.parse(meta.startedAt),
    endedAt: Date.parse(meta.endedAt),
  };
}

/** What the store doesn't keep, or an attempt doesn't have. */
const UNKNOWN = {
  ...{ slot: 0, waitSeconds: null, exitCode: null, reason: null, error: null },
  ...{ cpuSeconds: null, peakMemory: null, bytesIn: null, bytesOut: null, counters: {} },
} as const;
