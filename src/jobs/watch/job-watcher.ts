import { isKind } from '../../errors.ts';
import { randomId } from '../../lib/id.ts';
import { mayBeDecided, withSkipped } from '../../model/counts.ts';
import { emptyView } from '../../model/fold.ts';
import { lookKey } from '../../model/keys.ts';
import type { StepCounts } from '../../model/ledger/records.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { CostGuard } from '../cost/cost-guard.ts';
import { isDenied } from '../denied-job.ts';
import { discardAbandoned } from '../discard.ts';
import { type GroupRaise, WaitingRaiser } from '../grid/raise.ts';
import { readJob, refreshView } from '../journal.ts';
import type { Sighting } from '../keeper-mark.ts';
import { listFacts, stepTotals } from '../listing.ts';
import { openJobs } from '../open-jobs.ts';
import { dropUnreached } from '../round-marks.ts';
import { recordExactCounts } from '../totals.ts';
import { finishClose, isOpen, type Look, look } from './look.ts';
import { resendMissing, type WatchedJob } from './resend-missing.ts';

interface Memory extends WatchedJob {
  /** Counters at the last listing, and its time (monotonic ms). */
  listed: { readonly counts: string; readonly at: number } | null;
  /** No listing because of counters before this time (monotonic ms): the last one found nothing to do. */
  quietUntil: number;
  stood: WatchedJob['stood'];
  /** The mark of the process that listed it last, and when this process saw it (monotonic ms). */
  mark: { readonly etag: string | null; readonly at: number } | null;
  /** The current counters, and since when (monotonic ms). */
  counted: { readonly text: string; readonly since: number } | null;
  /** When it was first seen closed, by others and perhaps not completely (monotonic ms). */
  closedAt: number | null;
}

interface JobWatcherOptions {
  /** False: don't change the size of groups; `waiting`: raise groups only while messages wait. */
  readonly raises?: boolean | 'waiting';
  /** False: leave leftovers of dead submissions to others. A worker may write no run keys and jobs. */
  readonly discards?: boolean;
  /** True for one of many workers: an active large job is listed by one of them each minute, not by each. */
  readonly shares?: boolean;
  readonly stood?: ReadonlyMap<string, Sighting>;
  readonly onRaised?: (raised: readonly GroupRaise[]) => void;
  /** Called with each job after a look. */
  readonly onSeen?: (view: JobView) => void;
  /** Resolves when this process has written its attempts to the ledger, as `look` needs it. */
  readonly recorded?: () => Promise<void>;
}

/** After a listing that found nothing to do, the minimum wait until the next one because of counters. */
const QUIET_MS = 200;

/** How long a worker leaves the completion of a close to the process that made it, milliseconds. */
const FINISH_MS = 30_000;

/** Interval between listings of a job whose counters don't suggest one, milliseconds. */
const LIST_MS = 60_000;

/**
 * A job is large from this many tasks on: a listing takes at least ten requests, and a thousand workers would each list
 * it every minute.
 */
const LARGE = 10_000;

/**
 * Looks cheaply first and exactly second (law 11). Re-sends what two looks, two leases apart, found missing, and raises
 * groups for waiting work (law 9). One per process; all of its state can be read again.
 */
export class JobWatcher {
  readonly #platform: Platform;
  readonly #leaseMs: number;
  readonly #onTrouble: (job: string, error: unknown) => void;
  readonly #jobs = new Map<string, Memory>();
  /** Null: it doesn't change the size of groups. */
  readonly #raiser: WaitingRaiser | null;
  readonly #costs: CostGuard;
  readonly #discards: boolean;
  readonly #shares: boolean;
  readonly #onSeen: (view: JobView) => void;
  readonly #recorded: (() => Promise<void>) | undefined;
  /** Problems of raising groups that were already reported. */
  readonly #told = new Set<string>();
  #open = 0;
  readonly #recalled: ReadonlyMap<string, Sighting>;

  /**
   * Calls `onTrouble` for a job that can't be read, or whose group can't be raised; the others continue. With
   * `onRaised`, results of raising go there. `stood` is the result of `positions()` in an earlier process.
   */
  constructor(
    platform: Platform,
    leaseSeconds: number,
    onTrouble: (job: string, error: unknown) => void = () => undefined,
    {
      raises = true,
      discards = true,
      shares = false,
      stood = new Map(),
      onRaised,
      onSeen = () => undefined,
      recorded,
    }: JobWatcherOptions = {},
  ) {
    this.#shares = shares && platform.workplace.paysRequests;
    this.#recalled = stood;
    this.#onSeen = onSeen;
    this.#recorded = recorded;
    this.#discards = discards;
    this.#platform = platform;
    this.#onTrouble = onTrouble;
    this.#leaseMs = leaseSeconds * 1_000;
    const tellOnce = (job: string, error: Error): void => this.#reportOnce(job, error);
    const raising = { onlyWaiting: raises === 'waiting', onRaised: onRaised ?? null, onTrouble: tellOnce };
    this.#raiser = raises === false ? null : new WaitingRaiser(platform, raising);
    this.#costs = new CostGuard(platform, tellOnce);
  }

