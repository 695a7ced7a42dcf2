import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { deadlineText } from '../jobs/deadline-text.ts';
import { findJob } from '../jobs/find.ts';
import { FirstFailure, type ReportedFailure } from '../jobs/first-failure.ts';
import { jobExit, requireEnded, withResumeHint } from '../jobs/job-exit.ts';
import { statusOf } from '../jobs/status.ts';
import { follow } from '../jobs/watch/follow.ts';
import { MAX_TIMER_MS } from '../lib/wait.ts';
import type { JobStatus } from '../model/answers/status.ts';
import { deliveryOf, isDeliveryDue } from '../model/delivery.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { VerbContext } from './context.ts';
import { duration, jobOrLatest } from './job.ts';
import { type RaiseEvent, raiseResultsOf } from './raise.ts';
import { flag, option, verb } from './verb.ts';

export type WatchEvent =
  | { readonly event: 'status'; readonly status: JobStatus }
  | { readonly event: 'firstFailure'; readonly failure: ReportedFailure }
  | RaiseEvent;

/** Reports a job's status until it ends or is paused, then delivers. Throws `notFound`, `interrupted`. */
export const watch = verb<WatchEvent>()({
  name: 'watch',
  scope: 'read',
  changes: false,
  http: null,
  isLongRunning: () => true,
  input: v.strictObject({
    job: jobOrLatest,
    scale: option('--no-scale', "don't change the size of groups; by default they are raised as needed", flag, true),
  }),
  answer: async () => (await import('../model/answers/status.ts')).JOB_STATUS,
  exit: jobExit,
  async run(context, { job, scale }) {
    const platform = await context.platform();
    const view = await findJob(platform, job);
    const id = view.record.job;
    context.notice(`watching ${id}`);
    return withResumeHint(id, `batchctl watch ${id}`, async () => {
      const followed = await followReporting(context, view, { timeout: null, scale });
      requireEnded(followed.end, id, `batchctl watch ${id}`);
      return statusOf(platform, await deliverJob(context, followed.view));
    });
  },
});

interface FollowSettings {
  /** Seconds; null: no limit. */
  readonly timeout: number | null;
  /** True: raises groups as needed. */
  readonly scale: boolean;
  /** False: the status isn't displayed meanwhile. */
  readonly watching?: boolean;
}

/** Follows a job to its end, and reports its status, its first failure and the raised groups. */
export async function followReporting(
  context: VerbContext<WatchEvent>,
  view: JobView,
  { timeout, scale, watching = true }: FollowSettings,
): ReturnType<typeof follow> {
  const platform = await context.platform();
  const first = new FirstFailure(platform, view, (failure) => context.report({ event: 'firstFailure', failure }));
  const followed = await follow(platform, view, {
    timeout,
    scale,
    watching,
    signal: context.signal,
    onRaised: (raised) => {
      if (raised.length > 0) context.report({ event: 'raised', groups: raiseResultsOf(raised) });
    },
    onStatus: (status) => {
      context.report({ event: 'status', status });
      first.update(status);
    },
    onOutage: ({ message }) => context.warn(`${message}; retrying`),
    onNotifyFailure: ({ message }) => context.warn(message),
  });
  if (watching && stateOf(followed.view) === 'failed') first.finish();
  await first.idle();
  return followed;
}

