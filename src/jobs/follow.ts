import { wait } from '../lib/wait.ts';
import { isClosed } from '../model/job.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { Onlooker } from './onlooker.ts';
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
}

/** Looks begin quickly, for short jobs, and slow down to a second. */
const LOOK_MS = { first: 20, last: 1_000, growth: 1.05 } as const;
const PICTURE_MS = 250;

/** Follows a job until it is closed or paused, as one of its onlookers (law 9). */
export async function follow(
  platform: Platform,
  view: JobView,
  options: FollowOptions,
): Promise<{ readonly end: FollowEnd; readonly view: JobView }> {
  const { clock } = platform;
  const onlooker = new Onlooker(platform, platform.leaseSeconds);
  const until = options.timeout === null ? Number.POSITIVE_INFINITY : clock.monotonic() + options.timeout * 1_000;
  const { job } = view.record;
  const recent = new RecentRate();
  let now = view;
  let pause: number = LOOK_MS.first;
  let pictureAt = 0;
  let roundAt = clock.monotonic() + platform.leaseSeconds * 1_000;
  for (;;) {
    now = (await onlooker.glance(job))?.view ?? now;
    const state = stateOf(now);
    const end = isClosed(state) ? 'closed' : state === 'paused' ? 'paused' : null;
    if (options.watching && (end !== null || clock.monotonic() >= pictureAt)) {
      options.onStatus?.(await statusOf(platform, now, recent));
      pictureAt = clock.monotonic() + PICTURE_MS;
    }
    if (end !== null) return { end, view: now };
    if (options.signal?.aborted) return { end: 'interrupted', view: now };
    if (clock.monotonic() >= until) return { end: 'timeout', view: now };
    if (clock.monotonic() >= roundAt) {
      // Other open jobs share the queue: what is missing there decides whether anything is sent again here.
      await onlooker.round();
      roundAt = clock.monotonic() + platform.leaseSeconds * 1_000;
    }
    await wait(Math.min(pause, until - clock.monotonic()), options.signal);
    pause = Math.min(LOOK_MS.last, pause * LOOK_MS.growth);
  }
}
