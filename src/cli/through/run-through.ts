import { BatchctlError } from '../../errors.ts';
import type { ReportedFailure } from '../../jobs/first-failure.ts';
import { jobExit } from '../../jobs/job-exit.ts';
import { requireView } from '../../jobs/journal.ts';
import { isS3Uri } from '../../model/s3-uri.ts';
import { NO_EVENTS } from '../../verbs/context.ts';
import { fetch } from '../../verbs/fetch.ts';
import { plan } from '../../verbs/plan.ts';
import { isRaiseEvent, type RaiseEvent } from '../../verbs/raise.ts';
import { isWritten, requireNames, run } from '../../verbs/run.ts';
import { START_FIELD, SUBMISSION_FIELDS, type SubmitEvent } from '../../verbs/submission.ts';
import { submit } from '../../verbs/submit.ts';
import type { AnyVerb } from '../../verbs/verb.ts';
import type { WatchEvent } from '../../verbs/watch.ts';
import { showPlan } from '../commands/plan.ts';
import {
  checkOutput,
  isJobReference,
  nothingToRun,
  type RunInput,
  refuseConflicts,
  runInput,
} from '../commands/run.ts';
import { livePresenter } from '../follow-view.ts';
import { inlineJob } from '../open-job-file.ts';
import { printNextCommand, printQuietEnd, printRaiseEvent } from '../print-notices.ts';
import { fetchTo, showRun } from '../run-job.ts';
import { submitProgress } from '../submit-progress.ts';
import { sequentialEvents } from '../verb-command.ts';
import { type LocalJob, openLocalJob } from './attach-job.ts';
import { attachJob, callVerb, jobIdFromManager } from './call-verb.ts';
import type { ConnectedCommand } from './remote-command.ts';

/** `run`: submits, lets the manager follow, verify and deliver the job, and fetches its outputs here. */
export async function runWithManager(asking: ConnectedCommand): Promise<number> {
  const { ctx, manager } = asking;
  const input = runInput(asking.input);
  if (input.here || input.slots !== undefined) {
    const flag = input.here ? '--here' : '--slots';
    throw new BatchctlError('usage', `${flag} works on a job from this machine, which can't reach a manager's queue`, {
      hint: 'omit it; batchctl scale N starts workers at the manager',
    });
  }
  const begun = await begin(asking, input);
  if (begun === null) return 0;
  const { job, created } = begun;
  const { output, header, join, name, scale, allowUnproven } = input;
  const { timeout } = asking.given;
  const live = livePresenter(ctx);
  let first: ReportedFailure | null = null;
  const events = sequentialEvents((event: WatchEvent) => {
    if (event.event === 'firstFailure') first = event.failure;
    return live.event(event);
  });
  const given = { job, created, output, header, join, name, allowUnproven, scale, timeout };
  const status = await callVerb(ctx, manager, run as AnyVerb, given, events)
    .finally(() => events.shown())
    .finally(live.close);
  const fetched =
    isWritten(status, allowUnproven) && output !== undefined ? await fetchResult(asking, job, input) : null;
  if (output !== '-') await showRun(ctx, status, created, fetched);
  printNextCommand(ctx, status);
  await printQuietEnd(ctx, status, async () => first);
  return jobExit(status);
}

interface FollowedJob {
  readonly job: string;
  readonly created: boolean;
}

/** The job to follow; null if only a plan was requested. */
async function begin(asking: ConnectedCommand, input: RunInput): Promise<FollowedJob | null> {
  const { ctx, manager, given } = asking;
  const { jobfile, rest } = input;
  refuseConflicts(ctx, input);
  const target = checkOutput(ctx, input);
  if (jobfile !== undefined && isJobReference(ctx, jobfile)) {
    return { job: await jobIdFromManager(ctx, manager, jobfile), created: false };
  }
  if (jobfile === undefined && (rest === null || rest.length === 0)) throw nothingToRun(ctx);
  const job: LocalJob =
    jobfile === undefined
      ? {
          path: 'the command line',
          spec: await inlineJob(ctx, { ...input, command: rest ?? [] }),
          directory: ctx.io.cwd,
        }
      : await openLocalJob(ctx, jobfile);
  // Other mistakes in names are reported by the fetch.
  await requireNames({ spec: job.spec, inputs: [] }, target, input.name);
  const submission = Object.fromEntries(
    Object.entries(given).filter(([name]) => name in SUBMISSION_FIELDS || name in START_FIELD),
  );
  const fields = { ...submission, jobfile: job.path };
  if (ctx.flags.dryRun) {
    const events = sequentialEvents(() => {});
    const sent = await attachJob(ctx, manager, plan.name, job, given);
    const found = await callVerb(ctx, manager, plan as AnyVerb, fields, events, sent);
    await showPlan(ctx, found, { jobFile: jobfile ?? null, again: input.again });
    if (events.verdict() !== null) throw events.verdict();
    return null;
  }
  const sent = await attachJob(ctx, manager, submit.name, job, given);
  const progress = submitProgress(ctx);
  const events = sequentialEvents((event: SubmitEvent | RaiseEvent) =>
    isRaiseEvent(event) ? printRaiseEvent(ctx, event) : progress.show(event),
  );
  return callVerb(ctx, manager, submit as AnyVerb, { ...fields, scale: input.scale }, events, sent)
    .finally(() => events.shown())
    .finally(progress.close);
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
