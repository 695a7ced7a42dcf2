import type { Clock } from '../../src/lib/clock.ts';
import type { AttemptEvent, AttemptOutcome, Ledger, LedgerJob, LedgerWorker } from '../../src/ports/ledger.ts';

/** A new, empty ledger for one test that any number of writers can open. */
export interface LedgerPlace {
  /** Opens a ledger; the test closes it, or `end` does. */
  open(writer: string, clock?: Clock): Promise<Ledger>;
  end(): Promise<void>;
}

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