  /**
   * A cheap look at one job, followed by an exact one if it may be needed: the counters changed and say that everything
   * is decided, `exact` is set, or nothing was listed for a minute. Returns null for a job that isn't committed or was
   * pruned.
   */
  async glance(job: string, exact = false): Promise<{ readonly view: JobView; readonly look: Look | null } | null> {
    const memory = await this.#remember(job);
    if (memory === null) return null;
    const glanced = await this.#lookAt(memory, exact);
    this.#onSeen(glanced.view);
    return glanced;
  }

  async #lookAt(memory: Memory, exact: boolean): Promise<{ readonly view: JobView; readonly look: Look | null }> {
    // No objects are left to list, so nothing may be decided.
    if (memory.view.pruned !== null) return { view: memory.view, look: null };
    if (memory.view.closed === null) memory.closedAt = null;
    if (!isOpen(memory.view) && memory.view.closed !== null && !exact) return { view: memory.view, look: null };
    if (!exact && !(await this.#isTime(memory))) return { view: memory.view, look: null };
    const began = this.#platform.clock.monotonic();
    const { job } = memory.view.record;
    const options = { finishes: () => this.#mayFinish(job), recorded: this.#recorded };
    const found = await look(this.#platform, memory.view, options).catch((error: unknown) => {
      // It was not listed: the next glance may.
      memory.listed = null;
      throw error;
    });
    const ended = this.#platform.clock.monotonic();
    memory.quietUntil = found.did.length > 0 ? 0 : ended + Math.max(QUIET_MS, 10 * (ended - began));
    memory.view = found.view;
    this.#recordPosition(memory, found);
    return { view: found.view, look: found };
  }

  /**
   * A look after an outcome. A publish after a close needs an exact look, which may close the job again, and exact counts
   * that include it. An unreadable job is left to others; nothing is thrown. Returns in how many milliseconds to look
   * again, if a look may be needed and the last listing was too recent.
   */
  async afterOutcome(job: string, published: boolean): Promise<number | null> {
    try {
      const glanced = await this.glance(job);
      const quiet = this.#quietFor(job);
      if (glanced !== null && glanced.look === null && isOpen(glanced.view) && quiet > 0) return quiet;
      const late = published && glanced !== null && glanced.look === null && glanced.view.closed !== null;
      if (late) await this.#countLate((await this.glance(job, true))?.look ?? null);
      return null;
    } catch (error) {
      this.#reportTrouble(job, error);
      return null;
    }
  }

  /** Exact totals exclude later events of their round, so outputs that came after the close need new ones. */
  async #countLate(found: Look | null): Promise<void> {
    if (found === null || found.view.closed === null || found.did.length > 0) return;
    const platform = this.#platform;
    const counts = await (await platform.ledger()).counts(found.view.record.job);
    const lacks = counts.some(({ step, done, exact }) => {
      const published = found.standing.steps.find(({ name }) => name === step)?.published ?? 0;
      return exact && done < published;
    });
    if (lacks) await recordExactCounts(platform, found.view, await listFacts(platform.store, found.view));
  }

