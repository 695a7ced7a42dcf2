import { isBatchctlError, isKind } from '../../errors.ts';
import {
  isLimitReached,
  isLimitTooLow,
  JOB_LIMIT,
  limitReachedText,
  limitStuckText,
  MONTH_BUDGET,
  missingPricesError,
} from '../../model/cost/limit.ts';
import { sizingOf, stepSizes } from '../../model/counts.ts';
import { standingOf } from '../../model/decide.ts';
import { sectionStart } from '../../model/job.ts';
import { BUDGET_REASON, type EntryKind } from '../../model/journal.ts';
import type { StepCounts } from '../../model/ledger/records.ts';
import { hasStarted, type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { otherJobsInGroups } from '../demand.ts';
import { append } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { recordView } from '../record-view.ts';
import { type LeastCost, leastCostToContinue } from './machine-allowance.ts';
import { type CostStanding, isLimited, limitOf, readStandings, type Standings } from './standings.ts';

/** Interval between cost checks by a watcher, milliseconds. */
const EVERY_MS = 60_000;

/** Pauses jobs at their limit or the stack's, at most once a minute. One per process; it stores nothing. */
export class CostGuard {
  readonly #platform: Platform;
  readonly #onTrouble: (job: string, error: Error) => void;
  #at = Number.NEGATIVE_INFINITY;

  /** `onTrouble` is called for a job whose limit can't be enforced because a price is missing. */
  constructor(platform: Platform, onTrouble: (job: string, error: Error) => void) {
    this.#platform = platform;
    this.#onTrouble = onTrouble;
  }

  /** Returns the views of the jobs that it paused or found paused; `all`: no other job runs. */
  async round(views: readonly JobView[], all = false): Promise<readonly JobView[]> {
    const { clock } = this.#platform;
    const due = views.filter((view) => isDue(view, clock.now()));
    if (!isLimited(this.#platform, due) || clock.monotonic() - this.#at < EVERY_MS) return [];
    this.#at = clock.monotonic();
    try {
      return await guardCosts(this.#platform, due, { all, onTrouble: this.#onTrouble });
    } catch (error) {
      // A group that the profile no longer has, or may not query, must not stop watchers from watching jobs.
      if (!isBatchctlError(error) || isKind(error, 'unavailable')) throw error;
      for (const { record } of due) this.#onTrouble(record.job, error);
      return [];
    }
  }
}

export interface GuardOptions {
  /** True: these are all running jobs. */
  readonly all?: boolean;
  readonly onTrouble?: (job: string, error: Error) => void;
}

/**
 * Pauses the jobs that reached their limit, and every job with remaining work once the stack reached its monthly limit.
 * The journal decides: if two processes try, the second finds the job paused. Returns their views.
 */
export async function guardCosts(
  platform: Platform,
  views: readonly JobView[],
  { all = false, onTrouble = () => undefined }: GuardOptions = {},
): Promise<readonly JobView[]> {
  const known = new Set(views.map(({ record }) => record.job));
  const others = all ? [] : await otherJobsInGroups(platform, new Set(platform.groups), known);
  const running = [...views, ...others.filter((view) => isDue(view, platform.clock.now()))];
  const standings = await readStandings(platform, running);
  if (standings === null) return [];
  const paused: JobView[] = [];
  for (const view of running) {
    const { job } = view.record;
    const unknown = [standings.jobs.get(job), standings.month].flatMap((of) =>
      of && 'unknown' in of ? of.unknown : [],
    );
    if (unknown.length > 0) onTrouble(job, missingPricesError(unknown));
    if (pauseEntry(platform, view, standings) === null || !(await hasWorkLeft(platform, view, standings))) continue;
    const after = await pauseAtLimit(platform, view, standings);
    if (after !== null) paused.push(after);
  }
  return paused;
}

async function pauseAtLimit(platform: Platform, view: JobView, standings: Standings): Promise<JobView | null> {
  const { view: after, appended } = await append(platform, view, (now) => pauseEntry(platform, now, standings));
  if (appended) await recordView(platform, after);
  return after.paused === null ? null : after;
}

/** The entry for the current journal: a person may have raised the limit since the costs were read. */
function pauseEntry({ budget }: Platform, view: JobView, standings: Standings): EntryKind | null {
  const { jobs, month } = standings;
  if (view.cancelled || view.closed !== null || view.paused !== null || view.stopped !== null) return null;
  const limit = budget === undefined ? null : limitOf(view, budget);
  const own = limit === null ? null : withLimit(jobs.get(view.record.job) ?? null, limit);
  const least = leastCostNow(view, standings);
  const detail =
    limitReason(JOB_LIMIT, own, least?.own ?? null) ?? limitReason(MONTH_BUDGET, month, least?.month ?? null);
  return detail === null ? null : { what: 'pause', now: false, reason: BUDGET_REASON, detail };
}

const withLimit = (standing: CostStanding | null, limit: number): CostStanding | null =>
  standing === null ? null : { ...standing, limit };

function limitReason(whose: string, standing: CostStanding | null, least: number | null): string | null {
  if (standing === null || 'unknown' in standing) return null;
  if (isLimitReached(standing)) return limitReachedText(whose, standing);
  return least !== null && isLimitTooLow(standing, least) ? limitStuckText(whose, standing, least) : null;
}

/** The cost of one more machine that could continue the job; null while some of its tasks run on any machine. */
function leastCostNow(view: JobView, standings: Standings): LeastCost | null {
  const runs = (standings.counts.get(view.record.job) ?? []).some(({ running }) => running > 0);
  return runs ? null : leastCostToContinue(view, standings);
}

/** True if its start time has passed, and it is neither paused nor closed. */
const isDue = (view: JobView, now: number): boolean =>
  hasStarted(view, now) && view.stopped === null && ['submitted', 'running'].includes(stateOf(view));

/**
 * True while tasks are still to begin: a pause doesn't stop tasks that only need to end. Reads counters, which may lag.
 * They show nothing of a retry's round until its tasks begin, so then a listing decides.
 */
async function hasWorkLeft({ store }: Platform, view: JobView, { counts }: Standings): Promise<boolean> {
  const known = counts.get(view.record.job) ?? [];
  if (countsShowWork(view, known)) return true;
  if (view.round === 0) return false;
  const undecided = standingOf(view, await listFacts(store, view)).steps.reduce(
    (sum, step) => sum + step.undecided.count,
    0,
  );
  return undecided > known.reduce((sum, { running }) => sum + running, 0);
}

function countsShowWork(view: JobView, counts: readonly StepCounts[]): boolean {
  const { steps } = view.record.spec;
  const sizes = stepSizes(sizingOf(view));
  let ended = 0;
  return steps.some(({ name }, index) => {
    if (sectionStart(steps, index) === index) ended = 0;
    const total = sizes[index] ?? null;
    const { done = 0, failed = 0, running = 0 } = counts.find(({ step }) => step === name) ?? {};
    const left = total === null ? 1 : total - ended - done - failed - running;
    ended += failed;
    return left > 0;
  });
}
