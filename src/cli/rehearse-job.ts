import { randomInt } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LocalProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { retry } from '../jobs/change/retry.ts';
import { FirstFailure } from '../jobs/first-failure.ts';
import { observe } from '../jobs/rehearse/observe.ts';
import {
  clearAbandoned,
  countFaults,
  endRehearsal,
  type FaultCounts,
  failedByFaults,
} from '../jobs/rehearse/outcome.ts';
import { rehearsedSpec, type SubmittedRehearsal, submitRehearsal } from '../jobs/rehearse/submit-rehearsal.ts';
import { statusOf } from '../jobs/status.ts';
import { storeProof } from '../jobs/verify/proof.ts';
import { verifyJob } from '../jobs/verify/verify-job.ts';
import { type FollowEnd, follow } from '../jobs/watch/follow.ts';
import { randomId } from '../lib/id.ts';
import { machineLoad } from '../lib/this-machine.ts';
import type { JobStatus } from '../model/answers/status.ts';
import { forecastJob, type JobForecast, type MachineLoad } from '../model/forecast/forecast.ts';
import type { JobSpec } from '../model/job.ts';
import { faultNames, findFailingSeed, killPlan, rehearsalGroup, sampleSize } from '../model/rehearsal.ts';
import type { VerifyResult } from '../model/verify/verify-result.ts';
import { type JobView, stateOf } from '../model/view.ts';
import { FAULTS_VARIABLE, type Faults, type WorkerFaults } from '../model/worker-faults.ts';
import { withFaults } from '../platform/faults.ts';
import type { OwnWorkers } from '../platform/own-workers.ts';
import { prepareSubmission, requirePrograms, type SubmissionInput, withSubmitProgress } from '../verbs/submission.ts';
import type { Context } from './context.ts';
import { formatCount, formatMany } from './format.ts';
import { liveView } from './live-view.ts';
import { failureLine } from './print-notices.ts';
import { liveStatusOf } from './status-text.ts';
import { withSubmitter } from './submit-progress.ts';
import { localResources, refuseTooLarge } from './this-machine.ts';

interface RehearseWork {
  /** A share of the parts if below 1, otherwise a count. */
  readonly sample: number;
  readonly faults: Faults;
  readonly seed: number | null;
  readonly slots: number | null;
  readonly keep: boolean;
  /** Seconds. */
  readonly timeout: number | null;
}

export interface Rehearsed {
  readonly status: JobStatus;
  readonly seed: number;
  readonly asked: Faults;
  readonly faults: FaultCounts;
  /** Tasks that failed for good only because of faults, and were retried without faults. */
  readonly retried: readonly string[];
  readonly verify: VerifyResult | null;
  /** Null if the sample didn't succeed. */
  readonly forecast: JobForecast | null;
  /** The size of the whole input. */
  readonly of: { readonly parts: number; readonly bytes: number; readonly records: number | null };
  readonly kept: boolean;
}

interface Stage {
  readonly ctx: Context;
  readonly profile: LocalProfile;
  readonly group: string;
  readonly tally: string;
  readonly seed: number;
  readonly work: RehearseWork;
}

