import { BatchctlError } from '../errors.ts';
import { findJob } from '../jobs/find.ts';
import { FirstFailure } from '../jobs/first-failure.ts';
import { following, jobExit, refuseUnended } from '../jobs/job-exit.ts';
import { mustReadView } from '../jobs/journal.ts';
import { prunedText, refusePruned } from '../jobs/prune/pruned.ts';
import { existingRun } from '../jobs/run-keys.ts';
import { type JobStatus, statusOf } from '../jobs/status.ts';
import type { Prepared } from '../jobs/submit/prepare.ts';
import { finishSending } from '../jobs/submit/submit.ts';
import { follow } from '../jobs/watch/follow.ts';
import { groupsOf, isClosed, type JobSpec, type Join } from '../model/job.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { OwnWorkers } from '../platform/open-platform.ts';
import { deliverJob } from '../verbs/deliver.ts';
import { newsOf } from '../verbs/raise.ts';
import { takeUpCommand, tellNext } from './after-job.ts';
import type { Context } from './context.ts';
import { failureLine } from './failure-line.ts';
import { formatMany } from './format.ts';
import { liveView } from './live-view.ts';
import { raiseWork, tellRaised } from './raise-work.ts';
import { answer, print } from './render.ts';
import { liveOf, statusText } from './status-text.ts';
import { modeOf, type SubmissionInput } from './submission-flags.ts';
import { prepareSubmission, requireAffordable, submitPrepared } from './submit-with-progress.ts';
import { localResources, refuseTooLarge, worksHere } from './this-machine.ts';

/** What to run: a spec to submit, or an existing job. */
export type RunWhat =
  | { readonly kind: 'spec'; readonly spec: JobSpec; readonly jobFile: string | null; readonly input: SubmissionInput }
  /** `created`: whether the caller just created it; null: it existed. */
  | { readonly kind: 'job'; readonly job: string; readonly created: boolean | null };

export interface RunWork {
  readonly slots: number | null;
  /** Work on it from this machine, whatever the profile. */
  readonly here: boolean;
  readonly output: string | null;
  readonly header: 'once' | null;
  readonly join: Join | null;
  /** Seconds. */
  readonly timeout: number | null;
  /** Raise the groups of a profile that can start machines. */
  readonly scale: boolean;
}

/** Submits or continues a job, works on it with its own workers, watches, verifies and fetches. Exits like the job. */
export async function runJob(ctx: Context, what: RunWhat, work: RunWork): Promise<number> {
  await ctx.announce();
  const workers = new Workers(ctx, work);
  try {
    const { view, created } = await begin(ctx, what, workers);
    const { job } = view.record;
    if (created) ctx.notice(`job ${job}`);
    else ctx.notice(`job ${job} already existed (${stateOf(view)})`);
    await raise(ctx, view, created, work);
    return await following(job, takeUpCommand(job, work), async () => {
      const ended = isClosed(stateOf(view)) ? view : await workOn(ctx, { view, created }, workers, work);
      // A closed job has all its outputs: they are verified and fetched while the worker shuts down.
      const [{ output, view: last }] = await Promise.all([conclude(ctx, ended, work), workers.drain()]);
      // Read the status last: by then the worker that closed the job has written exact counts to the ledger.
      const status = await statusOf(await ctx.platform(), last);
      if (work.output !== '-' || ctx.attachments !== null) await report(ctx, status, created, output);
      tellNext(ctx, status);
      return jobExit(status);
    });
  } finally {
    await workers.stop();
  }
}

/** Request machines where possible: this process's own workers, if any, have only a few slots. */
async function raise(ctx: Context, view: JobView, created: boolean, { scale }: RunWork): Promise<void> {
  const state = stateOf(view);
  if ((await ctx.platform()).remote !== true || isClosed(state) || state === 'paused') return;
  // For a remote caller, the submission did that.
  if (ctx.attachments !== null && created) return;
  await raiseWork(ctx, view, { scale, fresh: created });
}

