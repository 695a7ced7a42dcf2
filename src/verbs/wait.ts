import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { deadlineText } from '../jobs/deadline-text.ts';
import { findJob } from '../jobs/find.ts';
import { following, jobExit, refuseUnended } from '../jobs/job-exit.ts';
import { statusOf } from '../jobs/status.ts';
import { follow } from '../jobs/watch/follow.ts';
import type { JobStatus } from '../model/answers/status.ts';
import { deliverJob } from './deliver.ts';
import { duration, jobOrLatest } from './job.ts';
import { field, flag, verb } from './verb.ts';

/** Returns a job's status once it has ended or is paused. Throws `notFound`, `notFinished`, `interrupted`. */
export const wait = verb()({
  name: 'wait',
  scope: 'read',
  changes: false,
  http: null,
  lasts: () => true,
  input: v.strictObject({
    job: v.optional(jobOrLatest),
    timeout: v.optional(field('--timeout <duration>', 'stop waiting after this time', duration)),
    untilLate: v.optional(
      field(
        '--until-late',
        'return 6 once the projection has exceeded --finish-by for a while, or the deadline has passed',
        flag,
      ),
      false,
    ),
    scale: v.optional(
      field('--no-scale', "don't change the size of groups; by default they are raised as needed", flag),
      true,
    ),
  }),
  answer: async () => (await import('../model/answers/status.ts')).JOB_STATUS,
  exit: (status: JobStatus) => jobExit(status),
  async run(context, { job, timeout, untilLate, scale }): Promise<JobStatus> {
    const platform = await context.platform();
    const view = await findJob(platform, job);
    const id = view.record.job;
    if (job === undefined) context.notice(`waiting for ${id}`);
    if (untilLate && view.finishBy === null) {
      throw new BatchctlError('usage', `--until-late: job ${id} has no deadline`, {
        hint: `batchctl adjust ${id} --finish-by "in 2h"`,
      });
    }
    const late = new AbortController();
    const begun = context.clock.monotonic();
    const lateness = new Lateness(platform.leaseSeconds * 1_000);
    const { followed, status } = await following(id, `batchctl wait ${id}`, async () => {
      const to = await follow(platform, view, {
        signal: AbortSignal.any([context.signal, late.signal]),
        timeout: timeout ?? null,
        watching: untilLate,
        scale,
        onAway: ({ message }) => context.warn(`${message}; retrying`),
        onUntold: ({ message }) => context.warn(message),
        onStatus: (seen) => {
          if (lateness.isLate(seen, context.clock.now())) late.abort();
        },
      });
      return { followed: to, status: await statusOf(platform, to.view) };
    });
    if (followed.end === 'interrupted' && late.signal.aborted && !context.signal.aborted) {
      const now = { zone: await context.zone(), now: context.clock.now() };
      const when = deadlineText(lateness.seen ?? status, now);
      throw new BatchctlError('notFinished', `job ${id} is late: ${when}; it continues`, {
        hint: `batchctl why ${id}; extend the deadline with batchctl adjust ${id} --finish-by`,
      });
    }
    refuseUnended(followed.end, id, `batchctl wait ${id}`);
    const left = timeout === undefined ? null : timeout - (context.clock.monotonic() - begun) / 1_000;
    const last = await deliverJob(context, followed.view, left);
    return last === followed.view ? status : statusOf(platform, last);
  },
});

type Seen = Pick<JobStatus, 'finishBy' | 'projected' | 'closedAt'>;

/**
 * Detects that a job will miss its deadline: once the projection has exceeded it for a while, or the time has passed.
 */
export class Lateness {
  readonly #patienceMs: number;
  #since: number | null = null;
  #seen: Seen | null = null;

  /** Projections are unreliable at first, so one counts only after it has lasted for `patienceMs`. */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** The status that was late; null if none was. */
  get seen(): Seen | null {
    return this.#seen;
  }

  /** `now`: milliseconds since the epoch. */
  isLate(status: Seen, now: number): boolean {
    if (status.finishBy === null || status.closedAt !== null) return false;
    const deadline = Date.parse(status.finishBy);
    const projected = status.projected === null ? now : Date.parse(status.projected);
    if (projected <= deadline && now <= deadline) {
      this.#since = null;
      return false;
    }
    this.#since ??= now;
    if (now <= deadline && now - this.#since < this.#patienceMs) return false;
    this.#seen = status;
    return true;
  }
}
