import { isKind } from '../errors.ts';
import { randomId } from '../lib/id.ts';
import { countsSayDecided, withSkipped } from '../model/counts.ts';
import { lookedKey, OPEN, openOf } from '../model/keys.ts';
import { emptyView, type JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { CostGuard } from './cost/cost-guard.ts';
import { countsSignature } from './counts-signature.ts';
import { isDenied } from './denied-job.ts';
import { discardAbandoned } from './discard.ts';
import { readJob, refreshView } from './journal.ts';
import { stepTotals } from './listing.ts';
import { finishClose, isOpen, type Look, look } from './look.ts';
import type { GroupRaise } from './raise.ts';
import { WaitingRaiser } from './raise-waiting.ts';
import { resendMissing, type Watched } from './resend-missing.ts';
import { dropUnreached } from './round-marks.ts';
import type { Seen } from './seen.ts';

/** What an onlooker remembers of a job between two glances. */
interface Memory extends Watched {
  /** Counters at the last listing, and when that was (monotonic ms). */
  listed: { readonly counts: string; readonly at: number } | null;
  /** No listing for the counters' sake before then (monotonic ms): the last one found nothing to do. */
  quietUntil: number;
  stood: Watched['stood'];
  /** The mark of whoever listed it last, as this process saw it, and when (monotonic ms). */
  mark: { readonly etag: string | null; readonly at: number } | null;
  /** The counters as they are, and since when (monotonic ms). */
  counted: { readonly text: string; readonly since: number } | null;
  /** When it was first seen to be closed, and not finished (monotonic ms). */
  closedAt: number | null;
}

export interface OnlookerOptions {
  /** False: the sizes of groups are left as they are; `waiting`: groups are asked for only while messages wait. */
  readonly raises?: boolean | 'waiting';
  /** False: remains of submissions that died are left to others. A worker may put no run key and no job. */
  readonly discards?: boolean;
  /** True for one of many workers: a large job that moves is listed by one of them each minute, not by each. */
  readonly shares?: boolean;
  readonly stood?: ReadonlyMap<string, Seen>;
  readonly onRaised?: (raised: readonly GroupRaise[]) => void;
  /** Told of each job as it is after a glance. */
  readonly onSeen?: (view: JobView) => void;
}

/** After a listing that found nothing to do, the next one for the counters' sake waits at least so long. */
const QUIET_MS = 200;
/** So long a worker leaves the end of a close to whoever made it, milliseconds. */
const FINISH_MS = 30_000;
/** Between two listings of a job whose counters do not say that it may be time, milliseconds. */
const LIST_MS = 60_000;
/** From so many tasks on a job is large: a listing is ten requests or more, and a thousand workers each make one a minute. */
const LARGE = 10_000;

/**
 * Looks cheaply first and exactly second (law 11), and has sent again what two looks, two leases apart, found missing, and
 * groups raised for what waits (law 9). One a process; it keeps nothing that could not be read again.
 */
export class Onlooker {
  readonly #platform: Platform;
  readonly #leaseMs: number;
  readonly #onTrouble: (job: string, error: unknown) => void;
  readonly #jobs = new Map<string, Memory>();
  /** Null: it leaves the sizes of groups as they are. */
  readonly #raiser: WaitingRaiser | null;
  readonly #costs: CostGuard;
  readonly #discards: boolean;
  readonly #shares: boolean;
  readonly #onSeen: (view: JobView) => void;
  /** What was told already of groups that can't be raised. */
  readonly #told = new Set<string>();
  #open = 0;
  /** Where jobs stood when an earlier process looked. */
  readonly #recalled: ReadonlyMap<string, Seen>;

  /**
   * `onTrouble` is told of a job that can't be looked at, or whose group can't be raised, while the others go on; with
   * `onRaised` what became of raising is told there. `stood` is what `stood()` of an earlier process answered.
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
    }: OnlookerOptions = {},
  ) {
    this.#shares = shares && platform.remote === true;
    this.#recalled = stood;
    this.#onSeen = onSeen;
    this.#discards = discards;
    this.#platform = platform;
    this.#onTrouble = onTrouble;
    this.#leaseMs = leaseSeconds * 1_000;
    const tellOnce = (job: string, error: Error): void => this.#tellOnce(job, error);
    const raising = { onlyWaiting: raises === 'waiting', onRaised: onRaised ?? null, onTrouble: tellOnce };
    this.#raiser = raises === false ? null : new WaitingRaiser(platform, raising);
    this.#costs = new CostGuard(platform, tellOnce);
  }

  /** Ids of jobs with an open mark, whether committed or not. */
  async openJobs(): Promise<readonly string[]> {
    const jobs = new Set<string>();
    for await (const key of this.#platform.store.keys(OPEN)) {
      const mark = openOf(key);
      if (mark !== null) jobs.add(mark.job);
    }
    return [...jobs];
  }

  /**
   * A cheap glance at one job, and an exact look if it may be time: the counters moved and say all decided, or `exact`
   * is asked for, or nothing was listed for a minute. Answers null for a job that isn't committed or was pruned.
   */
  async glance(job: string, exact = false): Promise<{ readonly view: JobView; readonly look: Look | null } | null> {
    const memory = await this.#remember(job);
    if (memory === null) return null;
    const glanced = await this.#lookAt(memory, exact);
    this.#onSeen(glanced.view);
    return glanced;
  }

  async #lookAt(memory: Memory, exact: boolean): Promise<{ readonly view: JobView; readonly look: Look | null }> {
    // Nothing is left to list, so nothing may be decided of it.
    if (memory.view.pruned !== null) return { view: memory.view, look: null };
    if (!isOpen(memory.view) && memory.view.closed !== null && !exact) return { view: memory.view, look: null };
    if (!exact && !(await this.#isTime(memory))) return { view: memory.view, look: null };
    const began = this.#platform.clock.monotonic();
    const found = await look(this.#platform, memory.view).catch((error: unknown) => {
      // It was not listed: the next glance may.
      memory.listed = null;
      throw error;
    });
    const ended = this.#platform.clock.monotonic();
    memory.quietUntil = found.did.length > 0 ? 0 : ended + Math.max(QUIET_MS, 10 * (ended - began));
    memory.view = found.view;
    this.#noteStanding(memory, found);
    return { view: found.view, look: found };
  }

  /**
   * A glance after an outcome. A publish after a close is followed by an exact look, which may close again. A job that
   * can't be read is for others: nothing is thrown for it. Answers in how many milliseconds to glance again, if it may
   * be time and the last listing was too short ago.
   */
  async afterOutcome(job: string, published: boolean): Promise<number | null> {
    try {
      const glanced = await this.glance(job);
      const quiet = this.#quietFor(job);
      if (glanced !== null && glanced.look === null && isOpen(glanced.view) && quiet > 0) return quiet;
      const late = published && glanced !== null && glanced.look === null && glanced.view.closed !== null;
      if (late) await this.glance(job, true);
      return null;
    } catch (error) {
      this.#passOver(job, error);
      return null;
    }
  }

  /** One job's trouble (a newer format, a damaged or denied object, a bug) ends nobody's round; a service's trouble does. */
  #passOver(job: string, error: unknown): void {
    if (isKind(error, 'unavailable', 'full', 'credentials') && !isDenied(error)) throw error;
    this.#onTrouble(job, error);
  }

  #quietFor(job: string): number {
    return (this.#jobs.get(job)?.quietUntil ?? 0) - this.#platform.clock.monotonic();
  }

  /** One round over all open jobs, with resends where they are due. Answers the exact looks it took, by job. */
  async round(exact = false): Promise<ReadonlyMap<string, Look>> {
    const looks = new Map<string, Look>();
    const open = new Set(await this.openJobs());
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
        this.#passOver(job, error);
      }
    }
    await this.guardCosts();
    await resendMissing(this.#platform, [...this.#jobs.values()], {
      leaseMs: this.#leaseMs,
      onTrouble: (job, error) => this.#passOver(job, error),
    });
    await this.#raiser?.round(this.#views());
    return looks;
  }

  /** Whoever closed a job finishes that within seconds: of many workers none does it too, unless it died meanwhile. */
  #mayFinish(job: string): boolean {
    const memory = this.#jobs.get(job);
    if (memory === undefined || !this.#shares) return true;
    const now = this.#platform.clock.monotonic();
    memory.closedAt ??= now;
    return now - memory.closedAt >= FINISH_MS;
  }

  /** How many open marks the last round found. */
  get open(): number {
    return this.#open;
  }

  /** Pauses what has cost what it may, once a minute at most. `all`: every open job was glanced at. */
  async guardCosts(all = true): Promise<void> {
    for (const view of await this.#costs.round(this.#views(), all)) {
      const memory = this.#jobs.get(view.record.job);
      if (memory !== undefined) memory.view = view;
    }
  }

  #tellOnce(job: string, error: Error): void {
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
    const decided = countsSayDecided(memory.view.record.spec.steps, stepTotals(memory.view), ended);
    // After a retry old failures keep saying decided: fruitless listings take at most a tenth of the time.
    const isDue = moved && decided && now >= memory.quietUntil;
    if (!isDue && (!stale || (await this.#isListedElsewhere(memory, now)))) return false;
    memory.listed = { counts: text, at: now };
    return true;
  }

  /**
   * Whether another worker has listed the large job since this one asked last; else this one says that it does. By a mark
   * that changes, so no clock is compared. Of a job that stands still for two leases each looks for itself (law 9).
   */
  async #isListedElsewhere(memory: Memory, now: number): Promise<boolean> {
    const tasks = stepTotals(memory.view).reduce((sum, size) => sum + size, 0);
    const standsStill = memory.counted !== null && now - memory.counted.since >= 2 * this.#leaseMs;
    if (!this.#shares || tasks < LARGE || standsStill) return false;
    const { store } = this.#platform;
    const key = lookedKey(memory.view.record.job);
    const etag = (await store.head(key))?.etag ?? null;
    const isNew = etag !== null && etag !== memory.mark?.etag;
    if (isNew) memory.mark = { etag, at: now };
    else {
      const put = await store.put(key, JSON.stringify({ format: 1, id: randomId(16) }));
      memory.mark = { etag: put.etag, at: now };
    }
    // What it knows of where the job stands is too old to send anything again by.
    if (isNew) memory.stood = null;
    return isNew;
  }

  #noteStanding(memory: Memory, found: Look): void {
    const is = [
      found.view.next,
      ...found.standing.steps.map((step) => `${step.published}/${step.failed}/${step.undecided.count}`),
    ].join(' ');
    const recalled = this.#recalled.get(found.view.record.job);
    const before = memory.stood ?? recalled;
    const since = before?.is === is ? before.since : this.#platform.clock.monotonic();
    memory.stood = { is, since, look: found };
  }

  /** Where the open jobs stand that it looked at exactly: for a process that comes after this one. */
  stood(): ReadonlyMap<string, Seen> {
    const stood = new Map<string, Seen>();
    for (const [job, memory] of this.#jobs)
      if (memory.stood !== null && isOpen(memory.view)) stood.set(job, memory.stood);
    return stood;
  }
}
