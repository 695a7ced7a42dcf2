import { isKind } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { wait } from '../../lib/wait.ts';
import type { JobStatus } from '../../model/answers/status.ts';
import { isClosed } from '../../model/job-state.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { CostReader } from '../cost/status-cost.ts';
import { type GroupRaise, Raiser } from '../grid/raise.ts';
import { KeeperWatch } from '../keeper-mark.ts';
import { NoticeSender } from '../notify/notice-sender.ts';
import { ProjectionWatch } from '../projection.ts';
import { RecentRate, statusOf } from '../status.ts';
import { JobWatcher } from './job-watcher.ts';

export type FollowEnd = 'closed' | 'paused' | 'timeout' | 'interrupted';

interface FollowOptions {
  readonly signal?: AbortSignal;
  /** Seconds; null: no limit. */
  readonly timeout: number | null;
  readonly onStatus?: (status: JobStatus) => void;
  /** True: read a status at each look, to show it; false: only at the end. */
  readonly watching: boolean;
  /** Called once when a service becomes unreachable. */
  readonly onOutage?: (error: Error) => void;
  /** Called with receivers that could not be notified of the job. */
  readonly onNotifyFailure?: (error: Error) => void;
  /** False: don't change the size of groups. */
  readonly scale?: boolean;
  /** Called with the result of raising the job's groups, at most once a minute. */
  readonly onRaised?: (raised: readonly GroupRaise[]) => void;
}

/** Looks start at short intervals, for short jobs, and slow down to one per second. */
const LOOK_MS = { first: 20, last: 1_000, growth: 1.05 } as const;
const STATUS_MS = 250;
/** Interval between looks during that time. */
const RETRY_MS = 1_000;

/**
 * Follows a job until it is closed or paused, as one of its watchers (law 9). Throws `unavailable` if a service is
 * unreachable for five minutes.
 */
export async function follow(
  platform: Platform,
  view: JobView,
  options: FollowOptions,
): Promise<{ readonly end: FollowEnd; readonly view: JobView }> {
  const { clock } = platform;
  const scales = options.scale ?? true;
  const sender = new NoticeSender(platform, {
    ...(options.signal && { signal: options.signal }),
    onTrouble: (error) => options.onNotifyFailure?.(error),
    checksCounters: true,
  });
  const onSeen = (seen: JobView): void => sender.observe(seen);
  const watcher = new JobWatcher(platform, platform.leaseSeconds, undefined, { raises: scales, onSeen });
  const raiser = scales ? new Raiser(platform) : null;
  const until = options.timeout === null ? Number.POSITIVE_INFINITY : clock.monotonic() + options.timeout * 1_000;
  const { job } = view.record;
  const recent = new RecentRate();
  const keepers = new KeeperWatch(platform);
  const costs = new CostReader(platform);
  const projections = new ProjectionWatch(platform);
  const outage = new OutageTolerance(platform, options.onOutage);
  let now = view;
  let pause: number = LOOK_MS.first;
  let pictureAt = 0;
  let roundAt = clock.monotonic() + platform.leaseSeconds * 1_000;
  const look = async (): Promise<FollowEnd | null> => {
    now = (await watcher.glance(job))?.view ?? now;
    const state = stateOf(now);
    const end = isClosed(state) ? 'closed' : state === 'paused' ? 'paused' : null;
    if (options.watching && (end !== null || clock.monotonic() >= pictureAt)) {
      options.onStatus?.(await statusOf(platform, now, recent, keepers, costs, projections));
      pictureAt = clock.monotonic() + STATUS_MS;
    }
    return end;
  };
  for (;;) {
    const end = await outage.run(look);
    if (end !== null) {
      await sender.idle();
      return { end, view: now };
    }
    if (options.signal?.aborted || clock.monotonic() >= until) {
      await sender.idle();
      return { end: options.signal?.aborted ? 'interrupted' : 'timeout', view: now };
    }
    await outage.run(() => watcher.guardCosts(false));
    const raised = await outage.run(async () => (await raiser?.round([now])) ?? []);
    if (raised !== null && raised.length > 0) options.onRaised?.(raised);
    if (clock.monotonic() >= roundAt) {
      // Other open jobs share the queue: their missing messages decide whether anything is re-sent here.
      await outage.run(() => watcher.round());
      roundAt = clock.monotonic() + platform.leaseSeconds * 1_000;
    }
    await wait(Math.min(outage.isOngoing ? RETRY_MS : pause, until - clock.monotonic()), options.signal);
    pause = Math.min(LOOK_MS.last, pause * LOOK_MS.growth);
  }
}

/** Tolerates an unreachable service for a while. */
class OutageTolerance {
  readonly #clock: Clock;
  readonly #mostMs: number;
  readonly #onOutage: (error: Error) => void;
  /** Monotonic milliseconds; null while it responds. */
  #since: number | null = null;

  constructor({ clock, workplace }: Platform, tell: (error: Error) => void = () => undefined) {
    this.#clock = clock;
    this.#mostMs = workplace.outageMs;
    this.#onOutage = tell;
  }

  get isOngoing(): boolean {
    return this.#since !== null;
  }

  /** The result of `work`; null if a service that it needs has been unreachable for a short time. */
  async run<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      const done = await work();
      this.#since = null;
      return done;
    } catch (error) {
      if (!isKind(error, 'unavailable')) throw error;
      const now = this.#clock.monotonic();
      const since = this.#since ?? now;
      if (now - since >= this.#mostMs) throw error;
      if (this.#since === null) this.#onOutage(error);
      this.#since = since;
      return null;
    }
  }
}
