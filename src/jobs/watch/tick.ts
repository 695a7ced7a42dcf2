import { isOurs } from '../../errors.ts';
import type { NextMove } from '../../model/decide.ts';
import type { Schedule } from '../../model/schedule.ts';
import type { Firing } from '../../model/schedule-times.ts';
import type { Platform } from '../../ports/platform.ts';
import { Deliveries } from '../deliver/deliver.ts';
import { type GroupLower, lowerIdle } from '../grid/lower.ts';
import { MetricsPutter } from '../grid/metrics.ts';
import { addRaiseTroubles, type GroupRaise, raiseGroups } from '../grid/raise.ts';
import { putFailedFiring, putMissedFirings } from '../notify/news-mark.ts';
import type { TellPoint } from '../notify/tell.ts';
import { Teller } from '../notify/teller.ts';
import { type Fired, fireDue, missedFirings } from '../schedules/fire.ts';
import { ScheduleReader } from '../schedules/schedules.ts';
import type { SubmitPoint } from '../submit/submit.ts';
import { JobWatcher } from './job-watcher.ts';
import {
  type KeeperMark,
  latestKeeper,
  noted,
  putMark,
  readMark,
  recalled,
  type Trouble,
  Troubles,
  tickId,
} from './round-memory.ts';

interface TickOptions {
  /** True: report what is due; do nothing. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal;
  readonly passed?: (point: KeepingPoint) => void;
}

export interface Ticked extends LookedOn {
  readonly keeper: string;
  readonly fired: readonly Fired[];
  /** Each reported once. */
  readonly missed: readonly Missed[];
  readonly lowered: readonly GroupLower[];
  /** The results of deliveries, in words. */
  readonly delivered: readonly string[];
  readonly troubles: readonly Trouble[];
}

/**
 * One round of a manager's work: fires due schedules, watches open jobs (opens gathers, closes, raises groups,
 * re-sends, delivers), and writes its mark. After a kill at any point, the next round does the rest.
 */
export async function tick(platform: Platform, { dryRun, signal, passed }: TickOptions): Promise<Ticked> {
  const id = tickId();
  const began = platform.clock.now();
  const { keeping, told } = await Keeping.open(platform, {
    ...{ id, kind: 'tick', signal: signal ?? new AbortController().signal },
    ...(passed && { passed }),
  });
  const troubles = new Troubles(told, began);
  const schedules = await keeping.schedules(troubles);
  const { fired, raised } = await keeping.fire(schedules, troubles, { dryRun });
  const missed = await keeping.missed(schedules, began, { dryRun });
  const done = { keeper: id, fired, missed };
  if (dryRun) return { ...done, moved: [], raised: [], lowered: [], delivered: [], troubles: troubles.all };
  const looked = await keeping.lookOn(troubles);
  const lowered = await keeping.lower(troubles);
  // Before deliveries, which may take an hour.
  await keeping.tell(troubles);
  await keeping.measure(troubles);
  const delivered: string[] = [];
  await keeping.deliver(troubles, (line) => delivered.push(line));
  await keeping.delivered();
  // A round that was told to stop is incomplete.
  if (signal?.aborted !== true) await keeping.leaveMark(began, troubles.told);
  return { ...done, ...looked, raised: [...raised, ...looked.raised], lowered, delivered, troubles: troubles.all };
}

/** Each point is passed when the named duty is done; the crash tests stop the process there. */
export type KeepingPoint = SubmitPoint | TellPoint | 'fired' | 'looked' | 'kept';

interface KeepingOptions {
  /** The id of the mark that it leaves. */
  readonly id: string;
  readonly kind: KeeperMark['kind'];
  readonly signal: AbortSignal;
  readonly passed?: (point: KeepingPoint) => void;
}

export interface Missed {
  readonly schedule: string;
  readonly firing: Firing;
}

export interface FiredAll {
  readonly fired: readonly Fired[];
  readonly raised: readonly GroupRaise[];
}

export interface LookedOn {
  readonly moved: readonly { readonly job: string; readonly move: NextMove['move'] }[];
  readonly raised: readonly GroupRaise[];
}

