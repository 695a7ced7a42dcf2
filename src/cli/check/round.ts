import { BatchctlError } from '../../errors.ts';
import { pollUntil } from '../../infra/call-aws.ts';
import { CHECK_GROUP } from '../../infra/check.ts';
import { keepVersions, tryEnding, tryNeighbours } from '../../infra/check-tries.ts';
import { failureOf, type RemovalOutcome, removeStack } from '../../infra/down.ts';
import { takeInventory } from '../../infra/inventory.ts';
import { applySteps, type ExecutableStep } from '../../infra/plan.ts';
import type { OpenStack } from '../../infra/stack.ts';
import { joinWorkers, listWorkers, readWorkerLogs, type SeenWorker, type WorkerRow } from '../../jobs/grid/workers.ts';
import { readOutput } from '../../jobs/output.ts';
import { specOfValue } from '../../jobs/spec/job-file.ts';
import { statusOf } from '../../jobs/status.ts';
import { verifyJob } from '../../jobs/verify/verify-job.ts';
import { type FollowEnd, follow } from '../../jobs/watch/follow.ts';
import { toBatchctlError } from '../../lib/known-error.ts';
import { formatDuration } from '../../lib/units.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { raiseResultsOf } from '../../verbs/raise.ts';
import { submitSpec } from '../../verbs/submission.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { printRaised } from '../print-notices.ts';
import { parseSubmission, withSubmitter } from '../submit-progress.ts';
import type { CheckReport, CheckSteps } from './report.ts';

const TASKS = 20;
const STEP = 'work';
/** Seconds a task sleeps. One instance needs three minutes for all tasks, which leaves time to interrupt it. */
const TASK_SECONDS = 20;
/** Milliseconds until the first worker must be up. */
const BOOT_MS = 600_000;
/** After a failed launch, wait for the duration of this many tasks (two minutes) before giving up. */
const LAUNCH_TASKS = 6;
/** Seconds until the job must have ended, including the interruption and another boot. */
const JOB_SECONDS = 1_500;
/** Milliseconds until what is new or changed must be visible everywhere. */
const VISIBLE_MS = 120_000;
/** Milliseconds until the last instance must have left: it is idle for about two minutes first. */
const ENDING_MS = 900_000;
/** Milliseconds that workers may take to drain. Their tasks no longer matter. */
const DRAIN_MS = 60_000;
/** Maximum number of lines kept of each log, and of logs. */
const LOG_LINES = 40;
const LOGS = 6;

/** The context of a check. `ctx` belongs to the check's own profile, not to the selected one. */
export interface CheckRound {
  readonly ctx: Context;
  readonly stack: OpenStack;
  readonly steps: CheckSteps;
  /** Tells the operator that now is the time to interrupt the instance. */
  readonly askInterruption: () => void;
}

/** Creates the stack and runs a job on it. Throws a step's error; later steps are then not run. */
export async function runRound(round: CheckRound, planned: readonly ExecutableStep[]): Promise<void> {
  const { ctx, steps } = round;
  await steps.run('up', async (see) => {
    let made = 0;
    const done = ({ kind, name }: ExecutableStep['step']): void => {
      made += 1;
      ctx.detail(`created ${kind} ${name}`);
    };
    try {
      await applySteps(planned, done, ctx.signal);
    } finally {
      see(`created ${formatMany(made, 'resource')} of ${planned.length}`);
    }
  });
  const platform = await ctx.platform();
  const input = await checkInput(round, platform);
  await steps.run('versions', async (see) => {
    await keepVersions(round.stack);
    see(`the input has version ${await input.put(1)}`);
  });
  await steps.run('neighbours', (see) => tryNeighbours(round.stack, { see, limitMs: VISIBLE_MS, signal: ctx.signal }));
  const view = await steps.run('submit', async (see) => {
    const { view: submitted } = await withSubmitter(ctx, (submitter) =>
      submitSpec(submitter, checkJob(ctx, input.url), null, { ...parseSubmission({}), stays: true }),
    );
    see(`job ${submitted.record.job}`);
    see(`then the input got version ${await input.put(OTHERS)}`);
    return submitted;
  });
  const zone = await ctx.zone();
  const over = new AbortController();
  const ended = { is: false };
  const following = follow(platform, view, {
    signal: AbortSignal.any([ctx.signal, over.signal]),
    timeout: JOB_SECONDS,
    watching: false,
    onRaised: (raised) => printRaised(ctx, raiseResultsOf(raised), zone),
    onOutage: ({ message }) => ctx.warn(`${message}; retrying`),
  }).finally(() => {
    ended.is = true;
  });
  try {
    const first = await steps.run('boot', async (see) => {
      const worker = await awaitFirstWorker(ctx, platform, ended);
      see(workerText(worker));
      return worker;
    });
    round.askInterruption();
    await awaitInterruption(round, platform, first, ended);
    const last = await steps.run('job', (see) => awaitJob(platform, following, see));
    await steps.run('verify', async (see) => {
      const { verdict, checked, problems } = await verifyJob(platform, last, { deep: true });
      if (verdict !== 'proven') throw new BatchctlError('proof', problems[0]?.message ?? `the job is ${verdict}`);
      see(`${formatMany(checked.parts, 'part')}, ${formatMany(checked.outputs, 'output')}, each done once`);
      await requireAccepted(platform, last);
      see('all of the version that was submitted');
    });
    await steps.run('ending', async (see, skip) => {
      const untried = await tryEnding(round.stack, { see, limitMs: ENDING_MS, signal: ctx.signal });
      if (untried !== null) skip(untried);
    });
  } finally {
    // Following a job raises its group, which must not happen while the group is removed.
    over.abort();
    await following.catch(() => undefined);
  }
}

