import { BatchctlError } from '../errors.ts';
import { type FetchTarget, joinedNote, parseTarget } from '../jobs/fetch/target.ts';
import { findJob } from '../jobs/find.ts';
import { firstFailureOf, type ReportedFailure } from '../jobs/first-failure.ts';
import { explainFullDisk } from '../jobs/full-disk.ts';
import { jobExit, requireEnded, withResumeHint } from '../jobs/job-exit.ts';
import { requireView } from '../jobs/journal.ts';
import { existingRun } from '../jobs/run-keys.ts';
import { statusOf } from '../jobs/status.ts';
import type { Prepared } from '../jobs/submit/prepared.ts';
import { finishSending } from '../jobs/submit/submit.ts';
import type { JobStatus } from '../model/answers/status.ts';
import { groupsOf, type JobSpec } from '../model/job.ts';
import { isClosed } from '../model/job-state.ts';
import { isS3Uri } from '../model/s3-uri.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { OwnWorkers } from '../platform/own-workers.ts';
import {
  concludeRun,
  continueCommand,
  isWritten,
  noticeJobBegun,
  type RunTarget,
  refusePaused,
  requireNames,
  requireRoomFor,
  targetOf,
} from '../verbs/run.ts';
import {
  modeOf,
  prepareSubmission,
  requireAffordable,
  requirePrograms,
  type SubmissionInput,
  type Submitter,
  submitPrepared,
  warnOfLeftOut,
  warnOfPlaceholders,
} from '../verbs/submission.ts';
import { followReporting } from '../verbs/watch.ts';
import type { Context } from './context.ts';
import { livePresenter } from './follow-view.ts';
import { verbContext } from './in-process.ts';
import { printNextCommand, printQuietEnd, raiseAndPrint } from './print-notices.ts';
import { print, printAnswer } from './render.ts';
import { statusText } from './status-text.ts';
import { withSubmitter } from './submit-progress.ts';
import { localResources, refuseTooLarge } from './this-machine.ts';
import { sequentialEvents } from './verb-command.ts';

/** The job to run: a spec to submit, or an existing job. */
export type RunSubject = SubmittedSpec | { readonly kind: 'job'; readonly job: string };

/** `jobFile`: null if the command line describes the job. */
export interface SubmittedSpec {
  readonly kind: 'spec';
  readonly spec: JobSpec;
  readonly jobFile: string | null;
}

/** A run that came to its end. */
export interface EndedRun {
  readonly status: JobStatus;
  /** False: it existed already. */
  readonly created: boolean;
  /** Where its outputs were written; null: nowhere. */
  readonly output: string | null;
  /** For the last line of a quiet run. */
  readonly firstFailure: () => Promise<ReportedFailure | null>;
}

interface RunOptions extends SubmissionInput {
  readonly slots?: number | undefined;
  readonly here: boolean;
  readonly scale: boolean;
  readonly output?: string | undefined;
  readonly header?: RunTarget['header'] | undefined;
  readonly join?: RunTarget['join'] | undefined;
  readonly name?: string | undefined;
  readonly allowUnproven: boolean;
  /** Seconds. */
  readonly timeout?: number | undefined;
}

/** Prints how a run ended, where its outputs are, and what to do next. Returns the job's exit code. */
export async function showEnded(ctx: Context, ended: EndedRun, shown: boolean): Promise<number> {
  const { status, created, output, firstFailure } = ended;
  if (shown) {
    await printAnswer(ctx, {
      json: { ...status, created, output },
      text: async () =>
        `${await statusText(ctx, status)}${output === null ? '' : `\n\n${outputLine(ctx, status, output)}`}`,
    });
  }
  printNextCommand(ctx, status);
  await printQuietEnd(ctx, status, firstFailure);
  return jobExit(status);
}

function outputLine({ io }: Context, { steps }: JobStatus, output: string): string {
  return `output: ${output}${isS3Uri(output) ? '' : joinedNote(output, steps.at(-1)?.done ?? 0, io.cwd)}`;
}

/** Submits or continues a job, works on it with its own workers, watches, verifies, delivers and fetches. */
export async function runHere(ctx: Context, what: RunSubject, input: RunOptions): Promise<EndedRun> {
  let goOn = 'run the same command again';
  try {
    return await runAnnounced(ctx, what, input, (command) => {
      goOn = command;
    });
  } catch (error) {
    throw await explainFullDisk(ctx.platform, error, goOn);
  }
}