/** Runs a job on a sample of its parts, with its own workers, and forecasts the full run. Leaves no process running. */
export async function rehearseJob(
  ctx: Context,
  spec: JobSpec,
  jobFile: string,
  input: SubmissionInput,
  work: RehearseWork,
): Promise<Rehearsed> {
  const [{ profile }, platform] = await Promise.all([ctx.config(), ctx.platform()]);
  if (profile.root === null) {
    throw new BatchctlError('refused', `rehearsals require a local profile; ${profile.name} is not local`, {
      hint: 'use batchctl --profile local rehearse ...: steps, code and inputs are the same',
    });
  }
  refuseTooLarge(spec, localResources(profile, work.slots));
  const before = machineLoad();
  const tally = tallyFiles(profile);
  for (const job of await clearAbandoned(platform, tally)) ctx.notice(`removed ${job}, a rehearsal that was killed`);
  const group = rehearsalGroup(randomId(5));
  const rehearsedOne = rehearsedSpec(spec, group, platform.commandSettings);
  const prepared = await withSubmitter(ctx, async (submitter) => {
    const found = await prepareSubmission(submitter, rehearsedOne, jobFile, input);
    await requirePrograms(submitter, found);
    return found;
  });
  const stage: Stage = { ctx, profile, group, work, tally: tally(group), seed: seedOf(spec, work) };
  // Messages sent from here are duplicated too. The store is slow only for the workers.
  const sending = await withFaults(platform, {
    ...work.faults,
    slowMs: 0,
    seed: stage.seed,
    killAt: null,
    tally: stage.tally,
  });
  const wish = { sample: work.sample, faults: faultNames(work.faults), seed: stage.seed };
  const submitted = await withSubmitter(ctx, (submitter) =>
    withSubmitProgress(submitter, (onProgress) =>
      submitRehearsal(sending, prepared, wish, { signal: ctx.signal, onProgress }),
    ),
  );
  const { job, parts, rehearsal } = submitted.view.record;
  ctx.notice(`rehearsal ${job}: ${formatCount(parts)} of ${formatMany(rehearsal?.of.parts ?? parts, 'part')}`);
  let ended: JobView | null = null;
  try {
    const { view, retried } = await runSample(stage, submitted.view);
    ended = view;
    const status = await statusOf(platform, view);
    const verify = stateOf(view) === 'succeeded' ? await verifyJob(platform, view, { deep: true }) : null;
    if (verify !== null) await storeProof(platform, verify);
    return {
      status,
      seed: stage.seed,
      asked: work.faults,
      faults: await countFaults(stage.tally),
      retried,
      verify,
      forecast: verify?.verdict === 'proven' ? await outlookOf(stage, submitted, view, before) : null,
      of: rehearsal?.of ?? { parts, bytes: 0, records: null },
      kept: shouldKeep(work, view),
    };
  } finally {
    const left = ended ?? submitted.view;
    await endRehearsal(platform, left, { keep: shouldKeep(work, left), tally });
  }
}

/** Keeps a sample that failed or was paused, because its logs are needed next. */
const shouldKeep = ({ keep }: RehearseWork, view: JobView): boolean =>
  keep || ['failed', 'paused'].includes(stateOf(view));

function seedOf({ steps }: JobSpec, { seed, faults, sample }: RehearseWork): number {
  if (seed !== null) return seed;
  const tasks = sample >= 1 ? sample : sampleSize(sample, 1_000);
  return findFailingSeed(faults.fail, randomInt(1, 1_000_000), steps[0]?.name ?? '', tasks);
}

/** Runs the sample to its end. Retries, once, the tasks that failed for good only because of faults. */
async function runSample(
  stage: Stage,
  view: JobView,
): Promise<{ readonly view: JobView; readonly retried: readonly string[] }> {
  const { work } = stage;
  const platform = await stage.ctx.platform();
  const { steps } = view.record.spec;
  const tasks = steps.filter(({ gather }) => !gather).length === 0 ? 1 : view.record.parts;
  const gaveUp = new AbortController();
  const workers = await startRehearsalWorkers(stage, tasks, gaveUp);
  try {
    const ended = await followSample(stage, view, workers, gaveUp.signal);
    const { injected, others } =
      stateOf(ended) === 'failed' && work.faults.fail > 0
        ? await failedByFaults(platform, ended)
        : { injected: [], others: 0 };
    const onlyInjected = injected.length > 0 && others === 0;
    const retried = onlyInjected ? await retry(platform, ended, { tasks: injected }) : null;
    const done = retried === null ? ended : await followSample(stage, retried.view, workers, gaveUp.signal);
    await workers.drain();
    return { view: done, retried: onlyInjected ? injected.map(({ name, task }) => `${name}/${task}`) : [] };
  } finally {
    await workers.stop();
  }
}