/** Removes the stack and returns what is left of it; null if unknown. Never throws. */
export async function removeCheckStack({ ctx, stack, steps }: CheckRound): Promise<readonly string[] | null> {
  // The step has recorded its error.
  const settled = (step: Promise<void>): Promise<void> => step.catch(() => undefined);
  let left: readonly string[] | null = null;
  await settled(
    steps.run('down', async (see) => {
      // A second try may succeed: a service was unreachable, or an instance was slow to terminate.
      const gone = await takeDownStack(ctx, stack).catch((error: unknown) => {
        if (ctx.stopNow.aborted) throw error;
        see(`needed a second try: ${toBatchctlError(error).message}`);
        return takeDownStack(ctx, stack);
      });
      const stays = gone.filter(({ outcome }) => outcome !== 'removed');
      see(`${formatMany(gone.length - stays.length, 'resource')} removed`);
      if (stays.length === 0) return;
      const named = stays.map(({ kind, name, why }) => `${kind} ${name}${why === null ? '' : ` (${why})`}`);
      throw new BatchctlError('finding', `left: ${named.join(', ')}`);
    }),
  );
  await settled(
    steps.run('inventory', async (see) => {
      left = (await takeInventory(stack)).map(({ kind, name }) => `${kind} ${name}`);
      if (left.length > 0) throw new BatchctlError('finding', `left: ${left.join(', ')}`);
      see('each service confirmed that nothing is left of the stack');
    }),
  );
  return left;
}

async function takeDownStack(ctx: Context, stack: OpenStack): Promise<readonly RemovalOutcome[]> {
  const { gone, failed } = await removeStack({
    stack,
    group: null,
    deleteData: true,
    timeoutMs: DRAIN_MS,
    signal: ctx.stopNow,
    // The only job of this stack is the check's own.
    requireIdle: async () => undefined,
    note: (text) => ctx.detail(text),
  });
  const failure = failureOf(failed);
  if (failure !== null) throw failure;
  return gone;
}

/** The last lines of the logs of workers and instances, which may explain a failure; none if they can't be read. */
export async function readLastLogs(ctx: Context): Promise<CheckReport['logs']> {
  try {
    const platform = await ctx.platform();
    const workers = await listWorkers(platform, { group: CHECK_GROUP, left: true });
    const { rows } = await joinWorkers(platform, { group: CHECK_GROUP, left: false });
    const alone = rows.flatMap((row) => (row.worker === null ? [row.machine.instance] : []));
    const names = [...workers.map(({ worker }) => worker), ...alone].slice(-LOGS);
    const logs = await Promise.all(names.map((name) => readWorkerLogs(platform, name).catch(() => null)));
    return logs.flatMap((one) => {
      if (one === null) return [];
      const lines = `${one.boot ?? ''}\n${one.log ?? ''}`.split('\n').filter((line) => line.trim() !== '');
      return [{ of: one.worker, lines: lines.slice(-LOG_LINES) }];
    });
  } catch (error) {
    ctx.detail(`no log can be read: ${toBatchctlError(error).message}`);
    return [];
  }
}

/** Tests shorten it: `BATCHCTL_TEST_CHECK_SECONDS`. */
const taskSeconds = ({ io }: Context): number => Number(io.env.BATCHCTL_TEST_CHECK_SECONDS ?? TASK_SECONDS);

/** The first number of the input after it was overwritten; numbers of the same length would hide a read of the wrong version. */
const OTHERS = 1_001;

/** The input of the check's job: a number for each task, in the bucket of its stack. */
async function checkInput({ ctx, stack }: CheckRound, platform: Platform) {
  const { name, prefix } = stack.profile.bucket;
  const bucket = await platform.bucket(name);
  const key = `${prefix}data/check.txt`;
  return {
    url: `s3://${name}/${key}`,
    /** Puts numbers from `first`; returns the new version. Throws `finding` if the bucket gives none. */
    put: async (first: number): Promise<string> => {
      const body = Array.from({ length: TASKS }, (_, at) => `${first + at}\n`).join('');
      let version: string | null = null;
      const look = async (): Promise<boolean> => {
        await bucket.put(key, body);
        version = (await bucket.head(key))?.version ?? null;
        return version !== null;
      };
      await pollUntil(look, { timeoutMs: VISIBLE_MS, signal: ctx.signal });
      if (version === null) throw new BatchctlError('finding', `versions are on, but ${key} has none`);
      return version;
    },
  };
}

