import * as v from 'valibot';
import { findJob } from '../jobs/find.ts';
import { type FailureSeen, FirstFailure } from '../jobs/first-failure.ts';
import { following, jobExit, refuseUnended } from '../jobs/job-exit.ts';
import { type JobStatus, statusOf } from '../jobs/status.ts';
import { follow } from '../jobs/watch/follow.ts';
import { type JobView, stateOf } from '../model/view.ts';
import { deliverJob } from './deliver.ts';
import { jobOrLatest } from './job.ts';
import { newsOf, type RaiseEvent } from './raise.ts';
import { field, flag, type VerbContext, verb } from './verb.ts';

export type WatchEvent =
  | { readonly event: 'status'; readonly status: JobStatus }
  | { readonly event: 'firstFailure'; readonly failure: FailureSeen }
  | RaiseEvent;

/**
 * Reports a job's status until the job ends or is paused, then delivers its outputs. Throws `notFound`, `interrupted`.
 */
export const watch = verb<WatchEvent>()({
  name: 'watch',
  scope: 'read',
  changes: false,
  http: null,
  lasts: () => true,
  input: v.strictObject({
    job: v.optional(jobOrLatest),
    scale: v.optional(
      field('--no-scale', "don't change the size of groups; by default they are raised as needed", flag),
      true,
    ),
  }),
  answer: async () => (await import('../model/answers/status.ts')).JOB_STATUS,
  exit: jobExit,
  async run(context, { job, scale }) {
    const platform = await context.platform();
    const view = await findJob(platform, job);
    const id = view.record.job;
    context.notice(`watching ${id}`);
    return following(id, `batchctl watch ${id}`, async () => {
      const followed = await followReporting(context, view, { timeout: null, scale });
      refuseUnended(followed.end, id, `batchctl watch ${id}`);
      return statusOf(platform, await deliverJob(context, followed.view));
    });
  },
});

interface FollowHow {
  /** Seconds; null: no limit. */
  readonly timeout: number | null;
  /** Raise groups as needed. */
  readonly scale: boolean;
  /** False: the status isn't displayed meanwhile. */
  readonly watching?: boolean;
}

/** Follows a job to its end, and reports its status, its first failure and the raised groups. */
export async function followReporting(
  context: VerbContext<WatchEvent>,
  view: JobView,
  { timeout, scale, watching = true }: FollowHow,
): ReturnType<typeof follow> {
  const platform = await context.platform();
  const first = new FirstFailure(platform, view, (failure) => context.report({ event: 'firstFailure', failure }));
  const followed = await follow(platform, view, {
    ...{ timeout, scale, watching, signal: context.signal },
    onRaised: (raised) => {
      if (raised.length > 0) context.report({ event: 'raised', groups: newsOf(raised) });
    },
    onStatus: (status) => {
      context.report({ event: 'status', status });
      first.see(status);
    },
    onAway: ({ message }) => context.warn(`${message}; retrying`),
    onUntold: ({ message }) => context.warn(message),
  });
  if (watching && stateOf(followed.view) === 'failed') first.seeEnd();
  await first.idle();
  return followed;
}