async function begin(
  ctx: Context,
  what: RunWhat,
  workers: Workers,
): Promise<{ readonly view: JobView; readonly created: boolean }> {
  const platform = await ctx.platform();
  if (what.kind === 'job') {
    const view = await finishSending(platform, await findJob(platform, what.job));
    return { view, created: what.created === true };
  }
  const mode = modeOf(what.input);
  const prepare = (): Promise<Prepared> => prepareSubmission(ctx, what.spec, what.jobFile, what.input);
  const prepared = await requireAffordable(ctx, await prepare(), { again: mode === 'again', anew: prepare });
  const existing = prepared.runKey === null || mode === 'again' ? null : await existingRun(platform, prepared.runKey);
  const standing = existing === null ? null : await mustReadView(platform.store, existing.claim.job);
  const done = standing !== null && isClosed(stateOf(standing));
  // The worker starts while the input is split: each takes a tenth of a second.
  const spec = standing?.record.spec ?? what.spec;
  if (!done) await workers.refuseTooLarge(spec);
  if (!done) workers.start(spec);
  return submitPrepared(ctx, prepared, mode);
}

async function workOn(
  ctx: Context,
  { view, created }: { readonly view: JobView; readonly created: boolean },
  workers: Workers,
  work: RunWork,
): Promise<JobView> {
  const platform = await ctx.platform();
  const { job } = view.record;
  const takeUp = takeUpCommand(job, work);
  // Its own workers may already have paused a new job, which is reported like any other end.
  if (!created && stateOf(view) === 'paused') {
    throw new BatchctlError('refused', `job ${job} is paused (${view.paused?.reason})`, {
      hint: `batchctl resume ${job}, then ${takeUp}`,
    });
  }
  const zone = await ctx.zone();
  workers.start(view.record.spec);
  const live = liveView(ctx);
  const first = new FirstFailure(platform, view, (failure) => live.above(failureLine(failure)));
  ctx.stopNow.addEventListener('abort', () => void workers.stop(), { once: true });
  try {
    const followed = await follow(platform, view, {
      signal: ctx.signal,
      timeout: work.timeout,
      watching: !ctx.flags.quiet,
      scale: work.scale,
      onRaised: (raised) => tellRaised(ctx, newsOf(raised), zone),
      onStatus: (status) => {
        live.show(liveOf(status));
        first.see(status);
      },
      onAway: ({ message }) => ctx.warn(`${message}; retrying`),
      onUntold: ({ message }) => ctx.warn(message),
    });
    await first.idle();
    live.close();
    if (followed.end === 'interrupted') ctx.notice('waiting for running tasks; press Ctrl-C again to return them now');
    if (followed.end === 'interrupted' || followed.end === 'timeout') await workers.drain();
    refuseUnended(followed.end, job, takeUp);
    return followed.view;
  } finally {
    live.close();
  }
}

interface Concluded {
  readonly output: string | null;
  readonly view: JobView;
}

/** Verifies, fetches and delivers a success. Returns where the outputs are, if they were fetched. */
async function conclude(ctx: Context, view: JobView, work: RunWork): Promise<Concluded> {
  if (stateOf(view) !== 'succeeded') return { output: null, view };
  if (view.pruned !== null) {
    if (work.output !== null) refusePruned(view, 'its outputs');
    ctx.notice(`job ${view.record.job} succeeded, and was ${prunedText(view.pruned)}`);
    return { output: null, view };
  }
  await prove(ctx, view);
  // A remote caller fetches them itself.
  const fetches = work.output !== null && ctx.attachments === null;
  const output = work.output === null || !fetches ? null : await fetchTo(ctx, view, work.output, work);
  const delivered = await deliverJob(ctx, view);
  if (work.output === null && view.record.spec.deliver === null) {
    ctx.notice(`fetch the outputs: batchctl fetch ${view.record.job} -o DIR/`);
  }
  return { output, view: delivered };
}

