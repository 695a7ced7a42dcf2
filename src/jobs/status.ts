import type { JobStatus, StepStatus } from '../model/answers/status.ts';
import { sizingOf, stepSizes } from '../model/counts.ts';
import { LOST_OUTPUT_REASON } from '../model/decide.ts';
import { deliveryOf } from '../model/delivery.ts';
import { groupsOf, sectionStart } from '../model/job.ts';
import { UNMET_REASON } from '../model/journal.ts';
import { aliveMs, type LedgerWorker, type StepCounts } from '../model/ledger/records.ts';
import { changedStep } from '../model/overrides.ts';
import { countIn, parseTaskSet } from '../model/task-set.ts';
import { type JobView, reasonOf, stateOf } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { CostReader } from './cost/status-cost.ts';
import { KeeperWatch } from './keeper-mark.ts';
import { ProjectionWatch } from './projection.ts';
import { unnotifiedReceivers } from './send-notice.ts';

/**
 * Reads a job's status from the ledger's counters; its state comes from the journal. A caller that repeats this passes
 * the same `recent` each time, so that the rate is that of the last minute, and the same `keepers`, `costs` and
 * `projections`, which are not read each time. Without `costs` (null), costs aren't read.
 */
export async function statusOf(
  platform: Platform,
  view: JobView,
  recent?: RecentRate,
  keepers = new KeeperWatch(platform),
  costs: CostReader | null = new CostReader(platform),
  projections = new ProjectionWatch(platform),
): Promise<JobStatus> {
  const ledger = await platform.ledger();
  const now = platform.clock.now();
  const [keeper, counts, seen, untold] = await Promise.all([
    keepers.id(),
    ledger.counts(view.record.job),
    ledger.workers({ since: now - aliveMs(platform.leaseSeconds) }),
    // This is a listing, so it is skipped while the job runs.
    view.closed === null && view.paused === null ? [] : unnotifiedReceivers(platform, view),
  ]);
  const workers = seen.filter(({ state }) => state !== 'gone');
  const rate = recent?.add(platform.clock.monotonic(), doneOf(counts)) ?? null;
  const status = composeStatus(view, counts, workers, now, rate, keeper);
  return {
    ...status,
    detail: status.detail ?? (await unmetDetail(view, counts)),
    // A job that was just sent has no counts either, but a record.
    incomplete: status.incomplete || (counts.length === 0 && view.sent && (await ledger.job(view.record.job)) === null),
    ...(await projections.of(view, counts, workers)),
    ...(await costs?.of(view, counts, status.steps)),
    untold,
  };
}

/** The control totals that failed a job, by exact counts: the outputs aren't read. Null for any other job. */
async function unmetDetail(view: JobView, counts: readonly StepCounts[]): Promise<string | null> {
  if (reasonOf(view) !== UNMET_REASON) return null;
  const [{ unmetByCounts }, { unmetText }] = await Promise.all([import('./totals.ts'), import('../model/expect.ts')]);
  return unmetByCounts(view, counts).map(unmetText).join('; ') || null;
}

const doneOf = (counts: readonly StepCounts[]): number => counts.reduce((sum, { done }) => sum + done, 0);