/** Returns a job's status once it has ended or is paused. Throws `notFound`, `notFinished`, `interrupted`. */
export const wait = verb()({
  name: 'wait',
  scope: 'read',
  changes: false,
  http: null,
  isLongRunning: () => true,
  input: v.strictObject({
    job: jobOrLatest,
    timeout: option('--timeout <duration>', 'stop waiting after this time', duration),
    untilLate: option(
      '--until-late',
      'return 6 once the projection has exceeded --finish-by for a while, or the deadline has passed',
      flag,
      false,
    ),
    scale: option('--no-scale', "don't change the size of groups; by default they are raised as needed", flag, true),
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
    const { followed, status } = await withResumeHint(id, `batchctl wait ${id}`, async () => {
      const to = await follow(platform, view, {
        signal: AbortSignal.any([context.signal, late.signal]),
        timeout: timeout ?? null,
        watching: untilLate,
        scale,
        onOutage: ({ message }) => context.warn(`${message}; retrying`),
        onNotifyFailure: ({ message }) => context.warn(message),
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
    requireEnded(followed.end, id, `batchctl wait ${id}`);
    const left = timeout === undefined ? null : timeout - (context.clock.monotonic() - begun) / 1_000;
    const last = await deliverJob(context, followed.view, left);
    return last === followed.view ? status : statusOf(platform, last);
  },
});

type Seen = Pick<JobStatus, 'finishBy' | 'projected' | 'closedAt'>;

/** Whether a job will miss its deadline: the projection has exceeded it for a while, or the time has passed. */
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

/**
 * Says what was removed or altered since a job was delivered, before it is called delivered again. Nothing is delivered
 * again: a reader may have taken the files away, and would get them twice.
 */
export async function noticeChangedDelivery(
  context: Pick<VerbContext, 'platform' | 'warn' | 'signal'>,
  view: JobView,
): Promise<void> {
  const changes = await changesOf(context, view);
  if (changes === null) return;
  const { job } = view.record;
  const { to, when, found } = changes;
  context.warn(
    `job ${job} was delivered to ${to} at ${when}, but ${found} since; batchctl verify ${job} --repair delivers it again`,
  );
}

/**
 * Delivers a job again if files of its delivery were removed or altered since. Returns the view afterwards, and what was
 * found; null if nothing was. With `dryRun` it only says so. Throws as `deliverAgain` does.
 */
export async function repairDelivery(
  context: Pick<VerbContext, 'platform' | 'notice' | 'signal' | 'passed' | 'dryRun'>,
  view: JobView,
): Promise<{ readonly view: JobView; readonly redelivered: string | null }> {
  const changes = await changesOf(context, view);
  if (changes === null) return { view, redelivered: null };
  const { signal, passed, dryRun } = context;
  const { to, found } = changes;
  // Said before anything is replaced.
  context.notice(`${dryRun ? 'would deliver' : 'delivering'} again to ${to}: ${found}`);
  if (dryRun) return { view, redelivered: found };
  const { deliverAgain } = await import('../jobs/deliver/deliver.ts');
  const after = await deliverAgain(await context.platform(), view, { signal, passed });
  return { view: after, redelivered: found };
}

async function changesOf(context: Pick<VerbContext, 'platform' | 'signal'>, view: JobView) {
  if (deliveryOf(view)?.state !== 'delivered' || view.pruned !== null) return null;
  const { deliveryChanges } = await import('../jobs/deliver/compare-delivery.ts');
  return deliveryChanges(await context.platform(), view, context.signal);
}

/**
 * Delivers the outputs of a succeeded job, if due and possible from this machine. Returns the view afterwards. Throws
 * like `deliver`: the job is done, but the exit code must show that its outputs are missing. `seconds`: maximum wait,
 * then throws `notFinished`.
 */
export async function deliverJob(
  context: Pick<VerbContext, 'platform' | 'notice' | 'signal' | 'passed'>,
  view: JobView,
  seconds: number | null = null,
): Promise<JobView> {
  if (!isDeliveryDue(view)) return view;
  const [{ isDeliverableHere, deliverNow }, { deliveryLine }] = await Promise.all([
    import('../jobs/deliver/deliver.ts'),
    import('../jobs/deliver/delivery-line.ts'),
  ]);
  const { job } = view.record;
  const say = (of: JobView, more = ''): void => {
    const delivery = deliveryOf(of);
    if (delivery !== null) context.notice(`job ${job}: ${deliveryLine(delivery)}${more}`);
  };
  if (!isDeliverableHere(view)) {
    say(view, `; deliver it with batchctl watch ${job}`);
    return view;
  }
  const late = seconds === null ? null : AbortSignal.timeout(Math.min(Math.max(0, seconds * 1_000), MAX_TIMER_MS));
  const signal = late === null ? context.signal : AbortSignal.any([context.signal, late]);
  const options = { signal, passed: context.passed };
  const done = await deliverNow(await context.platform(), view, options).catch((error: unknown) => {
    if (late?.aborted !== true || context.signal.aborted) throw error;
    throw new BatchctlError('notFinished', `job ${job} succeeded, but is not delivered yet`, {
      hint: `batchctl wait ${job} delivers the rest`,
    });
  });
  say(done);
  return done;
}