/** Throws `proof` unless each output is of the input that the job accepted: it was overwritten since. */
async function requireAccepted({ store }: Platform, { record: { job } }: JobView): Promise<void> {
  for (let task = 0; task < TASKS; task += 1) {
    const [file] = (await readOutput(store, job, STEP, task))?.files ?? [];
    const found = new TextDecoder().decode((file && (await store.read(file.key))) ?? undefined).trim();
    if (found === String(task + 1)) continue;
    throw new BatchctlError(
      'proof',
      `${STEP}/${task} read "${found}", but its part of the submitted input is ${task + 1}`,
    );
  }
}

function checkJob(ctx: Context, from: string) {
  const run = `read n; sleep ${taskSeconds(ctx)}; echo "$n"`;
  const job = {
    name: 'check',
    input: { from, split: { by: 'lines', every: 1 } },
    // An attempt that an interruption ended is not charged.
    steps: [{ name: STEP, run, attempts: 1, timeout: '10m', group: CHECK_GROUP }],
  };
  return specOfValue(job, { file: 'the job of the check' });
}

/** The first worker of the group. Throws `notFinished` with Auto Scaling's reasons if none comes up. */
async function awaitFirstWorker(
  ctx: Context,
  platform: Platform,
  ended: { readonly is: boolean },
): Promise<SeenWorker> {
  const group = await platform.group(CHECK_GROUP);
  const begun = ctx.clock.monotonic();
  let found: SeenWorker | null = null;
  let rows: readonly WorkerRow[] = [];
  const look = async (): Promise<boolean> => {
    ({ rows } = await joinWorkers(platform, { group: CHECK_GROUP, left: true }));
    found = rows.find((row) => row.worker !== null)?.worker ?? null;
    if (found !== null || ended.is) return true;
    const isLate = ctx.clock.monotonic() - begun > LAUNCH_TASKS * taskSeconds(ctx) * 1_000;
    return isLate && rows.length === 0 && (await group.launchTroubles()).length > 0;
  };
  await pollUntil(look, { timeoutMs: BOOT_MS, signal: ctx.signal });
  if (found !== null) return found;
  const troubles = (await group.launchTroubles()).map(({ code, message }) => `${code}: ${message}`);
  const machines = rows.flatMap((row) =>
    row.machine === null ? [] : [`${row.machine.instance} is ${row.machine.state}`],
  );
  const waited = formatDuration(Math.round((ctx.clock.monotonic() - begun) / 1_000));
  const why = [...troubles, ...machines].join('; ') || 'Auto Scaling gives no reason';
  throw new BatchctlError('notFinished', `no worker was up after ${waited}: ${why}`, {
    hint: 'EC2 lacks capacity: choose another type with --instance; for other causes see docs/troubleshooting.md',
  });
}

const workerText = ({ worker, host, version, slots, machine }: SeenWorker): string =>
  `worker ${worker} on ${host}: ${machine === undefined ? 'no instance of a group' : `${machine.type}, ${machine.zone}, ${machine.lifeCycle}`}, ${slots} slots, version ${version}`;

/** Waits until EC2 has reclaimed the instance, or the job has ended without an interruption. */
async function awaitInterruption(
  { ctx, steps }: CheckRound,
  platform: Platform,
  { host }: SeenWorker,
  ended: { readonly is: boolean },
): Promise<void> {
  const group = await platform.group(CHECK_GROUP);
  await steps.run('interruption', async (see, skip) => {
    let taken = 0;
    const look = async (): Promise<boolean> => {
      // Read before the count: an interruption that came before the job's end must be counted.
      const over = ended.is;
      taken = (await group.spotTroubles?.())?.takenBack ?? 0;
      return taken > 0 || over;
    };
    await pollUntil(look, { timeoutMs: JOB_SECONDS * 1_000, signal: ctx.signal });
    if (taken > 0) see(`EC2 interrupted ${host}`);
    else skip('the job ended before EC2 interrupted the instance: the AWS FIS command was not run, or too late');
  });
}

async function awaitJob(
  platform: Platform,
  following: Promise<{ readonly end: FollowEnd; readonly view: JobView }>,
  see: (text: string) => void,
): Promise<JobView> {
  const { end, view } = await following;
  if (end === 'interrupted') throw new BatchctlError('interrupted', 'stopped before the job ended');
  const [status, workers] = await Promise.all([
    statusOf(platform, view),
    listWorkers(platform, { group: CHECK_GROUP, left: true }),
  ]);
  for (const { total, done, failed, retried, interrupted } of status.steps) {
    see(`${done} of ${total} done, ${failed} failed, ${retried} retried, ${interrupted} interrupted`);
  }
  for (const worker of workers) see(workerText(worker));
  const state = stateOf(view);
  if (state === 'succeeded') return view;
  const why = status.detail ?? status.reason;
  throw end === 'timeout'
    ? new BatchctlError('notFinished', `the job did not end within ${formatDuration(JOB_SECONDS)}`)
    : new BatchctlError('jobFailed', `the job is ${state}${why === null ? '' : `: ${why}`}`);
}
