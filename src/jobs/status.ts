import { type DeliveryStatus, deliveryOf } from '../model/delivery.ts';
import { groupsOf, type JobState, sectionStart } from '../model/job.ts';
import type { JournalHole } from '../model/journal.ts';
import { sizingOf, stepSizes } from '../model/step-sizes.ts';
import { countIn } from '../model/task-set.ts';
import { type JobView, reasonOf, stateOf } from '../model/view.ts';
import type { LedgerWorker, StepCounts } from '../ports/ledger.ts';
import type { Platform } from '../ports/platform.ts';
import { type CostStatus, CostWatch } from './cost/status-cost.ts';
import { KeeperWatch } from './keeper.ts';
import { type Untold, untoldOf } from './notify/untold.ts';
import { ProjectionWatch } from './projection.ts';
import { type RecentRate, rateOf } from './rate.ts';

/** What `status` answers: the same cost at any size (law 11). */
export interface JobStatus extends CostStatus {
  readonly job: string;
  readonly name: string;
  readonly runKey: string | null;
  readonly round: number;
  /** How many tasks that round asks for again; 0 in round 0. Until they run they are among the failed ones. */
  readonly asked: number;
  readonly state: JobState;
  /** A stable code, or null: failures, stopped, expect, halt, deployment, a person's reason for a pause. */
  readonly reason: string | null;
  /** What a guard found that has paused it, in words; null where none did. */
  readonly detail: string | null;
  /** True when the numbers are known to equal what the store says. */
  readonly exact: boolean;
  readonly steps: readonly StepStatus[];
  /** Tasks a second; null while unknown, and without a worker. */
  readonly rate: number | null;
  /** Seconds until the end at that rate; null while unknown. */
  readonly eta: number | null;
  /** When it should have ended; null without a deadline. */
  readonly finishBy: string | null;
  /** When it will have ended: with a deadline by the model that sizes groups, else at that rate; null while unknown. */
  readonly projected: string | null;
  /** Between which it ends in nineteen of twenty such cases; null without a deadline, and while part of it is only assumed. */
  readonly projectedEarliest: string | null;
  readonly projectedLatest: string | null;
  /** Counters by step, exact decimals as text. */
  readonly counters: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly workers: { readonly running: number; readonly slots: number };
  /** The id of the manager or `tick` that left its mark last, within 15 minutes; null for none. */
  readonly keeper: string | null;
  /** No task begins before it, ISO-8601 UTC; null for a job that was to begin at once. */
  readonly notBefore: string | null;
  readonly createdAt: string;
  readonly closedAt: string | null;
  /** When its outputs, parts and logs were removed; null for a job that is whole. */
  readonly prunedAt: string | null;
  /** An entry of its journal that is missing before others: what those decided is not told here. Null for a whole journal. */
  readonly journalHole: JournalHole | null;
  /** Whether its outputs are where they are to be delivered; null for a job that delivers nothing. */
  readonly delivery: DeliveryStatus | null;
  /** Who could not be told of its end or its pause (yet); empty while it runs. */
  readonly untold: readonly Untold[];
  /** The parts that it runs on, and those of the whole input; null for a real job. */
  readonly rehearsal: { readonly parts: number; readonly of: number } | null;
}

