import { type JobState, sectionStart } from '../model/job.ts';
import { isSkipped, type JobView, reasonOf, stateOf } from '../model/view.ts';
import type { LedgerWorker, StepCounts } from '../ports/ledger.ts';
import type { Platform } from '../ports/platform.ts';
import { stepTotals } from './listing.ts';

/** What `status` answers: the same cost at any size (law 11). */
export interface JobStatus {
  readonly job: string;
  readonly name: string;
  readonly runKey: string | null;
  readonly round: number;
  readonly state: JobState;
  /** A stable code, or null: failures, stopped, expect, halt, a person's reason for a pause. */
  readonly reason: string | null;
  /** True when the numbers are known to equal what the store says. */
  readonly exact: boolean;
  readonly steps: readonly StepStatus[];
  /** Tasks a second over the last while; null while unknown. */
  readonly rate: number | null;
  /** Seconds until the end at that rate; null while unknown. */
  readonly eta: number | null;
  readonly finishBy: string | null;
  readonly projected: string | null;
  readonly cost: number | null;
  /** Counters by step, exact decimals as text. */
  readonly counters: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly workers: { readonly running: number; readonly slots: number };
  readonly keeper: string | null;
  readonly createdAt: string;
  readonly closedAt: string | null;
}

export interface StepStatus {
  readonly name: string;
  readonly group: string;
  readonly total: number;
  readonly waiting: number;
  readonly running: number;
  readonly done: number;
  /** Failed for good. */
  readonly failed: number;
  readonly skipped: number;
  readonly retried: number;
  readonly interrupted: number;
}

/** A worker counts while its last sign of life is younger than so many leases. */
const ALIVE_LEASES = 2;

/** Reads a job's status from the ledger's counters; its state is the journal's. */
export async function statusOf(platform: Platform, view: JobView): Promise<JobStatus> {
  const ledger = await platform.ledger();
  const now = platform.clock.now();
  const [counts, workers] = await Promise.all([
    ledger.counts(view.record.job),
    ledger.workers({ since: now - ALIVE_LEASES * platform.leaseSeconds * 1_000 }),
  ]);
  return compose(
    view,
    counts,
    workers.filter(({ state }) => state !== 'gone'),
    now,
  );
}

/** The status as a pure function of what was read. */
export function compose(
  view: JobView,
  counts: readonly StepCounts[],
  workers: readonly LedgerWorker[],
  now: number,
): JobStatus {
  const { record } = view;
  const totals = stepTotals(view);
  const byName = new Map(counts.map((count) => [count.step, count]));
  const steps = stepStatuses(view, totals, byName);
  const groups = new Set(record.spec.steps.map(({ group }) => group));
  const mine = workers.filter(({ group }) => group.split(',').some((name) => groups.has(name)));
  const rate = rateOf(view, counts, now);
  const left = steps.reduce((sum, step) => sum + step.waiting + step.running, 0);
  const open = view.closed === null && !view.cancelled;
  return {
    job: record.job,
    name: record.spec.name,
    runKey: record.runKey,
    round: view.round,
    state: stateOf(view),
    reason: reasonOf(view),
    exact: counts.some(({ exact }) => exact) && counts.every(({ exact, movedAt }) => exact || movedAt === null),
    steps,
    rate: open ? rate : null,
    eta: open && rate !== null && rate > 0 && view.paused === null ? Math.round(left / rate) : null,
    finishBy: null,
    projected: null,
    cost: null,
    counters: Object.fromEntries(
      counts.filter(({ counters }) => Object.keys(counters).length > 0).map(({ step, counters }) => [step, counters]),
    ),
    workers: { running: mine.length, slots: mine.reduce((sum, { slots }) => sum + slots, 0) },
    keeper: null,
    createdAt: record.createdAt,
    closedAt: view.closed?.when ?? null,
  };
}

/** In step order: a chain that ended at one step of a section waits at none after it. */
function stepStatuses(
  view: JobView,
  totals: readonly number[],
  counts: ReadonlyMap<string, StepCounts>,
): readonly StepStatus[] {
  let ended = 0;
  return view.record.spec.steps.map((step, index) => {
    if (sectionStart(view.record.spec.steps, index) === index) ended = 0;
    const status = stepStatus(view, index, (totals[index] ?? 0) - ended, counts.get(step.name) ?? null);
    ended += status.failed + status.skipped;
    return { ...status, total: totals[index] ?? 0 };
  });
}

/** `reachable`: the step's tasks whose chains did not end before it. */
function stepStatus(view: JobView, index: number, reachable: number, counts: StepCounts | null): StepStatus {
  const step = view.record.spec.steps[index];
  const total = Math.max(0, reachable);
  const { done = 0, failed = 0, running = 0, retried = 0, interrupted = 0 } = counts ?? {};
  const skipped = Math.min(skippedOf(view, index, total), total - done);
  return {
    name: step?.name ?? '',
    group: step?.group ?? '',
    total,
    waiting: Math.max(0, total - done - failed - running - skipped),
    running,
    done,
    failed,
    skipped,
    retried,
    interrupted,
  };
}

/** Named skips, counted from the journal's ranges: their number is a person's, so small. */
function skippedOf(view: JobView, index: number, total: number): number {
  let count = 0;
  for (const set of view.skipped) {
    for (const [from, to] of set.get(index) ?? []) {
      for (let n = from; n <= Math.min(to, total - 1); n += 1) if (isSkipped(view, index, n)) count += 1;
    }
  }
  return count;
}

/** Tasks done a second since the job began; null before anything moved. */
function rateOf(view: JobView, counts: readonly StepCounts[], now: number): number | null {
  const done = counts.reduce((sum, count) => sum + count.done, 0);
  const seconds = (now - Date.parse(view.record.createdAt)) / 1_000;
  return done === 0 || seconds <= 0 ? null : Math.round((done / seconds) * 100) / 100;
}
