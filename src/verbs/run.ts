import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { type FetchTarget, hasFilePerOutput, requireRoom } from '../jobs/fetch/target.ts';
import type { OwnInput } from '../jobs/fetch/verified.ts';
import { findJob } from '../jobs/find.ts';
import { jobExit, requireEnded, withResumeHint } from '../jobs/job-exit.ts';
import { prunedText, refusePruned } from '../jobs/pruned.ts';
import { ifLedgerAvailable } from '../jobs/record-view.ts';
import { statusOf } from '../jobs/status.ts';
import type { Prepared } from '../jobs/submit/prepared.ts';
import { finishSending } from '../jobs/submit/submit.ts';
import { shellWord } from '../lib/shell-word.ts';
import { formatMany } from '../lib/units.ts';
import type { JobStatus } from '../model/answers/status.ts';
import { EMPTY_OUTPUTS, endsOfResult, provenText } from '../model/completeness-text.ts';
import { unmetText } from '../model/expect.ts';
import { groupsOf, type JobSpec, type Join } from '../model/job.ts';
import { isClosed } from '../model/job-state.ts';
import { UNMET_REASON } from '../model/journal.ts';
import type { StepCounts } from '../model/ledger/records.ts';
import { isRehearsal } from '../model/rehearsal.ts';
import type { VerifyResult } from '../model/verify/verify-result.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import type { VerbContext } from './context.ts';
import { duration, JOB_TEXT, scaleFlag } from './job.ts';
import { raiseJobGroups } from './raise.ts';
import { field, flag, oneOf, option, text, verb } from './verb.ts';
import { deliverJob, followReporting, noticeChangedDelivery, type WatchEvent } from './watch.ts';

/** The output target of a run, as typed. */
export interface RunTarget {
  /** Null: outputs are not fetched. */
  readonly output: string | null;
  readonly header: 'once' | null;
  readonly join: Join | null;
  /** Pattern for files in a directory; absent or null: the default. */
  readonly name?: string | null;
  /** True: also the outputs of a job whose control totals don't hold. */
  readonly allowUnproven?: boolean;
}

/** Shared by `fetch` and `run`. */
export const HEADER = field(
  '--header <header>',
  'once: keep the header only from the first output; all outputs must start with it',
  oneOf(['once']),
);
export const JOIN = field(
  '--join <how>',
  'how to join outputs: lines adds a missing final newline, bytes adds nothing (default: as the input was split; for text by a guess from the first outputs)',
  oneOf(['lines', 'bytes']),
);

export const ALLOW_UNPROVEN = option(
  '--allow-unproven',
  'write the outputs even if a control total (`expect`) does not hold',
  flag,
  false,
);

export const NAME = field(
  '--name <pattern>',
  "names of files in DIR/ or below PREFIX/: {path} (the input's, with directories), {dir} of it, {input} (its base name), {stem}, {task}, {index}, {step}, {job}, {name}, and parameters that the split gives each task",
  text,
);

/** Throws `usage` for a pattern of names where outputs are joined. */
export function refuseName(target: FetchTarget | null, name: string | undefined): void {
  if (name === undefined || (target !== null && hasFilePerOutput(target))) return;
  const what = target === null ? 'there is no -o' : `${target.text} is not a directory`;
  throw new BatchctlError('usage', `--name is for files in a directory, but ${what}`, { hint: 'use -o DIR/' });
}

/**
 * Follows a submitted job to its end, then verifies and delivers it; with `dryRun`, only answers its status. The command line submits the job before and
 * fetches the outputs afterwards, because both need its own files. Throws `notFound`, `refused`, `notFinished`,
 * `interrupted`, `proof`.
 */