async function followSample(
  { ctx, work }: Stage,
  view: JobView,
  workers: OwnWorkers,
  gaveUp: AbortSignal,
): Promise<JobView> {
  const live = liveView(ctx);
  const first = new FirstFailure(await ctx.platform(), view, (failure) => live.printAbove(failureLine(failure)));
  ctx.stopNow.addEventListener('abort', () => void workers.stop(), { once: true });
  try {
    const { end, view: now } = await follow(await ctx.platform(), view, {
      signal: AbortSignal.any([ctx.signal, gaveUp]),
      timeout: work.timeout,
      watching: !ctx.flags.quiet,
      onStatus: (status) => {
        live.show(liveStatusOf(status));
        // With `fail` faults, failures are expected.
        if (work.faults.fail === 0) first.update(status);
      },
      onOutage: ({ message }) => ctx.warn(`${message}; retrying`),
    });
    await first.idle();
    live.close();
    if (end === 'interrupted' && !ctx.signal.aborted) throw gaveUp.reason;
    requireEnded(end, view.record.job);
    return now;
  } finally {
    live.close();
  }
}

async function outlookOf(
  { ctx, profile, work }: Stage,
  { sizes }: SubmittedRehearsal,
  view: JobView,
  before: MachineLoad,
): Promise<JobForecast> {
  const { slots } = localResources(profile, work.slots);
  const { spec, rehearsal, inputs } = view.record;
  // Also counts load that arrived during the rehearsal, without the rehearsal's own tasks.
  const load = { ...before, average: Math.max(before.average, machineLoad().average - slots) };
  const run = await observe(await ctx.platform(), view, { commandsOnly: work.faults.slowMs > 0, signal: ctx.signal });
  const cutOut = inputs.some(({ compression, source }) => compression !== null || source.kind === 'pipe');
  const pieces = cutOut && spec.input?.split.by !== 'file' ? Math.max(sizes.bytes, rehearsal?.of.bytes ?? 0) : 0;
  return forecastJob({ spec, parts: sizes, runs: [run], slots, load, pieces });
}

/** Throws `notFinished` or `interrupted`: unlike a job, a rehearsal doesn't continue without its caller. */
function requireEnded(end: FollowEnd, job: string): void {
  if (end !== 'timeout' && end !== 'interrupted') return;
  const kind = end === 'timeout' ? 'notFinished' : 'interrupted';
  throw new BatchctlError(kind, `rehearsal ${job} did not finish, and was removed`, {
    hint: 'rehearse again with a smaller --sample or a longer --timeout',
  });
}

/** Returns the file where a group's workers append a line for each fault. Creates its directory. */
function tallyFiles({ root }: LocalProfile): (group: string) => string {
  const directory = join(root, 'work');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return (group) => join(directory, `${group}.faults`);
}

/**
 * Starts the workers of a rehearsal, the only ones with its faults. A worker killed by a fault is replaced. `tasks`: the
 * minimum number of tasks, as at least this many attempts start.
 */
async function startRehearsalWorkers(
  { ctx, group, seed, tally, work: { faults, slots } }: Stage,
  tasks: number,
  gaveUp: AbortController,
): Promise<OwnWorkers> {
  const [config, platform, { startOwnWorkers }] = await Promise.all([
    ctx.config(),
    ctx.platform(),
    import('../platform/own-workers.ts'),
  ]);
  const { kills, every } = killPlan(faults.kill ? tasks : 0);
  let deaths = 0;
  return (ctx.io.startWorkers ?? startOwnWorkers)(config, platform, {
    groups: [group],
    slots,
    cwd: ctx.io.cwd,
    env: (start) => {
      const own: WorkerFaults = { ...faults, seed, killAt: start < kills ? every : null, tally };
      return { ...ctx.io.env, [FAULTS_VARIABLE]: JSON.stringify(own) };
    },
    onTrouble: (what) => {
      deaths += 1;
      if (deaths <= kills) ctx.detail(what);
      else ctx.warn(what);
    },
    onGiveUp: (error) => gaveUp.abort(error),
  });
}
