import { dirname, resolve } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import type { ReportedFailure } from '../../jobs/first-failure.ts';
import { requireView } from '../../jobs/journal.ts';
import { isS3Uri } from '../../model/s3-uri.ts';
import { NO_EVENTS } from '../../verbs/context.ts';
import { fetch } from '../../verbs/fetch.ts';
import { plan } from '../../verbs/plan.ts';
import { isRaiseEvent, type RaiseEvent } from '../../verbs/raise.ts';
import { run as followRun, isWritten, requireNames } from '../../verbs/run.ts';
import { START_FIELD, SUBMISSION_FIELDS, type SubmitEvent } from '../../verbs/submission.ts';
import { submit } from '../../verbs/submit.ts';
import type { AnyVerb } from '../../verbs/verb.ts';
import type { WatchEvent } from '../../verbs/watch.ts';
import { showPlan } from '../commands/plan.ts';
import { type RunInput, run, runInput } from '../commands/run.ts';
import { livePresenter } from '../follow-view.ts';
import { printRaiseEvent } from '../print-notices.ts';
import { type EndedRun, fetchTo, type RunSubject, type SubmittedSpec } from '../run-job.ts';
import { submitProgress } from '../submit-progress.ts';
import { sequentialEvents } from '../verb-command.ts';
import type { LocalJob } from './attach-job.ts';
import { attachJob, callVerb, jobIdFromManager } from './call-verb.ts';
import type { ConnectedCommand } from './remote-command.ts';

/** `run`: submits, lets the manager follow, verify and deliver the job, and fetches its outputs here. */
export async function runWithManager(asking: ConnectedCommand): Promise<number> {
  const input = runInput(asking.input);
  if (input.here || input.slots !== undefined) {
    const flag = input.here ? '--here' : '--slots';
    throw new BatchctlError('usage', `${flag} works on a job from this machine, which can't reach a manager's queue`, {
      hint: 'omit it; batchctl scale N starts workers at the manager',
    });
  }
  return run(asking.ctx, input, {
    plan: async (what) => planThrough(asking, input, what),
    run: async (what, target) => {
      // Other mistakes in names are reported by the fetch.
      if (what.kind === 'spec') await requireNames({ spec: what.spec, inputs: [] }, target, input.name);
      return follow(asking, input, await begin(asking, input, what));
    },
  });
}

interface FollowedJob {
  readonly job: string;
  readonly created: boolean;
}

async function begin(
  { ctx, manager, given }: ConnectedCommand,
  input: RunInput,
  what: RunSubject,
): Promise<FollowedJob> {
  if (what.kind === 'job') return { job: await jobIdFromManager(ctx, manager, what.job), created: false };
  const job = localJob(what, ctx.io.cwd);
  const sent = await attachJob(ctx, manager, submit.name, job, given);
  const progress = submitProgress(ctx);
  const events = sequentialEvents((event: SubmitEvent | RaiseEvent) =>
    isRaiseEvent(event) ? printRaiseEvent(ctx, event) : progress.show(event),
  );
  const fields = { ...submissionOf(given, job), name: input.name, scale: input.scale };
  return callVerb(ctx, manager, submit as AnyVerb, fields, events, sent)
    .finally(() => events.shown())
    .finally(progress.close);
}

async function planThrough(
  { ctx, manager, given }: ConnectedCommand,
  { again, name }: RunInput,
  spec: SubmittedSpec,
): Promise<void> {
  const job = localJob(spec, ctx.io.cwd);
  const events = sequentialEvents(() => {});
  const sent = await attachJob(ctx, manager, plan.name, job, given);
  const found = await callVerb(ctx, manager, plan as AnyVerb, { ...submissionOf(given, job), name }, events, sent);
  await showPlan(ctx, found, { jobFile: spec.jobFile, again });
  if (events.verdict() !== null) throw events.verdict();
}

const localJob = ({ spec, jobFile }: SubmittedSpec, cwd: string): LocalJob =>
  jobFile === null
    ? { path: 'the command line', spec, directory: cwd }
    : { path: jobFile, spec, directory: dirname(resolve(cwd, jobFile)) };

/** What a submission takes of the words given. */
const submissionOf = (given: ConnectedCommand['given'], { path }: LocalJob) => ({
  ...Object.fromEntries(Object.entries(given).filter(([name]) => name in SUBMISSION_FIELDS || name in START_FIELD)),
  jobfile: path,
});

async function follow(asking: ConnectedCommand, input: RunInput, { job, created }: FollowedJob): Promise<EndedRun> {
  const { ctx, manager } = asking;
  const { output, header, join, name, scale, allowUnproven } = input;
  const live = livePresenter(ctx);
  let first: ReportedFailure | null = null;
  const events = sequentialEvents((event: WatchEvent) => {
    if (event.event === 'firstFailure') first = event.failure;
    return live.event(event);
  });
  const given = { job, created, output, header, join, name, allowUnproven, scale, timeout: asking.given.timeout };
  const status = await callVerb(ctx, manager, followRun as AnyVerb, given, events)
    .finally(() => events.shown())
    .finally(live.close);
  const isFetched = isWritten(status, allowUnproven) && output !== undefined;
  const fetched = isFetched ? await fetchResult(asking, job, input) : null;
  return { status, created, output: fetched, firstFailure: async () => first };
}

async function fetchResult(
  { ctx, manager }: ConnectedCommand,
  job: string,
  { output = '-', header, join, name, allowUnproven }: RunInput,
): Promise<string> {
  if (isS3Uri(output)) {
    // The manager writes to S3 itself.
    await callVerb(ctx, manager, fetch as AnyVerb, { job, output, header, join, name, allowUnproven }, NO_EVENTS);
    return output;
  }
  const view = await requireView(manager.store, job);
  await fetchTo(ctx, view, { output, header: header ?? null, join: join ?? null, name: name ?? null });
  return output;
}