export const run = verb<WatchEvent>()({
  name: 'run',
  scope: 'submit',
  changes: true,
  http: null,
  isLongRunning: () => true,
  continueCommand: (job, input) => continueCommand(job, targetOf(input)),
  input: v.strictObject({
    job: field('<job>', JOB_TEXT, text),
    timeout: option('--timeout <duration>', 'stop waiting after this time; the job can be continued later', duration),
    scale: scaleFlag,
    created: v.optional(v.pipe(flag, v.description('the caller has just submitted it')), false),
    output: option('-o, --output <where>', 'where the caller will put the outputs', text),
    header: v.optional(HEADER),
    join: v.optional(JOIN),
    name: v.optional(NAME),
    allowUnproven: ALLOW_UNPROVEN,
  }),
  answer: async () => (await import('../model/answers/status.ts')).JOB_STATUS,
  exit: (status: JobStatus) => jobExit(status),
  async run(context, { job: meant, timeout, scale, created, ...wanted }): Promise<JobStatus> {
    const platform = await context.platform();
    const found = await findJob(platform, meant);
    if (context.dryRun) return statusOf(platform, found);
    const view = await finishSending(platform, found);
    const { job, spec } = view.record;
    noticeJobBegun(context, view, created);
    const state = stateOf(view);
    // The submission did this for a new job.
    if (platform.workplace.sizesGroups && !created && !isClosed(state) && state !== 'paused')
      await raiseJobGroups(context, view, { scale, fresh: false });
    const target = targetOf(wanted);
    const resumeCommand = continueCommand(job, target);
    return withResumeHint(job, resumeCommand, async () => {
      let ended = view;
      if (!isClosed(state)) {
        refusePaused(view, created, resumeCommand);
        context.notice(`workers of groups ${groupsOf(spec).join(', ')} run this job`);
        const followed = await followReporting(context, view, { timeout: timeout ?? null, scale });
        await context.shown();
        requireEnded(followed.end, job, resumeCommand);
        ended = followed.view;
      }
      const delivered = await concludeRun(context, ended, target, async () => {});
      return statusOf(platform, delivered);
    });
  },
});

type TargetFields = { readonly [Name in 'output' | 'header' | 'join' | 'name']?: RunTarget[Name] | undefined } & Pick<
  RunTarget,
  'allowUnproven'
>;

/** Where `run` puts the outputs, by its fields. */
export const targetOf = ({ output, header, join, name, allowUnproven = false }: TargetFields): RunTarget => ({
  output: output ?? null,
  header: header ?? null,
  join: join ?? null,
  name: name ?? null,
  allowUnproven,
});

/** The command that continues an interrupted run, with its output target. */
export function continueCommand(
  job: string,
  { output, header, join, name = null, allowUnproven = false }: RunTarget,
): string {
  if (output === null) return `batchctl run ${job}`;
  const how = `${header === null ? '' : ` --header ${header}`}${join === null ? '' : ` --join ${join}`}`;
  const named = name === null ? '' : ` --name ${shellWord(name)}`;
  return `batchctl run ${job} -o ${shellWord(output)}${how}${named}${allowUnproven ? ' --allow-unproven' : ''}`;
}

/** Rehearsals of a job share its name: the latest real run is among this many jobs. */
const MAX_JOBS_READ = 10;

/** Throws `usage` or `refused` if the outputs could not be named as wanted at the target. */
export async function requireNames(
  job: { readonly spec: JobSpec; readonly inputs: readonly OwnInput[] },
  target: FetchTarget | null,
  name: string | undefined,
): Promise<void> {
  if (target === null || target.kind === 'stream') return;
  const { checkNames } = await import('../jobs/fetch/names.ts');
  await checkNames(job, name, target);
}

/** Throws `full` if the latest success's outputs, scaled to these inputs, would not fit. Needs a ledger. */
export async function requireRoomFor(
  platform: Platform,
  { spec, inputs }: Pick<Prepared, 'spec' | 'inputs'>,
  target: FetchTarget,
): Promise<void> {
  if (target.kind !== 'directory' && target.kind !== 'file') return;
  await ifLedgerAvailable(async () => {
    const ledger = await platform.ledger();
    const jobs = await ledger.jobs({ name: spec.name, states: ['succeeded'], limit: MAX_JOBS_READ });
    const latest = jobs.find(({ steps }) => !isRehearsal(steps));
    if (latest === undefined) return;
    const counts = await ledger.counts(latest.job);
    const of = (step: string | undefined): StepCounts | undefined => counts.find((each) => each.step === step);
    const before = of(spec.steps[0]?.name)?.bytesIn ?? 0;
    const now = inputs.reduce((sum, { input }) => sum + input.size, 0);
    const share = before === 0 || now === 0 ? 1 : Math.min(1, now / before);
    requireRoom(target, Math.round((of(spec.steps.at(-1)?.name)?.bytesOut ?? 0) * share));
  });
}

