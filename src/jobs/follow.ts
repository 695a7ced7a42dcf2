import { isKind } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { wait } from '../lib/wait.ts';
import { isClosed } from '../model/job.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { CostWatch } from './cost/status-cost.ts';
import { KeeperWatch } from './keeper.ts';
import { Teller } from './notify/teller.ts';
import { Onlooker } from './onlooker.ts';
import { ProjectionWatch } from './projection.ts';
import { type GroupRaise, Raiser } from './raise.ts';
import { RecentRate } from './rate.ts';
import { type JobStatus, statusOf } from './status.ts';

/** How following a job ended. */
export type FollowEnd = 'closed' | 'paused' | 'timeout' | 'interrupted';

export interface FollowOptions {
  readonly signal?: AbortSignal;
  /** Seconds; null: as long as it takes. */
  readonly timeout: number | null;
  readonly onStatus?: (status: JobStatus) => void;
  /** True: a status is read at each look, for a picture; false: only as the job ends. */
  readonly watching: boolean;
  /** Told as a service stays away: once, until it is back. */
  readonly onAway?: (error: Error) => void;
  /** Told of people who could not be told of the job. */
  readonly onUntold?: (error: Error) => void;
  /** False: the sizes of groups are left as they are. */
  readonly scale?: boolean;
  /** Told, once a minute at most, what became of raising the job's groups. */
  readonly onRaised?: (raised: readonly GroupRaise[]) => void;
}

/** Looks begin quickly, for short jobs, and slow down to a second. */
const LOOK_MS = { first: 20, last: 1_000, growth: 1.05 } as const;
const PICTURE_MS = 250;
/** The job goes on without whoever follows it: a service that is away is asked again for so long. */
const AWAY_MS = 5 * 60_000;
/** Between two looks while it is. */
const AGAIN_MS = 1_000;

/** Follows a job until it is closed or paused, as one of its onlookers (law 9). Throws `unavailable` after five minutes of it. */
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
  const onlooker = new Onlooker(platform, platform.leaseSeconds, undefined, { raises: scales, onSeen });
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
    now = (await onlooker.glance(job))?.view ?? now;
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
    await away.unless(() => onlooker.guardCosts(false));
    const raised = await away.unless(async () => (await raiser?.round([now])) ?? []);
    if (raised !== null && raised.length > 0) options.onRaised?.(raised);
    if (clock.monotonic() >= roundAt) {
      // Other open jobs share the queue: what is missing there decides whether anything is sent again here.
      await away.unless(() => onlooker.round());
      roundAt = clock.monotonic() + platform.leaseSeconds * 1_000;
    }
    await wait(Math.min(away.lasts ? AGAIN_MS : pause, until - clock.monotonic()), options.signal);
    pause = Math.min(LOOK_MS.last, pause * LOOK_MS.growth);
  }
}

/** Bears with a service that is away, for a while. */
class Away {
  readonly #clock: Clock;
  readonly #mostMs: number;
  readonly #tell: (error: Error) => void;
  /** Monotonic milliseconds; null while it is there. */
  #since: number | null = null;

  constructor({ clock, remote }: Platform, tell: (error: Error) => void = () => undefined) {
    this.#clock = clock;
    // What this machine can't do now it won't do in a minute.
    this.#mostMs = remote ? AWAY_MS : 0;
    this.#tell = tell;
  }

  get lasts(): boolean {
    return this.#since !== null;
  }

  /** What `work` answers; null where a service that it needs is away, and has not been for long. */
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