/** As `runHere`. Calls `onBegun` with the command that continues the job as soon as there is one. */
async function runAnnounced(
  ctx: Context,
  what: RunSubject,
  input: RunOptions,
  onBegun: (resumeCommand: string) => void,
): Promise<EndedRun> {
  await ctx.announce();
  const { output = null, allowUnproven } = input;
  const target = targetOf(input);
  const workers = new Workers(ctx, input);
  try {
    const { view, created } = await withSubmitter(ctx, (submitter) =>
      begin(submitter, what, workers, input, fetchTargetOf(ctx, output)),
    );
    const { job } = view.record;
    const resumeCommand = continueCommand(job, target);
    onBegun(resumeCommand);
    noticeJobBegun(ctx, view, created);
    await raise(ctx, view, created, input.scale);
    return await withResumeHint(job, resumeCommand, async () => {
      const closed = isClosed(stateOf(view));
      const ended = closed ? view : await followWithWorkers(ctx, { view, created, resumeCommand }, workers, input);
      // A closed job has all its outputs. They are verified and fetched while the worker shuts down.
      const fetch = (): Promise<void> => fetchTo(ctx, ended, target);
      const [last] = await Promise.all([concludeRun(ctx, ended, target, fetch), workers.drain()]);
      // Read the status last: by then the worker that closed the job has written exact counts to the ledger.
      const status = await statusOf(await ctx.platform(), last);
      const firstFailure = async () => firstFailureOf(await ctx.platform(), last);
      return { status, created, output: isWritten(status, allowUnproven) ? output : null, firstFailure };
    });
  } finally {
    await workers.stop();
  }
}

/** Requests instances where possible: this process's own workers, if any, have only a few slots. */
async function raise(ctx: Context, view: JobView, created: boolean, scale: boolean): Promise<void> {
  const state = stateOf(view);
  if (!(await ctx.platform()).workplace.sizesGroups || isClosed(state) || state === 'paused') return;
  await raiseAndPrint(ctx, view, { scale, fresh: created });
}

async function begin(
  submitter: Submitter,
  what: RunSubject,
  workers: Workers,
  input: RunOptions,
  target: FetchTarget | null,
): Promise<{ readonly view: JobView; readonly created: boolean }> {
  const platform = await submitter.platform();
  if (what.kind === 'job') {
    const found = await findJob(platform, what.job);
    await requireNames(found.record, target, input.name);
    const view = await finishSending(platform, found);
    return { view, created: false };
  }
  const mode = modeOf(input);
  const prepare = (): Promise<Prepared> => prepareSubmission(submitter, what.spec, what.jobFile, input);
  const prepared = await requireAffordable(submitter, await prepare(), { again: mode === 'again', anew: prepare });
  const existing = prepared.runKey === null || mode === 'again' ? null : await existingRun(platform, prepared.runKey);
  const standing = existing === null ? null : await requireView(platform.store, existing.claim.job);
  // What is to be added is known only later: then the workers start.
  const done = standing !== null && (isClosed(stateOf(standing)) || mode === 'extend');
  const spec = standing?.record.spec ?? what.spec;
  if (!done) await workers.refuseTooLarge(spec);
  if (existing === null) {
    await requirePrograms(submitter, prepared);
    warnOfPlaceholders(submitter, prepared);
    warnOfLeftOut(submitter, prepared);
  }
  if ((existing === null || mode === 'extend') && target !== null) {
    const inputs = prepared.inputs.map(({ input, path }) => ({ ...input, path }));
    await requireNames({ spec: prepared.spec, inputs }, target, input.name);
    await requireRoomFor(platform, prepared, target);
  }
  // The worker starts while the input is split: each takes a tenth of a second.
  if (!done) await workers.start(spec);
  return submitPrepared(submitter, prepared, mode);
}

interface FollowedJob {
  readonly view: JobView;
  readonly created: boolean;
  readonly resumeCommand: string;
}