/** How far back missed firings are reported, and how many per schedule: no one reads a list of a summer's hours. */
const MISSED = { ms: 31 * 86_400_000, most: 10 } as const;

/**
 * The duties of a manager or tick, to be repeated: `tick` runs them once in sequence, a manager runs each at its own
 * pace. State between rounds is kept here, and saved in the mark.
 */
export class Keeping {
  readonly #platform: Platform;
  readonly #options: KeepingOptions;
  readonly #schedules: ScheduleReader;
  readonly #watcher: JobWatcher;
  readonly #deliveries: Deliveries;
  readonly #teller: Teller;
  readonly #metrics: MetricsPutter;
  /** Due periods that have run, by schedule: they need not be checked again. */
  readonly #ran = new Map<string, ReadonlySet<string>>();
  #short: ReturnType<typeof recalled>;
  /** When firings were last checked, milliseconds since the epoch; null: never. */
  #missedUntil: number | null;
  #looking: { readonly troubles: Troubles; readonly raised: GroupRaise[] } | null = null;
  #telling: Troubles | null = null;
  #delivering: { readonly troubles: Troubles; readonly onLine: (line: string) => void } | null = null;

  /** Restores what the process with that id saw, now or before a restart. */
  static async open(
    platform: Platform,
    options: KeepingOptions,
  ): Promise<{ keeping: Keeping; told: KeeperMark['told'] }> {
    const [mark, last] = await Promise.all([readMark(platform.store, options.id), lastRound(platform)]);
    return { keeping: new Keeping(platform, options, mark, last), told: mark?.told ?? {} };
  }