/** Computes the status from what was read; a pure function. */
export function composeStatus(
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
    detail: (stateOf(view) === 'paused' ? view.paused?.detail : view.closed?.detail) ?? null,
    // For a reopened job these date from its last close and may not include what has run since.
    exact:
      view.closed !== null &&
      counts.some(({ exact }) => exact) &&
      counts.every(({ exact, movedAt }) => exact || movedAt === null),
    incomplete: lacksEnds(view, steps),
    steps,
    rate: open ? rate : null,
    eta,
    finishBy: view.finishBy,
    projected: eta === null ? null : new Date(now + eta * 1_000).toISOString(),
    projectedEarliest: null,
    projectedLatest: null,
    cost: null,
    costProjected: null,
    maxCost: view.maxCost,
    costUnknown: [],
    counters: Object.fromEntries(
      counts.filter(({ counters }) => Object.keys(counters).length > 0).map(({ step, counters }) => [step, counters]),
    ),
    accepted: view.acceptedTotals,
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

/**
 * True for a job that closed because its tasks had ended, although the counts say that some have not: those of all
 * steps, or at least of the first section if the job failed. A ledger that was deleted counts nothing.
 */
function lacksEnds(view: JobView, steps: readonly StepStatus[]): boolean {
  const { closed, cancelled, stopped, pruned, record } = view;
  if (closed === null || cancelled || stopped !== null || pruned !== null) return false;
  // It ended before its tasks did.
  if (closed.reason === LOST_OUTPUT_REASON) return false;
  const all = closed.state === 'succeeded' || closed.reason === UNMET_REASON;
  const ended = steps.filter((_, index) => all || sectionStart(record.spec.steps, index) === 0);
  return ended.some(({ waiting, running }) => waiting + running > 0);
}

/** Tasks that may run; behind canaries, tasks wait until the canaries succeed. */
function askedIn(view: JobView, totals: readonly (number | null)[]): number {
  const asked = view.asked.find(({ round }) => round === view.round);
  const tasks = asked?.released === false ? asked.canaries : asked?.tasks;
  return [...(tasks ?? [])].reduce((sum, [step, ranges]) => sum + countIn(ranges, totals[step] ?? 0), 0);
}

/** In step order: a chain that ended at one step of a section has no waiting task in later ones. */
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

/** `ended`: chains that ended before this step and don't reach it. */
function stepStatus(
  view: JobView,
  index: number,
  { size: known, ended }: { readonly size: number | null; readonly ended: number },
  counts: StepCounts | null,
): StepStatus {
  const step = view.record.spec.steps[index];
  const size = known ?? 0;
  const total = Math.max(0, size - ended);
  const { done = 0, failed: counted = 0, running = 0, retried = 0, interrupted = 0, bytesOut = 0 } = counts ?? {};
  const named = countIn(view.skipped[0]?.get(index), size);
  const skipped = Math.max(0, Math.min(named, total - done));
  // A task that failed and was skipped counts once. A task that was skipped first may have failed since, so ends may
  // outnumber tasks.
  const failedThen = countIn(view.skippedFailed.get(index), size);
  const unskipped = Math.max(0, counted - failedThen);
  const failed = Math.max(0, unskipped - (named - failedThen), Math.min(unskipped, total - done - running - skipped));
  const leftOut = view.opened.get(index + 1)?.leftOut;
  return {
    name: step?.name ?? '',
    group: step?.group ?? '',
    total,
    waiting: Math.max(0, total - done - failed - running - skipped),
    running,
    done,
    failed,
    skipped,
    allEmpty: done > 0 && bytesOut === 0 && step !== undefined && changedStep(step, view.overrides).output !== 'none',
    // All others were published when the next step opened.
    late: leftOut === undefined ? 0 : Math.max(0, done - (size - countIn(parseTaskSet(leftOut), size))),
    retried,
    interrupted,
  };
}

/** The window of a follower's rate, and the minimum for a rate, milliseconds. */
const RATE_WINDOW_MS = 60_000;

const MIN_WINDOW_MS = 10_000;

/** Tasks per second over the last minute, for repeated looks. */
export class RecentRate {
  readonly #samples: { readonly at: number; readonly done: number }[] = [];

  /** Adds a look (`at`: monotonic milliseconds) and returns the rate; null if too little is known. */
  add(at: number, done: number): number | null {
    this.#samples.push({ at, done });
    // Keep the newest look that is older than the window, as the baseline.
    while ((this.#samples[1]?.at ?? at) <= at - RATE_WINDOW_MS) this.#samples.shift();
    const [first] = this.#samples;
    if (first === undefined || at - first.at < MIN_WINDOW_MS) return null;
    return rounded(Math.max(0, done - first.done) / ((at - first.at) / 1_000));
  }
}

/**
 * Tasks per second for a single look, from facts that cost the same at any size; null without workers, or before
 * anything is done. In the first round: what current workers have done since they and the job existed. After a retry,
 * when earlier work says nothing about the pace: their slots divided by a task's mean duration.
 */
function rateOf(
  view: JobView,
  counts: readonly StepCounts[],
  workers: readonly LedgerWorker[],
  now: number,
): number | null {
  const done = counts.reduce((sum, count) => sum + count.done, 0);
  const [first] = workers;
  if (done === 0 || first === undefined) return null;
  const seconds = counts.reduce((sum, count) => sum + count.seconds, 0);
  const slots = workers.reduce((sum, worker) => sum + worker.slots, 0);
  if (view.round > 0 && seconds > 0) return rounded((slots * done) / seconds);
  const theirs = workers.reduce((sum, worker) => sum + worker.done, 0);
  const began = Math.min(...workers.map(({ startedAt }) => startedAt));
  const since = Math.max(Date.parse(view.record.createdAt), began);
  // A worker's own count is as old as its last heartbeat.
  const until = theirs === 0 ? now : Math.max(...workers.map(({ seenAt }) => seenAt), since + 1);
  const elapsed = (until - since) / 1_000;
  return elapsed <= 0 ? null : rounded((theirs === 0 ? done : Math.min(done, theirs)) / elapsed);
}

const rounded = (rate: number): number => Math.round(rate * 100) / 100;