export function noticeJobBegun({ notice }: Pick<VerbContext, 'notice'>, view: JobView, created: boolean): void {
  const { job } = view.record;
  const state = stateOf(view);
  if (created) notice(`job ${job}`);
  else notice(isClosed(state) ? `job ${job} already existed (${state})` : `continuing job ${job} (${state})`);
}

/** Throws `refused` for a paused job, but not a new one, which its workers may have paused: that is a result. */
export function refusePaused(view: JobView, created: boolean, resumeCommand: string): void {
  if (created || stateOf(view) !== 'paused') return;
  const { job } = view.record;
  throw new BatchctlError('refused', `job ${job} is paused (${view.paused?.reason})`, {
    hint: `batchctl resume ${job}, then ${resumeCommand}`,
  });
}

/** Whether a run writes the outputs of a job that ended so. */
export const isWritten = ({ state, reason }: Pick<JobStatus, 'state' | 'reason'>, allowUnproven: boolean): boolean =>
  state === 'succeeded' || (allowUnproven && reason === UNMET_REASON);

/**
 * Verifies a successful job, fetches and delivers its outputs. Those of a job whose control totals don't hold are only
 * fetched, if that is allowed. Returns the view afterwards. Throws `proof`.
 */
export async function concludeRun(
  context: Pick<VerbContext, 'platform' | 'notice' | 'warn' | 'signal' | 'passed'>,
  view: JobView,
  { output, allowUnproven = false }: Pick<RunTarget, 'output' | 'allowUnproven'>,
  fetch: () => Promise<void>,
): Promise<JobView> {
  if (view.closed?.reason === UNMET_REASON) {
    await noticeUnproven(context, view, output !== null && !allowUnproven);
    if (output !== null && allowUnproven && view.pruned === null) await fetch();
    return view;
  }
  if (stateOf(view) !== 'succeeded') return view;
  const { job, spec } = view.record;
  if (view.pruned !== null) {
    if (output !== null) refusePruned(view, 'its outputs');
    context.notice(`job ${job} succeeded, and was ${prunedText(view.pruned)}`);
    return view;
  }
  await requireProof(context, view);
  if (output !== null) await fetch();
  // It may have been delivered long ago.
  await noticeChangedDelivery(context, view);
  const delivered = await deliverJob(context, view);
  if (output === null && spec.deliver === null) context.notice(`fetch the outputs: batchctl fetch ${job} -o DIR/`);
  return delivered;
}

async function noticeUnproven(
  { platform: open, notice }: Pick<VerbContext, 'platform' | 'notice'>,
  view: JobView,
  withheld: boolean,
): Promise<void> {
  const { unmetTotals } = await import('../jobs/totals.ts');
  for (const total of await unmetTotals(await open(), view)) notice(`not proven: ${unmetText(total)}`);
  if (withheld) notice('no output was written; --allow-unproven writes the outputs all the same');
}

/** A run may only report success if the job is proven. */
async function requireProof(
  { platform: open, notice, warn }: Pick<VerbContext, 'platform' | 'notice' | 'warn'>,
  view: JobView,
): Promise<void> {
  const warnOfEmpty = ({ warnings }: Pick<VerifyResult, 'warnings'>): void => {
    for (const { code, message } of warnings) if (code === EMPTY_OUTPUTS) warn(message);
  };
  const [platform, { standingProof, storeProof }] = await Promise.all([open(), import('../jobs/verify/proof.ts')]);
  const { job } = view.record;
  const before = await standingProof(platform, job, view.next - 1);
  if (before !== null) {
    notice(`verified at ${before.when}: ${provenText(endsOfResult(before.result))}`);
    warnOfEmpty(before.result);
    return;
  }
  const { verifyJob } = await import('../jobs/verify/verify-job.ts');
  const result = await verifyJob(platform, view, { deep: false });
  if (result.verdict !== 'proven') {
    const why = result.problems[0]?.message ?? result.verdict;
    throw new BatchctlError('proof', `job ${job} is closed as succeeded, but: ${why}`, {
      hint: `batchctl verify ${job}`,
    });
  }
  await storeProof(platform, result);
  notice(`verified: ${formatMany(result.checked.parts, 'part')}, ${provenText(endsOfResult(result))}`);
  warnOfEmpty(result);
}
