import { BatchctlError } from '../../errors.ts';
import { eachParallel } from '../../lib/parallel.ts';
import { type StepFacts, standingOf } from '../../model/decide.ts';
import { causeText } from '../../model/failure.ts';
import { DENIED_REASON, PERSON_REASON } from '../../model/journal.ts';
import { failedKey, outKey } from '../../model/keys.ts';
import { type AttemptEvent, aliveMs } from '../../model/ledger/records.ts';
import { isAlreadyDone, requireLegal } from '../../model/legal.ts';
import { type Change, isSameJson } from '../../model/overrides.ts';
import { isKilled, type JobView, roundOf, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { requireResumeAffordable } from '../cost/affordable.ts';
import { removeDeniedMark } from '../denied-job.ts';
import { append, refreshView } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { ifLedgerAvailable, recordView } from '../record-view.ts';
import { type LaterTasks, sendUndecided, undecidedSets } from '../send.ts';
import { setsOfTasks, type TaskName } from '../tasks.ts';
import { guardFailures } from '../watch/guards.ts';
import { lookAndNotify } from '../watch/look-and-notify.ts';
import { type CorrectedFile, changesFor, correctedOverrides, storeCorrectedCode } from './corrected-file.ts';
import { startRetryRound } from './retry.ts';

interface ChangeResult {
  readonly view: JobView;
  /** False if the job was already so. */
  readonly changed: boolean;
}

interface PauseOptions {
  /** True returns running attempts at once; false lets them finish. */
  readonly now: boolean;
  readonly reason?: string;
}

/** Stops a job's tasks from being taken until `resume`. Throws `refused` for a job that is closed. */
export async function pause(platform: Platform, view: JobView, { now, reason }: PauseOptions): Promise<ChangeResult> {
  const { view: after, appended } = await append(platform, view, (seen) => {
    if (isAlreadyDone(seen, 'pause', now)) return null;
    // A pause may become a pause at once; a job cancelled while paused may not.
    if (stateOf(seen) !== 'paused') requireLegal(seen, 'pause');
    return { what: 'pause', now, reason: reason ?? PERSON_REASON };
  });
  await recordView(platform, after);
  return { view: after, changed: appended };
}

interface ResumeResult extends ChangeResult {
  readonly changes: readonly Change[];
  readonly sent: number;
}

/**
 * Resumes a paused job, or completes the sending of a submission whose process died. It appends first, then computes,
 * then sends: a task dropped during the pause is undecided by then, and a later one is not dropped. Resuming a running
 * job re-sends its undecided tasks, so it completes an interrupted resume. With a corrected job file, undecided tasks
 * first get a new round, so that no worker runs them in the old version; failed tasks need a retry. Throws `refused`
 * for a closed job, for a running one with a corrected file, for another job's file, and for a job whose cost limit is
 * used up.
 */
export async function resume(
  platform: Platform,
  seen: JobView,
  correction: CorrectedFile | null = null,
): Promise<ResumeResult> {
  if (stateOf(seen) === 'paused') await requireResumeAffordable(platform, seen);
  const { view, changes } =
    correction === null ? { view: seen, changes: [] } : await startCorrectedRound(platform, seen, correction);
  // Before the entry, so that a process that raises the group afterwards finds no older mark.
  await removeDeniedMark(platform.store, seen.record.job);
  const { view: after, appended } = await append(platform, view, (now) => {
    if (isAlreadyDone(now, 'resume')) return null;
    requireLegal(now, 'resume');
    return { what: 'resume' };
  });
  await recordView(platform, after);
  const standing = standingOf(after, await listFacts(platform.store, after));
  // Tasks given up by `onFailure: stop` are dropped until a retry includes them.
  const later = seen.paused?.reason === DENIED_REASON ? await heldTasks(platform) : undefined;
  const sent = after.stopped === null ? await sendUndecided(platform, after, standing, null, { later }) : 0;
  // If nothing was left to send, make the pending move now: open a gather, or close the job.
  const found = await lookAndNotify(platform, after);
  return { view: found.view, changed: appended, changes, sent };
}

/** The longest that a worker retries to publish a result (`Retrier`), with a margin, in seconds. */
const HELD_SECONDS = 20;

/** The tasks that workers run: the results of some were refused. Sent at once, they would be computed again elsewhere. */
async function heldTasks({ clock, leaseSeconds, ledger }: Platform): Promise<LaterTasks> {
  const names = new Set<string>();
  await ifLedgerAvailable(async () => {
    const workers = await (await ledger()).workers({ since: clock.now() - aliveMs(leaseSeconds) });
    for (const { busy, state } of workers) if (state !== 'gone') for (const task of busy) names.add(task);
  });
  return { names, seconds: HELD_SECONDS };
}

/** Throws `refused` unless the job's undecided tasks can run with a corrected file: it runs, or is closed. */
function requireCorrectable(view: JobView): void {
  if (stateOf(view) !== 'running') {
    requireLegal(view, 'resume');
    return;
  }
  const { job } = view.record;
  throw new BatchctlError(
    'refused',
    `can't correct job ${job} while it is running: its tasks would run in both versions`,
    { hint: `batchctl pause ${job} --now, then resume it with the corrected file` },
  );
}

/** The changes that `resume` would make with a corrected job file. Throws as it does. */
export async function previewCorrection(
  platform: Platform,
  seen: JobView,
  correction: CorrectedFile,
): Promise<readonly Change[]> {
  requireCorrectable(seen);
  const tasks = undecidedSets(standingOf(seen, await listFacts(platform.store, seen)));
  return changesFor(platform.store, seen, tasks, correctedOverrides(seen, correction), correction);
}

/** For open steps, only undecided tasks: failed ones need a retry. */
function openedSteps(
  { record: { spec } }: JobView,
  facts: readonly StepFacts[],
): { readonly opened?: readonly string[] } {
  const opened = spec.steps.filter((_, index) => facts[index]?.opened).map(({ name }) => name);
  return opened.length === 0 ? {} : { opened };
}

interface CorrectionResult {
  readonly view: JobView;
  readonly changes: readonly Change[];
}

async function startCorrectedRound(
  platform: Platform,
  seen: JobView,
  correction: CorrectedFile,
): Promise<CorrectionResult> {
  let view = await refreshView(platform.store, seen);
  for (;;) {
    const overrides = correctedOverrides(view, correction);
    // An earlier call already applied this file.
    if (stateOf(view) === 'running' && isSameJson(view.overrides, overrides)) return { view, changes: [] };
    requireCorrectable(view);
    const facts = await listFacts(platform.store, view);
    const tasks = undecidedSets(standingOf(view, facts));
    const changes = await changesFor(platform.store, view, tasks, overrides, correction);
    await storeCorrectedCode(platform.store, correction);
    const { view: after, round } = await startRetryRound(
      platform,
      view,
      { tasks, canaries: null, ...openedSteps(view, facts) },
      overrides,
    );
    if (round !== null) return { view: after, changes };
    view = after;
  }
}

/**
 * Ends a job permanently: drops waiting tasks, ends running attempts at their worker's next heartbeat, keeps outputs.
 * On a cancelled job it only completes a cancel that was interrupted before the close. Throws `refused` for a job that
 * ended in another way.
 */
export async function cancel(platform: Platform, view: JobView): Promise<ChangeResult> {
  const { view: cancelled, appended } = await append(platform, view, (seen) => {
    if (isAlreadyDone(seen, 'cancel')) return null;
    requireLegal(seen, 'cancel');
    return { what: 'cancel' };
  });
  await recordView(platform, cancelled);
  const { view: after } = await lookAndNotify(platform, cancelled);
  return { view: after, changed: appended };
}

/** Error text of a killed task; a worker that receives the task first writes the same. */
const KILLED = { reason: 'killed', exitCode: null, error: 'failed by kill' } as const;

/** Tasks failed at once. */
const IN_FLIGHT = 16;

/**
 * Ends tasks' running attempts: `requeue` retries them (without using up an attempt), `fail` fails them for good. Failing
 * follows law 3: entry, `failed/` unless it is published by then, ledger, a look. Repeating the command completes an
 * interrupted kill. Tasks that are decided by now are left out. Throws `refused` if all are.
 */
export async function kill(
  platform: Platform,
  view: JobView,
  tasks: readonly TaskName[],
  mode: 'requeue' | 'fail',
): Promise<JobView> {
  requireLegal(view, 'kill');
  const standing = standingOf(view, await listFacts(platform.store, view));
  const live = tasks.filter(({ step, task }) => standing.steps[step]?.undecided.has(task) === true);
  const [first] = tasks;
  if (first !== undefined && live.length === 0) {
    const name = `${first.name}/${first.task}`;
    throw new BatchctlError('refused', `task ${name} is neither running nor waiting`, {
      hint: `batchctl tasks ${view.record.job} --task ${name}`,
    });
  }
  const { view: after } = await append(platform, view, (seen) => {
    requireLegal(seen, 'kill');
    if (mode === 'fail' && live.every((task) => isKilled(seen, task.step, task.task))) return null;
    return { what: 'kill', mode, tasks: setsOfTasks(live) };
  });
  if (mode === 'requeue') return after;
  await eachParallel(live, IN_FLIGHT, (task) => fail(platform, after, task));
  return (await lookAndNotify(platform, await guardFailures(platform, after))).view;
}

async function fail(platform: Platform, view: JobView, { step, name, task }: TaskName): Promise<void> {
  const { job } = view.record;
  const round = roundOf(view, step, task);
  if ((await platform.store.head(outKey(job, name, task))) !== null) return;
  const now = platform.clock.now();
  const when = new Date(now).toISOString();
  const record = {
    format: 1,
    ...KILLED,
    attempt: 'none',
    number: 0,
    worker: platform.who,
    startedAt: when,
    endedAt: when,
    cause: causeText({ step: name, ...KILLED }),
  };
  await platform.store.put(failedKey(job, name, task, round), JSON.stringify(record), { ifAbsent: true });
  const event: AttemptEvent = {
    job,
    step: name,
    task,
    round,
    attempt: 'none',
    number: 0,
    worker: platform.who,
    slot: 0,
    outcome: 'failed',
    startedAt: now,
    endedAt: now,
    waitSeconds: null,
    ...KILLED,
    cpuSeconds: null,
    peakMemory: null,
    bytesIn: null,
    bytesOut: null,
    counters: {},
  };
  // The failure is in `failed/`; the worker that moves the delivery to the dead letters also records it.
  await ifLedgerAvailable(async () => (await platform.ledger()).record([event]));
}