  /** Skips a job with a problem of its own (newer format, damaged or denied object, bug). Throws if a service fails. */
  #reportTrouble(job: string, error: unknown): void {
    if (isKind(error, 'unavailable', 'full', 'credentials') && !isDenied(error)) throw error;
    this.#onTrouble(job, error);
  }

  #quietFor(job: string): number {
    return (this.#jobs.get(job)?.quietUntil ?? 0) - this.#platform.clock.monotonic();
  }

  /** One round over all open jobs, with resends where due. Returns the exact looks by job. */
  async round(exact = false): Promise<ReadonlyMap<string, Look>> {
    const looks = new Map<string, Look>();
    const open = new Set(await openJobs(this.#platform.store));
    this.#open = open.size;
    for (const [job, { view }] of this.#jobs) if (!open.has(job) && !isOpen(view)) this.#jobs.delete(job);
    for (const job of open) {
      try {
        const glanced = await this.glance(job, exact);
        if (glanced === null) {
          if (this.#discards) await discardAbandoned(this.#platform, job);
        } else if (glanced.look !== null) looks.set(job, glanced.look);
        else if (glanced.view.closed !== null && this.#mayFinish(job)) await finishClose(this.#platform, glanced.view);
        if (glanced !== null && glanced.view.closed !== null) await dropUnreached(this.#platform, glanced.view);
      } catch (error) {
        this.#reportTrouble(job, error);
      }
    }
    await this.guardCosts();
    await resendMissing(this.#platform, [...this.#jobs.values()], {
      leaseMs: this.#leaseMs,
      onTrouble: (job, error) => this.#reportTrouble(job, error),
    });
    await this.#raiser?.round(this.#views());
    return looks;
  }

  /** A process that closes a job completes that within seconds, so other workers complete it only after FINISH_MS. */
  #mayFinish(job: string): boolean {
    const memory = this.#jobs.get(job);
    if (memory === undefined || !this.#shares) return true;
    const now = this.#platform.clock.monotonic();
    memory.closedAt ??= now;
    return now - memory.closedAt >= FINISH_MS;
  }

  /** The number of open marks in the last round. */
  get open(): number {
    return this.#open;
  }

  /** Pauses jobs that reached their cost limit, at most once a minute. `all`: every open job was looked at. */
  async guardCosts(all = true): Promise<void> {
    for (const view of await this.#costs.round(this.#views(), all)) {
      const memory = this.#jobs.get(view.record.job);
      if (memory !== undefined) memory.view = view;
    }
  }

  #reportOnce(job: string, error: Error): void {
    if (this.#told.has(error.message)) return;
    this.#told.add(error.message);
    this.#onTrouble(job, error);
  }

  #views(): readonly JobView[] {
    return [...this.#jobs.values()].map(({ view }) => view);
  }

  async #remember(job: string): Promise<Memory | null> {
    const known = this.#jobs.get(job);
    if (known !== undefined) {
      known.view = await refreshView(this.#platform.store, known.view);
      return known;
    }
    const record = await readJob(this.#platform.store, job);
    if (record === null) return null;
    const memory: Memory = {
      view: await refreshView(this.#platform.store, emptyView(record)),
      listed: null,
      quietUntil: 0,
      stood: null,
      mark: null,
      counted: null,
      closedAt: null,
    };
    this.#jobs.set(job, memory);
    return memory;
  }

  async #isTime(memory: Memory): Promise<boolean> {
    const now = this.#platform.clock.monotonic();
    const ledger = await this.#platform.ledger();
    const counts = await ledger.counts(memory.view.record.job);
    const text = countsSignature(memory.view, counts);
    const { listed } = memory;
    if (memory.counted?.text !== text) memory.counted = { text, since: now };
    const lastAt = Math.max(listed?.at ?? Number.NEGATIVE_INFINITY, memory.mark?.at ?? Number.NEGATIVE_INFINITY);
    const stale = now - lastAt >= Math.min(LIST_MS, 2 * this.#leaseMs);
    const moved = listed === null || listed.counts !== text;
    const ended = withSkipped(memory.view, counts);
    const decided = mayBeDecided(memory.view.record.spec.steps, stepTotals(memory.view), ended);
    // After a retry, old failures keep suggesting that everything is decided: fruitless listings take at most a tenth
    // of the time.
    const isDue = moved && decided && now >= memory.quietUntil;
    if (!isDue && (!stale || (await this.#isListedElsewhere(memory, now)))) return false;
    memory.listed = { counts: text, at: now };
    return true;
  }

  /**
   * Whether another worker has listed the large job since the last call; otherwise claims that this one does. Uses a
   * mark that changes, so no clocks are compared. If a job stands still for two leases, every worker looks itself (law
   * 9).
   */
  async #isListedElsewhere(memory: Memory, now: number): Promise<boolean> {
    const tasks = stepTotals(memory.view).reduce((sum, size) => sum + size, 0);
    const standsStill = memory.counted !== null && now - memory.counted.since >= 2 * this.#leaseMs;
    if (!this.#shares || tasks < LARGE || standsStill) return false;
    const { store } = this.#platform;
    const key = lookKey(memory.view.record.job);
    const etag = (await store.head(key))?.etag ?? null;
    const isNew = etag !== null && etag !== memory.mark?.etag;
    if (isNew) memory.mark = { etag, at: now };
    else {
      const put = await store.put(key, JSON.stringify({ format: 1, id: randomId(16) }));
      memory.mark = { etag: put.etag, at: now };
    }
    // The known position of the job is too old for a resend.
    if (isNew) memory.stood = null;
    return isNew;
  }

  #recordPosition(memory: Memory, found: Look): void {
    const is = [
      found.view.next,
      ...found.standing.steps.map((step) => `${step.published}/${step.failed}/${step.undecided.count}`),
    ].join(' ');
    const recalled = this.#recalled.get(found.view.record.job);
    const before = memory.stood ?? recalled;
    const since = before?.is === is ? before.since : this.#platform.clock.monotonic();
    memory.stood = { is, since, look: found };
  }

  positions(): ReadonlyMap<string, Sighting> {
    const stood = new Map<string, Sighting>();
    for (const [job, memory] of this.#jobs)
      if (memory.stood !== null && isOpen(memory.view)) stood.set(job, memory.stood);
    return stood;
  }
}

/** Changes whenever a job's journal or its counters of ended tasks change. */
function countsSignature(view: JobView, counts: readonly StepCounts[]): string {
  return [view.next, ...counts.map((count) => `${count.step}:${count.done}/${count.failed}`)].join(' ');
}