async function followWithWorkers(
  ctx: Context,
  { view, created, resumeCommand }: FollowedJob,
  workers: Workers,
  { timeout, scale }: RunOptions,
): Promise<JobView> {
  refusePaused(view, created, resumeCommand);
  void workers.start(view.record.spec);
  ctx.stopNow.addEventListener('abort', () => void workers.stop(), { once: true });
  const live = livePresenter(ctx);
  const signal = AbortSignal.any([ctx.signal, workers.gaveUp]);
  const context = { ...verbContext(ctx, sequentialEvents(live.event)), signal };
  try {
    const { end, view: ended } = await followReporting(context, view, {
      timeout: timeout ?? null,
      scale,
      watching: !ctx.flags.quiet,
    });
    await context.shown();
    live.close();
    if (end === 'interrupted' && !ctx.signal.aborted)
      throw unfinished(workers.gaveUp.reason, view.record.job, resumeCommand);
    if (end === 'interrupted') ctx.notice('waiting for running tasks; press Ctrl-C again to return them now');
    if (end === 'interrupted' || end === 'timeout') await workers.drain();
    requireEnded(end, view.record.job, resumeCommand);
    return ended;
  } finally {
    live.close();
  }
}

/** The error for a job whose workers gave up, with the command that continues it. */
function unfinished(error: BatchctlError, job: string, resumeCommand: string): BatchctlError {
  return new BatchctlError(error.kind, `job ${job} is not finished: ${error.message}`, {
    hint: `${error.hint === undefined ? 'remove the cause' : error.hint}; then ${resumeCommand}`,
    cause: error,
  });
}

/** Fetches the outputs to the target, which is stdout unless given. */
export async function fetchTo(ctx: Context, view: JobView, { output, header, join, name }: RunTarget): Promise<void> {
  const { fetchOutputs, guessedLine, othersLine } = await import('../jobs/fetch/fetch.ts');
  const target = fetchTargetOf(ctx, output ?? '-');
  const options = { target, header, join, name: name ?? undefined, replace: ctx.flags.yes, signal: ctx.signal };
  const fetched = await fetchOutputs(await ctx.platform(), view, options);
  const [guessed, others] = [guessedLine(fetched), othersLine(fetched)];
  if (guessed !== null) ctx.notice(guessed);
  if (others !== null) ctx.warn(others);
}

function fetchTargetOf(ctx: Context, output: string): FetchTarget;
function fetchTargetOf(ctx: Context, output: string | null): FetchTarget | null;
function fetchTargetOf(ctx: Context, output: string | null): FetchTarget | null {
  return output === null ? null : parseTarget(output, { cwd: ctx.io.cwd, write: (bytes) => print(ctx, bytes) });
}

/** This process's workers. They are started and stopped once, however the run ends. */
class Workers {
  readonly #gaveUp = new AbortController();

  readonly #ctx: Context;
  readonly #slots: number | null;
  readonly #here: boolean;
  #started: Promise<OwnWorkers | null> | null = null;

  constructor(ctx: Context, { slots, here }: Pick<RunOptions, 'slots' | 'here'>) {
    this.#ctx = ctx;
    this.#slots = slots ?? null;
    this.#here = here;
  }

  /** Aborted with a `BatchctlError` when they are not started again. */
  get gaveUp(): AbortSignal {
    return this.#gaveUp.signal;
  }

  /** Throws `refused` before anything is written, if these workers could never run a step. */
  async refuseTooLarge(spec: JobSpec): Promise<void> {
    const { profile } = await this.#ctx.config();
    if (profile.root !== null) refuseTooLarge(spec, localResources(profile, this.#slots));
  }

  /** Returns once the process is there; it needs as long as Node to be ready. Its errors are thrown by `drain`. */
  async start(spec: JobSpec): Promise<void> {
    this.#started ??= this.#start(groupsOf(spec));
    await this.#started.catch(() => undefined);
  }

  async drain(): Promise<void> {
    await (await this.#started)?.drain();
  }

  async stop(): Promise<void> {
    await (await this.#started?.catch(() => null))?.stop();
  }

  /** Null if the profile's own workers run the job. */
  async #start(groups: readonly string[]): Promise<OwnWorkers | null> {
    const ctx = this.#ctx;
    if (!this.#here && !(await ctx.platform()).workplace.worksHere) {
      ctx.notice(`workers of groups ${groups.join(', ')} run this job; add --here to work on it from this machine too`);
      return null;
    }
    const [config, platform, held, { startOwnWorkers }] = await Promise.all([
      ctx.config(),
      ctx.platform(),
      ctx.heldWorker(),
      import('../platform/own-workers.ts'),
    ]);
    return (ctx.io.startWorkers ?? startOwnWorkers)(config, platform, {
      groups,
      slots: this.#slots,
      cwd: ctx.io.cwd,
      env: () => ctx.io.env,
      held,
      onTrouble: (what) => ctx.warn(what),
      onGiveUp: (error) => this.#gaveUp.abort(error),
    });
  }
}
