import { isBatchctlError } from '../errors.ts';
import type { NextMove } from '../model/decide.ts';
import { leftOutLines } from '../model/job.ts';
import type { Schedule } from '../model/schedule.ts';
import type { Firing } from '../model/schedule-times.ts';
import type { Platform } from '../ports/platform.ts';
import { Deliveries } from './deliver/deliver.ts';
import { type GroupLowering, lowerIdle } from './grid/lower.ts';
import { MetricsPublisher } from './grid/metrics.ts';
import { addRaiseTroubles, type GroupRaise, raiseGroups } from './grid/raise.ts';
import {
  fromStoredSightings,
  type KeeperMark,
  latestKeeper,
  putKeeperMark,
  readKeeperMark,
  type Trouble,
  Troubles,
  tickId,
  toStoredSightings,
} from './keeper-mark.ts';
import { putFailedFiring, putMissedFirings, putStayingFleets } from './notify/news-mark.ts';
import { NoticeSender } from './notify/notice-sender.ts';
import { type FireResult, fireDue, type HeldUp, missedFirings } from './schedules/fire.ts';
import { HeldFirings } from './schedules/held-firings.ts';
import { ScheduleReader } from './schedules/schedules.ts';
import type { NotifyPoint } from './send-notice.ts';
import type { SubmitPoint } from './submit/options.ts';
import { JobWatcher } from './watch/job-watcher.ts';

interface TickOptions extends Pick<KeeperOptions, 'passed'> {
  /** True: report what is due; do nothing. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal;
}

export interface TickResult extends WatchRoundResult {
  readonly keeper: string;
  readonly fired: readonly FireResult[];
  /** Each reported once. */
  readonly missed: readonly MissedFiring[];
  /** The inputs that firings left out, if they differ from those of the schedule's firing before. */
  readonly leftOut: readonly LeftOutOfFiring[];
  readonly lowered: readonly GroupLowering[];
  /** The results of deliveries, in words. */
  readonly delivered: readonly string[];
  readonly troubles: readonly Trouble[];
}

/**
 * One round of a manager's work: fires due schedules, watches open jobs (opens gathers, closes, raises groups,
 * re-sends, delivers), and writes its mark. After a kill at any point, the next round does the rest.
 */
export async function tick(platform: Platform, { dryRun, signal, passed }: TickOptions): Promise<TickResult> {
  const id = tickId();
  const began = platform.clock.now();
  const { keeping, told } = await KeeperDuties.open(platform, {
    id,
    kind: 'tick',
    signal: signal ?? new AbortController().signal,
    passed,
  });
  const troubles = new Troubles(told, began);
  const schedules = await keeping.schedules(troubles);
  const { fired, raised } = await keeping.fire(schedules, troubles, { dryRun });
  const missed = await keeping.findMissed(schedules, began, { dryRun });
  const done = { keeper: id, fired, missed, leftOut: keeping.newsOfLeftOut(schedules, fired) };
  if (dryRun) return { ...done, moved: [], raised: [], lowered: [], delivered: [], troubles: troubles.all };
  const looked = await keeping.watchJobs(troubles);
  const lowered = await keeping.lowerGroups(troubles);
  // Before deliveries, which may take an hour.
  await keeping.notify(troubles);
  await keeping.publishMetrics(troubles);
  const delivered: string[] = [];
  await keeping.deliver(troubles, (line) => delivered.push(line));
  await keeping.waitForDeliveries();
  // A round that was told to stop is incomplete.
  if (signal?.aborted !== true) await keeping.writeMark(began, troubles.told);
  return { ...done, ...looked, raised: [...raised, ...looked.raised], lowered, delivered, troubles: troubles.all };
}

/** Each point is passed when the named duty is done; the crash tests stop the process there. */
export type KeeperPoint = SubmitPoint | NotifyPoint | 'fired' | 'looked' | 'kept';

interface KeeperOptions {
  /** The id of the mark that it leaves. */
  readonly id: string;
  readonly kind: KeeperMark['kind'];
  readonly signal: AbortSignal;
  readonly passed?: ((point: KeeperPoint) => void) | undefined;
}

export interface MissedFiring {
  readonly schedule: string;
  readonly firing: Firing;
}

export interface LeftOutOfFiring {
  readonly schedule: string;
  readonly period: string;
  readonly lines: readonly string[];
}

export interface FireRoundResult {
  readonly fired: readonly FireResult[];
  readonly raised: readonly GroupRaise[];
}

