import type {
  AttemptEvent,
  AttemptOutcome,
  ExactCounts,
  LedgerJob,
  LedgerWorker,
  StepCounts,
} from '../../src/model/ledger/records.ts';
import type { Ledger } from '../../src/ports/ledger.ts';

export const T0 = Date.UTC(2026, 10, 30, 6);

/** An event of attempt `t<task>`; by default started at T0, and ended one second later if it ended. */
export function event(outcome: AttemptOutcome, task: number, more: Partial<AttemptEvent> = {}): AttemptEvent {
  return {
    job: 'claims-1',
    step: 'price',
    task,
    round: 0,
    attempt: `t${task}`,
    number: 1,
    worker: 'w1',
    slot: 0,
    outcome,
    startedAt: T0,
    endedAt: outcome === 'running' ? null : T0 + 1000,
    waitSeconds: null,
    exitCode: outcome === 'done' ? 0 : null,
    reason: null,
    error: null,
    cpuSeconds: null,
    peakMemory: null,
    bytesIn: null,
    bytesOut: null,
    counters: {},
    ...more,
  };
}

/** Events of tasks that are done: `count` of them, from task `first` on. */
export function doneEvents(
  count: number,
  more: Partial<AttemptEvent> | ((task: number) => Partial<AttemptEvent>) = {},
  first = 0,
): AttemptEvent[] {
  return Array.from({ length: count }, (_, n) =>
    event('done', first + n, typeof more === 'function' ? more(first + n) : more),
  );
}

/** Exact totals of the step of `event`. */
export function exactCounts(more: Partial<ExactCounts> = {}): ExactCounts {
  return { step: 'price', done: 0, failed: 0, bytesIn: 0, bytesOut: 0, seconds: 0, counters: {}, ...more };
}

/** The counts of a job's first step. */
export async function readCounts(
  ledger: Ledger,
  id = 'claims-1',
  options: Parameters<Ledger['counts']>[1] = {},
): Promise<StepCounts | undefined> {
  return (await ledger.counts(id, options))[0];
}

export function job(more: Partial<LedgerJob> = {}): LedgerJob {
  return {
    job: 'claims-1',
    name: 'claims',
    runKey: null,
    state: 'running',
    reason: null,
    round: 0,
    createdAt: T0,
    closedAt: null,
    createdBy: 'ann@desk',
    labels: {},
    steps: [
      { name: 'price', group: 'default', total: 10 },
      { name: 'audit', group: 'default', total: 10 },
    ],
    ...more,
  };
}

export function worker(more: Partial<LedgerWorker> = {}): LedgerWorker {
  return {
    worker: 'w1',
    group: 'default',
    host: 'desk',
    pid: 7,
    version: '0.1.0',
    state: 'busy',
    slots: 2,
    busy: ['claims-1/price/3'],
    done: 5,
    failed: 1,
    startedAt: T0,
    seenAt: T0,
    ...more,
  };
}

/** Reads pages until one is empty: each begins after the last item of the one before. */
export async function readPages<T>(
  read: (after: { readonly after?: T }) => Promise<readonly T[]>,
): Promise<(readonly T[])[]> {
  const pages: (readonly T[])[] = [];
  for (;;) {
    const after = pages.at(-1)?.at(-1);
    const page = await read(after === undefined ? {} : { after });
    if (page.length === 0) return pages;
    pages.push(page);
  }
}