/** A run that reports success has proven it. */
async function prove(ctx: Context, view: JobView): Promise<void> {
  const { recordProof, standingProof } = await import('../jobs/verify/proof.ts');
  const before = await standingProof(await ctx.platform(), view.record.job, view.next - 1);
  if (before !== null) {
    ctx.notice(
      `verified at ${before.when}: ${formatMany(before.result.checked.outputs, 'output')}, nothing missing, nothing duplicated`,
    );
    return;
  }
  const { verifyJob } = await import('../jobs/verify/verify-job.ts');
  const result = await verifyJob(await ctx.platform(), view, { deep: false });
  if (result.verdict === 'proven') {
    await recordProof(await ctx.platform(), result);
    ctx.notice(
      `verified: ${formatMany(result.checked.parts, 'part')}, ${formatMany(result.checked.outputs, 'output')}, nothing missing, nothing duplicated`,
    );
    return;
  }
  throw new BatchctlError(
    'proof',
    `job ${view.record.job} is closed as succeeded, but: ${result.problems[0]?.message ?? result.verdict}`,
    {
      hint: `batchctl verify ${view.record.job}`,
    },
  );
}

async function fetchTo(
  ctx: Context,
  view: JobView,
  text: string,
  { header, join }: Pick<RunWork, 'header' | 'join'>,
): Promise<string> {
  const [{ fetchOutputs }, { parseTarget }] = await Promise.all([
    import('../jobs/fetch/fetch.ts'),
    import('../jobs/fetch/target.ts'),
  ]);
  const target = parseTarget(text, { cwd: ctx.io.cwd, write: (bytes) => print(ctx, bytes) });
  const result = await fetchOutputs(await ctx.platform(), view, {
    target,
    header,
    join,
    replace: ctx.flags.yes,
    signal: ctx.signal,
  });
  return result.output;
}

async function report(ctx: Context, status: JobStatus, created: boolean, output: string | null): Promise<void> {
  await answer(ctx, {
    json: { ...status, created, output },
    text: async () => `${await statusText(ctx, status)}${output === null ? '' : `\n\noutput: ${output}`}`,
  });
}

/** This process's workers, started and ended once, however the run ends. */
class Workers {
  readonly #ctx: Context;
  readonly #slots: number | null;
  readonly #here: boolean;
  #started: Promise<OwnWorkers | null> | null = null;

  constructor(ctx: Context, { slots, here }: RunWork) {
    this.#ctx = ctx;
    this.#slots = slots;
    this.#here = here;
  }

  /** Throws `refused` before anything is written, if these workers could never run a step. */
  async refuseTooLarge(spec: JobSpec): Promise<void> {
    const { profile } = await this.#ctx.config();
    if (profile.backend === 'local') refuseTooLarge(spec, localResources(profile, this.#slots));
  }

  start(spec: JobSpec): void {
    this.#started ??= this.#start(groupsOf(spec));
    this.#started.catch(() => undefined); // told to whoever drains
  }

  async drain(): Promise<void> {
    await (await this.#started)?.drain();
  }

  async stop(): Promise<void> {
    await (await this.#started?.catch(() => null))?.stop();
  }

  /** Null if the profile's own workers do it. */
  async #start(groups: readonly string[]): Promise<OwnWorkers | null> {
    const ctx = this.#ctx;
    if (ctx.attachments !== null) {
      ctx.notice(`workers of ${groups.join(', ')} process it`);
      return null;
    }
    if (!worksHere((await ctx.config()).profile, this.#here)) {
      ctx.notice(`workers of ${groups.join(', ')} process it; with --here, this machine does too`);
      return null;
    }
    const [config, platform, { startOwnWorkers }] = await Promise.all([
      ctx.config(),
      ctx.platform(),
      import('../platform/open-platform.ts'),
    ]);
    return startOwnWorkers(config, platform, {
      groups,
      slots: this.#slots,
      cwd: ctx.io.cwd,
      env: () => ctx.io.env,
      onTrouble: (what) => ctx.warn(what),
    });
  }
}