  private constructor(platform: Platform, options: KeepingOptions, mark: KeeperMark | null, last: number | null) {
    const { clock, leaseSeconds, store } = platform;
    this.#platform = platform;
    this.#options = options;
    this.#missedUntil = last;
    this.#schedules = new ScheduleReader(store);
    this.#short = recalled(clock, mark?.short ?? {});
    this.#watcher = new JobWatcher(
      platform,
      leaseSeconds,
      (job, error) => this.#looking?.troubles.add(`job ${job}`, error),
      {
        stood: recalled(clock, mark?.stood ?? {}),
        onRaised: (more) => this.#looking?.raised.push(...more),
        onSeen: (view) => this.#teller.see(view),
      },
    );
    const log = {
      info: (line: string) => this.#delivering?.onLine(line),
      warn: (line: string) => this.#delivering?.troubles.add('a delivery', new Error(line)),
    };
    this.#metrics = new MetricsPutter(platform, mark?.tallies ?? null);
    const { signal, passed } = options;
    this.#teller = new Teller(platform, {
      ...{ signal, watchful: true, keeper: true, late: recalled(clock, mark?.late ?? {}) },
      onTrouble: (error) => this.#telling?.add('a notification', error),
      ...(passed && { passed }),
    });
    this.#deliveries = new Deliveries(platform, options.signal, log, undefined, recalled(clock, mark?.due ?? {}));
  }

  /** The number of open jobs at the last look. */
  get open(): number {
    return this.#watcher.open;
  }

  schedules(troubles: Troubles): Promise<readonly Schedule[]> {
    return this.#schedules.list((name, error) => troubles.add(`schedule ${name}`, error));
  }

  /** Fires the due periods of these schedules, and raises groups for them. Calls `onSign` for each step of a firing. */
  async fire(
    schedules: readonly Schedule[],
    troubles: Troubles,
    { dryRun = false, onSign }: { readonly dryRun?: boolean; readonly onSign?: () => void } = {},
  ): Promise<FiredAll> {
    const { signal, passed } = this.#options;
    const point = (at: SubmitPoint): void => {
      passed?.(at);
      onSign?.();
    };
    const options = { dryRun, signal, passed: point, ran: this.#ran, ...(onSign && { onProgress: onSign }) };
    const fired = await fireDue(this.#platform, schedules, options);
    for (const firing of fired) {
      if (firing.outcome !== 'failed') continue;
      troubles.add(`schedule ${firing.schedule}, ${firing.period}`, firing.error);
      await putFailedFiring(this.#platform, schedules, { ...firing, error: firing.error });
    }
    passed?.('fired');
    const views = fired.flatMap((each) => (each.outcome === 'fired' ? [each.view] : []));
    if (this.#platform.remote !== true || views.length === 0) return { fired, raised: [] };
    // The queues may not count messages sent just now.
    const raised = await raiseGroups(this.#platform, views, { fresh: true });
    addRaiseTroubles(raised, troubles);
    return { fired, raised };
  }

  /** Missed firings since the last call, at first by any manager or tick; each is returned once. */
  async missed(
    schedules: readonly Schedule[],
    until: number,
    { dryRun = false }: { readonly dryRun?: boolean } = {},
  ): Promise<readonly Missed[]> {
    const from = Math.max(this.#missedUntil ?? 0, until - MISSED.ms);
    const missed = await missedFirings(this.#platform, schedules, { from, until, most: MISSED.most });
    if (dryRun) return missed;
    await putMissedFirings(this.#platform, schedules, missed);
    this.#missedUntil = until;
    return missed;
  }

  /** One round over all open jobs. Throws errors that prevent the whole round. */
  async lookOn(troubles: Troubles): Promise<LookedOn> {
    const raised: GroupRaise[] = [];
    this.#looking = { troubles, raised };
    this.#telling ??= troubles;
    const looks = await this.#watcher.round();
    addRaiseTroubles(raised, troubles);
    this.#options.passed?.('looked');
    return { moved: [...looks].flatMap(([job, { did }]) => did.map((move) => ({ job, move }))), raised };
  }

  /** Groups whose launches hang without work. */
  async lower(troubles: Troubles): Promise<readonly GroupLower[]> {
    const { lowered, short } = await lowerIdle(this.#platform, this.#short, (group, error) =>
      troubles.add(`group ${group}`, error),
    );
    this.#short = short;
    return lowered;
  }

  /**
   * Starts deliveries that no one is doing. Reports results to `onLine` and problems to `troubles` as they come
   * (`delivered` waits for them). Returns how many are in progress or soon will be.
   */
  async deliver(troubles: Troubles, onLine: (line: string) => void): Promise<number> {
    this.#delivering = { troubles, onLine };
    return this.#deliveries.round();
  }

  /** Resolves when no delivery is in progress here. */
  delivered(): Promise<void> {
    return this.#deliveries.idle();
  }

  /**
   * Sends notifications that dead processes left, and due retries; also waits for those that `lookOn` started.
   * `troubles` receives unreachable receivers from now on.
   */
  async tell(troubles: Troubles): Promise<void> {
    this.#telling = troubles;
    await this.#teller.round();
    await this.told();
  }

  /** Resolves when no notification is in progress here. */
  told(): Promise<void> {
    return this.#teller.idle();
  }

  /** Publishes metrics, if the profile asks, at most once a minute. Those that fail are reported and dropped. */
  async measure(troubles: Troubles): Promise<void> {
    await this.#metrics.round().catch((error: unknown) => {
      if (!isOurs(error)) throw error;
      troubles.add('metrics', error);
    });
  }

  /** Writes the mark of a round that started at `began` (milliseconds since the epoch). */
  async leaveMark(began: number, told: KeeperMark['told']): Promise<void> {
    const { clock } = this.#platform;
    const { id, kind, passed } = this.#options;
    const stood = noted(clock, this.#watcher.stood());
    const due = noted(clock, this.#deliveries.seen());
    const short = noted(clock, this.#short);
    const late = noted(clock, this.#teller.late());
    const at = new Date(began).toISOString();
    await putMark(this.#platform, { id, kind, at, stood, due, short, late, tallies: this.#metrics.seen(), told });
    passed?.('kept');
  }
}

/** Start of the last round of any manager or tick, milliseconds since the epoch; null for none. */
async function lastRound(platform: Platform): Promise<number | null> {
  const latest = await latestKeeper(platform);
  const mark = latest === null ? null : await readMark(platform.store, latest.id);
  return mark === null ? null : Date.parse(mark.at);
}
