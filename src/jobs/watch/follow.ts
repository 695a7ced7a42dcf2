import { isKind } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { wait } from '../../lib/wait.ts';
import { isClosed } from '../../model/job.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { CostWatch } from '../cost/status-cost.ts';
import { type GroupRaise, Raiser } from '../grid/raise.ts';
import { Teller } from '../notify/teller.ts';
import { ProjectionWatch } from '../projection.ts';
import { type JobStatus, RecentRate, statusOf } from '../status.ts';
import { JobWatcher } from './job-watcher.ts';
import { KeeperWatch } from './round-memory.ts';

export type FollowEnd = 'closed' | 'paused' | 'timeout' | 'interrupted';

interface FollowOptions {
  readonly signal?: AbortSignal;
  /** Seconds; null: no limit. */
  readonly timeout: number | null;
  readonly onStatus?: (status: JobStatus) => void;
  /** True: read a status at each look, to show it; false: only at the end. */
  readonly watching: boolean;
  /** Called once when a service becomes unreachable. */
  readonly onAway?: (error: Error) => void;
  /** Called with receivers that could not be notified of the job. */
  readonly onUntold?: (error: Error) => void;
  /** False: don't change the size of groups. */
  readonly scale?: boolean;
  /** Called with the result of raising the job's groups, at most once a minute. */
  readonly onRaised?: (raised: readonly GroupRaise[]) => void;
}

/** Looks start at short intervals, for short jobs, and slow down to one per second. */
const LOOK_MS = { first: 20, last: 1_000, growth: 1.05 } as const;
const PICTURE_MS = 250;
/** The job continues without its follower, so an unreachable service is retried for this time. */
const AWAY_MS = 5 * 60_000;
/** Interval between looks during that time. */
const AGAIN_MS = 1_000;

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
  const teller = new Teller(platform, {
    ...(options.signal && { signal: options.signal }),
    onTrouble: (error) => options.onUntold?.(error),
    watchful: true,
  });
  const onSeen = (seen: JobView): void => teller.see(seen);
  const watcher = new JobWatcher(platform, platform.leaseSeconds, undefined, { raises: scales, onSeen });
  const raiser = scales ? new Raiser(platform) : null;
  const until = options.timeout === null ? Number.POSITIVE_INFINITY : clock.monotonic() + options.timeout * 1_000;
  const { job } = view.record;
  const recent = new RecentRate();
  const keepers = new KeeperWatch(platform);
  const costs = new CostWatch(platform);
  const projections = new ProjectionWatch(platform);
  const away = new Away(platform, options.onAway);
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
      pictureAt = clock.monotonic() + PICTURE_MS;
    }
    return end;
  };
  for (;;) {
    const end = await away.unless(look);
    if (end !== null) {
      await teller.idle();
      return { end, view: now };
    }
    if (options.signal?.aborted || clock.monotonic() >= until) {
      await teller.idle();
      return { end: options.signal?.aborted ? 'interrupted' : 'timeout', view: now };
    }
    await away.unless(() => watcher.guardCosts(false));
    const raised = await away.unless(async () => (await raiser?.round([now])) ?? []);
    if (raised !== null && raised.length > 0) options.onRaised?.(raised);
    if (clock.monotonic() >= roundAt) {
      // Other open jobs share the queue: their missing messages decide whether anything is re-sent here.
      await away.unless(() => watcher.round());
      roundAt = clock.monotonic() + platform.leaseSeconds * 1_000;
    }
    await wait(Math.min(away.lasts ? AGAIN_MS : pause, until - clock.monotonic()), options.signal);
    pause = Math.min(LOOK_MS.last, pause * LOOK_MS.growth);
  }
}

/** Tolerates an unreachable service for a while. */
class Away {
  readonly #clock: Clock;
  readonly #mostMs: number;
  readonly #tell: (error: Error) => void;
  /** Monotonic milliseconds; null while it responds. */
  #since: number | null = null;

  constructor({ clock, remote }: Platform, tell: (error: Error) => void = () => undefined) {
    this.#clock = clock;
    // Errors of this machine won't pass within a minute.
    this.#mostMs = remote ? AWAY_MS : 0;
    this.#tell = tell;
  }

  get lasts(): boolean {
    return this.#since !== null;
  }

  /** The result of `work`; null if a service that it needs has been unreachable for a short time. */
  async unless<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      const done = await work();
      this.#since = null;
      return done;
    } catch (error) {
      if (!isKind(error, 'unavailable')) throw error;
      const now = this.#clock.monotonic();
      const since = this.#since ?? now;
      if (now - since >= this.#mostMs) throw error;
      if (this.#since === null) this.#tell(error);
      this.#since = since;
      return null;
    }
  }
}
