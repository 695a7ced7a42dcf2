import { logKey } from '../../model/keys.ts';
import { type Measured, ReportSums } from '../../model/report/report-sums.ts';
import type { KnownWorker } from '../../model/report/worker-sums.ts';
import { isSkipped, type JobView, roundOf } from '../../model/view.ts';
import type { LedgerWorker } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';
import { attemptPages } from './attempts.ts';

/** A worker counts as there while its last sign of life is younger than so many leases. */
const ALIVE_LEASES = 2;

export interface MeasureOptions {
  readonly signal?: AbortSignal;
  /** How many attempts were read. */
  readonly onProgress?: (attempts: number) => void;
}

/** Reads every attempt of a job once, and measures. `now` in milliseconds since the epoch. */
export async function measure(
  platform: Platform,
  view: JobView,
  now: number,
  { signal, onProgress }: MeasureOptions = {},
): Promise<Measured> {
  const ledger = await platform.ledger();
  const { job, spec, createdAt } = view.record;
  const aliveSince = now - ALIVE_LEASES * platform.leaseSeconds * 1_000;
  const seen = await ledger.workers({ since: Date.parse(createdAt) });
  const indexes = new Map(spec.steps.map(({ name }, index) => [name, index]));
  const sums = new ReportSums({
    now,
    closedAt: view.closed === null ? null : Date.parse(view.closed.when),
    workers: new Map(seen.map((worker) => [worker.worker, known(worker, aliveSince)])),
    slots: (step) => spec.steps[indexes.get(step) ?? -1]?.needs.slots ?? 1,
    askedRound: (step, task) => roundOf(view, indexes.get(step) ?? -1, task),
    skipped: (step, task) => isSkipped(view, indexes.get(step) ?? -1, task),
    logOf: ({ step, task, attempt }) => logKey(job, step, task, attempt),
  });
  let read = 0;
  for await (const page of attemptPages(ledger, job, signal)) {
    for (const attempt of page) sums.add(attempt);
    read += page.length;
    onProgress?.(read);
  }
  return sums.measured();
}

function known({ host, slots, startedAt, seenAt, state }: LedgerWorker, aliveSince: number): KnownWorker {
  return { host, slots, startedAt, seenAt, alive: state !== 'gone' && seenAt >= aliveSince };
}