export interface WatchRoundResult {
  readonly moved: readonly { readonly job: string; readonly move: NextMove['move'] }[];
  readonly raised: readonly GroupRaise[];
}

/** How far back missed firings are reported, and how many per schedule: no one reads a list of a summer's hours. */
const MISSED = { ms: 31 * 86_400_000, most: 10 } as const;

/**
 * The duties of a manager or tick, to be repeated: `tick` runs them once in sequence, a manager runs each at its own
 * pace. State between rounds is kept here, and saved in the mark.
 */
export class KeeperDuties {
  readonly #platform: Platform;
  readonly #options: KeeperOptions;
  readonly #schedules: ScheduleReader;
  readonly #watcher: JobWatcher;
  readonly #deliveries: Deliveries;
  readonly #noticeSender: NoticeSender;
  readonly #metrics: MetricsPublisher;
  /** Due periods that have run, by schedule: they need not be checked again. */
  readonly #ran = new Map<string, ReadonlySet<string>>();
  /** Due periods whose inputs are missing: they are looked for less often the longer they are. */
  readonly #held = new HeldFirings<HeldUp>();
  #short: ReturnType<typeof fromStoredSightings>;
  /** The inputs that each schedule's latest firing left out, without its period. */
  #leftOut: ReadonlyMap<string, string>;
  /** When firings were last checked, milliseconds since the epoch; null: never. */
  #missedUntil: number | null;
  #looking: { readonly troubles: Troubles; readonly raised: GroupRaise[] } | null = null;
  #noticeTroubles: Troubles | null = null;
  #delivering: { readonly troubles: Troubles; readonly onLine: (line: string) => void } | null = null;

  /** Restores what the process with that id saw, now or before a restart. */
  static async open(
    platform: Platform,
    options: KeeperOptions,
  ): Promise<{ keeping: KeeperDuties; told: KeeperMark['told'] }> {
    const [mark, last] = await Promise.all([readKeeperMark(platform.store, options.id), lastRound(platform)]);
    return { keeping: new KeeperDuties(platform, options, mark, last), told: mark?.told ?? {} };
  }