export interface StepStatus {
  readonly name: string;
  readonly group: string;
  /** Null while nobody can know it: behind an `explode` that isn't opened yet. */
  readonly total: number | null;
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

/**
 * Reads a job's status from the ledger's counters; its state is the journal's. Who looks again and again gives the same
 * `recent` each time: the rate is then that of the last minute; and the same `keepers`, `costs` and `projections`, which
 * are not asked for each time. Without `costs` (null) what it costs isn't read.
 */
export async function statusOf(
  platform: Platform,
  view: JobView,
  recent?: RecentRate,
  keepers = new KeeperWatch(platform),
  costs: CostWatch | null = new CostWatch(platform),
  projections = new ProjectionWatch(platform),
): Promise<JobStatus> {
  const ledger = await platform.ledger();
  const now = platform.clock.now();
  const [keeper, counts, seen, untold] = await Promise.all([
    keepers.id(),
    ledger.counts(view.record.job),
    ledger.workers({ since: now - ALIVE_LEASES * platform.leaseSeconds * 1_000 }),
    // A listing: not for each picture of a job that runs.
    view.closed === null && view.paused === null ? [] : untoldOf(platform, view),
  ]);
  const workers = seen.filter(({ state }) => state !== 'gone');
  const rate = recent?.add(platform.clock.monotonic(), doneOf(counts)) ?? null;
  const status = compose(view, counts, workers, now, rate, keeper);
  return {
    ...status,
    ...(await projections.of(view, counts, workers)),
    ...(await costs?.of(view, counts, status.steps)),
    untold,
  };
}

const doneOf = (counts: readonly StepCounts[]): number => counts.reduce((sum, { done }) => sum + done, 0);

/** The status as a pure function of what was read. */
export function compose(
  view: JobView,
  counts: readonly StepCounts[],
  workers: readonly LedgerWorker[],
  now: number,
  recent: number | null = null,
  keeper: string | null = null,
): JobStatus {
  const { record } = view;
  const totals = stepSizes(sizingOf(view));
  const byName = new Map(counts.map((count) => [count.step, count]));
  const steps = stepStatuses(view, totals, byName);
  const groups = new Set(groupsOf(record.spec));
  const mine = workers.filter(({ group }) => group.split(',').some((name) => groups.has(name)));
  const rate = recent ?? rateOf(view, counts, mine, now);
  const left = steps.reduce((sum, step) => sum + step.waiting + step.running, 0);
  const open = view.closed === null && !view.cancelled;
  const known = steps.every(({ total }) => total !== null) && view.paused === null && mine.length > 0;
  const eta = open && known && rate !== null && rate > 0 ? Math.round(left / rate) : null;
  return {
    job: record.job,
    name: record.spec.name,
    runKey: record.runKey,
    round: view.round,
    asked: askedIn(view, totals),
    state: stateOf(view),
    reason: reasonOf(view),
    detail: stateOf(view) === 'paused' ? (view.paused?.detail ?? null) : null,
    // Of a job that is open again they were taken at its last close: what has run since need not be in them.
    exact:
      view.closed !== null &&
      counts.some(({ exact }) => exact) &&
      counts.every(({ exact, movedAt }) => exact || movedAt === null),
    steps,
    rate: open ? rate : null,
    eta,
    finishBy: view.finishBy,
    projected: eta === null ? null : new Date(now + eta * 1_000).toISOString(),
    ...{ projectedEarliest: null, projectedLatest: null },
    ...{ cost: null, costProjected: null, maxCost: view.maxCost, costUnknown: [] },
    counters: Object.fromEntries(
      counts.filter(({ counters }) => Object.keys(counters).length > 0).map(({ step, counters }) => [step, counters]),
    ),
    workers: { running: mine.length, slots: mine.reduce((sum, { slots }) => sum + slots, 0) },
    keeper,
    notBefore: view.notBefore,
    createdAt: record.createdAt,
    closedAt: view.closed?.when ?? null,
    prunedAt: view.pruned?.when ?? null,
    journalHole: view.hole,
    delivery: deliveryOf(view),
    untold: [],
    rehearsal: record.rehearsal ? { parts: record.parts, of: record.rehearsal.of.parts } : null,
  };
}

/** Behind canaries no task is asked for until they succeed. */
function askedIn(view: JobView, totals: readonly (number | null)[]): number {
  const asked = view.asked.find(({ round }) => round === view.round);
  const tasks = asked?.released === false ? asked.canaries : asked?.tasks;
  return [...(tasks ?? [])].reduce((sum, [step, ranges]) => sum + countIn(ranges, totals[step] ?? 0), 0);
}

/** In step order: a chain that ended at one step of a section waits at none after it. */
function stepStatuses(
  view: JobView,
  totals: readonly (number | null)[],
  counts: ReadonlyMap<string, StepCounts>,
): readonly StepStatus[] {
  let ended = 0;
  return view.record.spec.steps.map((step, index) => {
    if (sectionStart(view.record.spec.steps, index) === index) ended = 0;
    const size = totals[index] ?? null;
    const status = stepStatus(view, index, { size, ended }, counts.get(step.name) ?? null);
    ended += status.failed + status.skipped;
    return { ...status, total: size };
  });
}

/** `ended`: chains that ended before the step, and don't reach it. */
function stepStatus(
  view: JobView,
  index: number,
  { size: known, ended }: { readonly size: number | null; readonly ended: number },
  counts: StepCounts | null,
): StepStatus {
  const step = view.record.spec.steps[index];
  const size = known ?? 0;
  const total = Math.max(0, size - ended);
  const { done = 0, failed: counted = 0, running = 0, retried = 0, interrupted = 0 } = counts ?? {};
  const named = countIn(view.skipped[0]?.get(index), size);
  const skipped = Math.max(0, Math.min(named, total - done));
  // Whoever failed and was skipped is told once. One that was skipped first may have failed since: then there are more
  // ends than tasks.
  const failedThen = countIn(view.skippedFailed.get(index), size);
  const unskipped = Math.max(0, counted - failedThen);
  const failed = Math.max(0, unskipped - (named - failedThen), Math.min(unskipped, total - done - running - skipped));
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