  private constructor(platform: Platform, options: KeeperOptions, mark: KeeperMark | null, last: number | null) {
    const { clock, leaseSeconds, store } = platform;
    this.#platform = platform;
    this.#options = options;
    this.#missedUntil = last;
    this.#schedules = new ScheduleReader(store);
    this.#short = fromStoredSightings(clock, mark?.short ?? {});
    this.#leftOut = new Map(Object.entries(mark?.leftOut ?? {}));
    this.#watcher = new JobWatcher(
      platform,
      leaseSeconds,
      (job, error) => this.#looking?.troubles.add(`job ${job}`, error),
      {
        stood: fromStoredSightings(clock, mark?.stood ?? {}),
        onRaised: (more) => this.#looking?.raised.push(...more),
        onSeen: (view) => this.#noticeSender.observe(view),
      },
    );
    const log = {
      info: (line: string) => this.#delivering?.onLine(line),
      warn: (line: string) => this.#delivering?.troubles.add('a delivery', new Error(line)),
    };
    this.#metrics = new MetricsPublisher(platform, mark?.tallies ?? null);
    const { signal, passed } = options;
    this.#noticeSender = new NoticeSender(platform, {
      signal,
      passed,
      checksCounters: true,
      keeper: true,
      late: fromStoredSightings(clock, mark?.late ?? {}),
      onTrouble: (error) => this.#noticeTroubles?.add('a notification', error),
    });
    this.#deliveries = new Deliveries(
      platform,
      options.signal,
      log,
      undefined,
      fromStoredSightings(clock, mark?.due ?? {}),
    );
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
  ): Promise<FireRoundResult> {
    const { signal, passed } = this.#options;
    const point = (at: SubmitPoint): void => {
      passed?.(at);
      onSign?.();
    };
    const options = {
      dryRun,
      signal,
      passed: point,
      ran: this.#ran,
      held: this.#held,
      ...(onSign && { onProgress: onSign }),
    };
    const fired = await fireDue(this.#platform, schedules, options);
    for (const firing of fired) {
      if (firing.outcome !== 'failed') continue;
      troubles.add(`schedule ${firing.schedule}, ${firing.period}`, firing.error);
      await putFailedFiring(this.#platform, schedules, { ...firing, error: firing.error });
    }
    passed?.('fired');
    const views = fired.flatMap((each) => (each.outcome === 'fired' ? [each.view] : []));
    if (!this.#platform.workplace.sizesGroups || views.length === 0) return { fired, raised: [] };
    // The queues may not count messages sent just now.
    const raised = await raiseGroups(this.#platform, views, { fresh: true });
    addRaiseTroubles(raised, troubles);
    return { fired, raised };
  }

  /**
   * The inputs that these firings left out, where the schedule's firing before left out none or others: cron mails what
   * a round prints, and the same dot file each night needs no person.
   */
  newsOfLeftOut(schedules: readonly Schedule[], fired: readonly FireResult[]): readonly LeftOutOfFiring[] {
    const told = new Map(schedules.map(({ name }) => [name, this.#leftOut.get(name) ?? '']));
    const news = fired.flatMap((each) => {
      if (each.outcome !== 'fired') return [];
      const { schedule, period, view } = each;
      const lines = leftOutLines(view.record);
      const text = lines.join('\n').replaceAll(period, '{period}');
      if (told.get(schedule) === text) return [];
      told.set(schedule, text);
      return lines.length === 0 ? [] : [{ schedule, period, lines }];
    });
    this.#leftOut = new Map([...told].filter(([, text]) => text !== ''));
    return news;
  }

  /** Firings missed since the last call (at first: since any keeper's last round); each is returned once. */
  async findMissed(
    schedules: readonly Schedule[],
    until: number,
    { dryRun = false }: { readonly dryRun?: boolean } = {},
  ): Promise<readonly MissedFiring[]> {
    const from = Math.max(this.#missedUntil ?? 0, until - MISSED.ms);
    const missed = await missedFirings(this.#platform, schedules, { from, until, most: MISSED.most });
    if (dryRun) return missed;
    await putMissedFirings(this.#platform, schedules, missed);
    this.#missedUntil = until;
    return missed;
  }

  /** One round over all open jobs. Throws errors that prevent the whole round. */
  async watchJobs(troubles: Troubles): Promise<WatchRoundResult> {
    const raised: GroupRaise[] = [];
    this.#looking = { troubles, raised };
    this.#noticeTroubles ??= troubles;
    const looks = await this.#watcher.round();
    addRaiseTroubles(raised, troubles);
    this.#options.passed?.('looked');
    return { moved: [...looks].flatMap(([job, { did }]) => did.map((move) => ({ job, move }))), raised };
  }

  /** Groups whose launches hang without work. */
  async lowerGroups(troubles: Troubles): Promise<readonly GroupLowering[]> {
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
  waitForDeliveries(): Promise<void> {
    return this.#deliveries.idle();
  }

  /**
   * Sends notifications that dead processes left, of machines that run on, and due retries; also waits for those that
   * `watchJobs` started. `troubles` receives unreachable receivers from now on.
   */
  async notify(troubles: Troubles): Promise<void> {
    this.#noticeTroubles = troubles;
    await putStayingFleets(this.#platform).catch((error: unknown) => {
      if (!isBatchctlError(error)) throw error;
      troubles.add('workers', error);
    });
    await this.#noticeSender.round();
    await this.waitForNotices();
  }

  /** Resolves when no notification is in progress here. */
  waitForNotices(): Promise<void> {
    return this.#noticeSender.idle();
  }

  /** Publishes metrics, if the profile asks, at most once a minute. Those that fail are reported and dropped. */
  async publishMetrics(troubles: Troubles): Promise<void> {
    await this.#metrics.round().catch((error: unknown) => {
      if (!isBatchctlError(error)) throw error;
      troubles.add('metrics', error);
    });
  }

  /** Writes the mark of a round that started at `began` (milliseconds since the epoch). */
  async writeMark(began: number, told: KeeperMark['told']): Promise<void> {
    const { clock } = this.#platform;
    const { id, kind, passed } = this.#options;
    const stood = toStoredSightings(clock, this.#watcher.positions());
    const due = toStoredSightings(clock, this.#deliveries.seen());
    const short = toStoredSightings(clock, this.#short);
    const late = toStoredSightings(clock, this.#noticeSender.late());
    const at = new Date(began).toISOString();
    const leftOut = Object.fromEntries(this.#leftOut);
    const seen = { stood, due, short, late, tallies: this.#metrics.seen(), leftOut };
    await putKeeperMark(this.#platform, { id, kind, at, ...seen, told });
    passed?.('kept');
  }
}

/** Start of the last round of any manager or tick, milliseconds since the epoch; null for none. */
async function lastRound(platform: Platform): Promise<number | null> {
  const latest = await latestKeeper(platform);
  const mark = latest === null ? null : await readKeeperMark(platform.store, latest.id);
  return mark === null ? null : Date.parse(mark.at);
}
