import { formatDuration, formatMany, formatSize } from '../../lib/units.ts';
import { type Cause, formatList, isOrAre, iso } from '../cause.ts';
import { hasBarrier } from '../job.ts';
import type { AttemptEvent, LedgerTask } from '../ledger/records.ts';
import {
  availableWorkers,
  type GroupSnapshot,
  groupsWithWork,
  runningTaskNames,
  type Snapshot,
  secondsSince,
  secondsUntil,
  shouldRun,
  type TaskHistory,
  undecidedIn,
  type WorkerSnapshot,
} from './snapshot.ts';

/** The causes that keep some or all tasks from ending: lost messages, limits, delays. */
export function taskCauses(seen: Snapshot): readonly Cause[] {
  if (!shouldRun(seen)) return [];
  return [
    ...missing(seen),
    deadLetters(seen),
    ...maxRunningCauses(seen),
    ...groupsWithWork(seen).map((group) => backoff(seen, group)),
  ].filter((cause) => cause !== null);
}

function missing(seen: Snapshot): readonly Cause[] {
  return groupsWithWork(seen).flatMap(({ group, missing: count }): Cause[] => {
    if (count === 0) return [];
    const { job } = seen.view.record;
    const message = `${formatMany(count, 'task')} ${isOrAre(count)} neither decided nor in the queue of group ${group}`;
    const evidence = ['seen in two checks; a worker, watch or wait re-sends them after two leases'];
    return [{ code: 'missingTasks', severity: 'stops', message, evidence, fix: `batchctl verify ${job} --repair` }];
  });
}

function deadLetters({ deadLetters: letters, view }: Snapshot): Cause | null {
  const [first] = letters;
  if (first === undefined) return null;
  const { job } = view.record;
  return {
    code: 'deadLetters',
    severity: 'stops',
    message: `${formatMany(letters.length, 'task')} of it ${isOrAre(letters.length)} in the dead-letter queue of group ${first.group} without having failed for good: ${first.reason}`,
    evidence: letters.slice(0, 3).map(({ step, task, reason }) => `${step}/${task}: ${reason}`),
    fix: `batchctl queue redrive --group ${first.group} --job ${job}, once that is fixed`,
  };
}

function maxRunningCauses(seen: Snapshot): readonly Cause[] {
  const running = [...runningTaskNames(seen)];
  const { spec, job } = seen.view.record;
  const { maxRunning: limit } = seen.view;
  const slots = groupsWithWork(seen)
    .flatMap(availableWorkers)
    .reduce((sum, worker) => sum + worker.slots, 0);
  const causes: Cause[] = [];
  const reached = (count: number, most: number, what: string, waiting: number, fix: string): void => {
    // A limit as high as the number of slots doesn't limit the job.
    if (count < most || waiting <= count || slots <= most) return;
    causes.push({
      code: 'maxRunning',
      severity: 'slows',
      message: `${what} runs as many tasks as it may: maxRunning is ${most}, ${formatMany(waiting - count, 'task')} ${waiting - count === 1 ? 'waits' : 'wait'}`,
      evidence: [`running: ${formatList(running)}`, `its workers have ${formatMany(slots, 'slot')}`],
      fix,
    });
  };
  const raise = `batchctl adjust ${job} --max-running ${Math.max(slots, (limit ?? 0) + 1)}`;
  if (limit !== null) reached(running.length, limit, 'the job', undecidedIn(seen), raise);
  for (const step of seen.steps ?? []) {
    const most = spec.steps.find(({ name }) => name === step.name)?.maxRunning ?? null;
    const here = running.filter((task) => task.startsWith(`${step.name}/`)).length;
    const fix = 'raise maxRunning of the step in the job file for the next run';
    if (most !== null) reached(here, most, `step ${step.name}`, step.undecided, fix);
  }
  return causes;
}

/** Every task of the job in the group is delayed, mostly for a retry. */
function backoff(seen: Snapshot, { group, mine, newerFormat }: GroupSnapshot): Cause | null {
  if (mine === null || mine.nextDue === null || mine.visible > 0 || mine.leased > 0 || newerFormat !== null)
    return null;
  const failures = seen.histories.flatMap(({ attempts, ...task }) => {
    const last = attempts.at(-1);
    return last === undefined ? [] : [{ task, last }];
  });
  const failed = failures.filter(({ last }) => last.outcome === 'failedAttempt');
  const serviced = failures.find(({ last }) => last.reason === 'service');
  const why =
    failed.length > 0
      ? 'to be retried after a failed attempt'
      : serviced
        ? 'as a service rejected requests'
        : 'as they were returned';
  const { job } = seen.view.record;
  const [first] = failed;
  const last =
    mine.lastDue !== null && mine.lastDue > mine.nextDue
      ? `, the last in ${formatDuration(secondsUntil(seen, mine.lastDue))}`
      : '';
  return {
    code: 'backoff',
    severity: 'waits',
    message: `all ${formatMany(mine.delayed, 'task')} in group ${group} wait ${why}: the first is due in ${formatDuration(secondsUntil(seen, mine.nextDue))}${last}`,
    evidence: failed.slice(0, 3).map(({ task, last: attempt }) => attemptText(task, attempt)),
    fix: first === undefined ? 'wait' : `wait; batchctl logs ${job} ${nameOf(first.task)}, to see what fails`,
  };
}

function attemptText(
  task: Pick<TaskHistory, 'step' | 'task'>,
  { number, exitCode, reason, error }: AttemptEvent,
): string {
  const how = exitCode === null ? (reason ?? 'failed') : `exit ${exitCode}`;
  return `${nameOf(task)}, attempt ${number}: ${how}${error === null ? '' : `, "${error}"`}`;
}

const nameOf = ({ step, task }: Pick<TaskHistory, 'step' | 'task'>): string => `${step}/${task}`;

/** Workers and leases that were lost while they ran a task of the job. */
export function lossCauses(seen: Snapshot): readonly Cause[] {
  if (!shouldRun(seen)) return [];
  return [killsWorkers(seen), leasesExpiring(seen), workerLost(seen)].filter((cause) => cause !== null);
}

function killsWorkers(seen: Snapshot): Cause | null {
  const deadly = seen.histories.filter(({ begun }) => begun > 0);
  const [worst] = [...deadly].sort((a, b) => b.begun - a.begun);
  if (worst === undefined) return null;
  const { job } = seen.view.record;
  return {
    code: 'killsWorkers',
    severity: 'slows',
    message: `${nameOf(worst)} seems to kill its workers: ${formatMany(worst.begun, 'attempt')} of it started and never ended`,
    evidence: deadly
      .slice(0, 3)
      .map((task) => `${nameOf(task)}: ${formatMany(task.begun, 'attempt')} without an end; at five it fails for good`),
    fix: `batchctl tasks ${job} --task ${nameOf(worst)}, to see its attempts; batchctl kill ${job} ${nameOf(worst)} --fail, to continue without it`,
  };
}

/** An attempt whose worker died while it ran, or that lost its lease. */
function lostAttempts(seen: Snapshot, attempts: readonly AttemptEvent[]): readonly AttemptEvent[] {
  const workers = workersById(seen);
  const last = attempts.at(-1);
  return attempts.filter((attempt) => {
    if (attempt.outcome === 'interrupted') return attempt.reason === 'lease';
    if (attempt.outcome !== 'running') return false;
    const state = workers.get(attempt.worker)?.state ?? 'gone';
    return attempt !== last || state === 'gone' || state === 'lost';
  });
}

function leasesExpiring(seen: Snapshot): Cause | null {
  const hit = seen.histories
    .map((history) => ({ history, losses: lostAttempts(seen, history.attempts) }))
    .filter(({ losses }) => losses.length >= 2 || losses.some(({ outcome }) => outcome === 'interrupted'))
    .sort((a, b) => b.losses.length - a.losses.length);
  const [worst] = hit;
  const last = worst?.losses.at(-1);
  if (worst === undefined || last === undefined) return null;
  const { job } = seen.view.record;
  const memory = Math.max(0, ...worst.history.attempts.map(({ peakMemory }) => peakMemory ?? 0));
  const others = hit.length > 1 ? `, and ${formatMany(hit.length - 1, 'other task')} too` : '';
  return {
    code: 'leasesExpiring',
    severity: 'slows',
    message: `${nameOf(worst.history)} lost its worker or its lease ${formatMany(worst.losses.length, 'time')}${others}: the worker died, or its machine was suspended (out of memory?)`,
    evidence: [
      ...worst.losses.slice(-3).map((attempt) => lossText(attempt, workersById(seen))),
      ...(memory > 0 ? [`other attempts of it used up to ${formatSize(memory)} of memory`] : []),
    ],
    fix: `batchctl workers logs ${last.worker}, to see why; batchctl tasks ${job} --task ${nameOf(worst.history)}, for every attempt; if memory is the cause, declare it in the job file (needs: { memory: 4GB })`,
  };
}

function lossText(
  { worker, attempt, startedAt, outcome }: AttemptEvent,
  workers: ReadonlyMap<string, WorkerSnapshot>,
): string {
  const known = workers.get(worker);
  const how =
    outcome === 'interrupted'
      ? 'its lease expired'
      : known?.state === 'gone'
        ? 'its worker left'
        : 'its worker disappeared';
  return `attempt ${attempt} on ${worker}, started at ${iso(startedAt)}: ${how}`;
}

/** Tasks of a worker that is gone: they are delivered again when their leases expire. */
function workerLost(seen: Snapshot): Cause | null {
  const workers = workersById(seen);
  const orphans = seen.running.filter(({ worker }) => {
    const state = worker === null ? undefined : workers.get(worker)?.state;
    return state === 'lost' || state === 'gone';
  });
  const [first] = orphans;
  if (first?.worker === undefined || first.worker === null) return null;
  const worker = workers.get(first.worker);
  const ends = groupsWithWork(seen).flatMap(({ mine }) => (mine?.leaseEnd ? [mine.leaseEnd] : []));
  const again =
    ends.length === 0
      ? 'the next worker with free slots takes them'
      : `delivered again when the lease expires, in ${formatDuration(secondsUntil(seen, Math.min(...ends)))}`;
  return {
    code: 'workerLost',
    severity: 'waits',
    message: `${formatMany(orphans.length, 'task')} ran on a worker that is gone (${first.worker}, last seen ${formatDuration(secondsSince(seen, worker?.seenAt ?? seen.now))} ago)`,
    evidence: [`${formatList(orphans.map(taskName))}: ${again}`],
    fix: `wait: no attempt is used up; batchctl workers logs ${first.worker}, for why it died`,
  };
}

const taskName = ({ step, task }: LedgerTask): string => `${step}/${task}`;

function workersById({ groups }: Snapshot): ReadonlyMap<string, WorkerSnapshot> {
  return new Map(groups.flatMap(({ workers }) => workers.map((worker) => [worker.worker, worker] as const)));
}

/** A task that takes this many times its step's median is an outlier. */
const OUTLIER_FACTOR = 3;

/** The share of a job's tasks below which the remaining ones count as the last. */
const LAST_SHARE = 0.05;

/** A step is slower than in an earlier run from this factor on, once a minimum number of tasks is done. */
const SLOWER = 1.5;

const SLOWER_AFTER = 10;

/** Tasks that run longer than in the earlier run, or than the others; and results that the ledger lacks. */
export function paceCauses(seen: Snapshot): readonly Cause[] {
  const slow = shouldRun(seen) ? [...stragglers(seen), ...slowSteps(seen)] : [];
  const behind = ledgerBehind(seen);
  return behind === null ? slow : [...slow, behind];
}

function stragglers(seen: Snapshot): readonly Cause[] {
  const busy = runningTaskNames(seen);
  const running = seen.running.filter((task) => busy.has(`${task.step}/${task.task}`));
  const total = (seen.steps ?? []).reduce((sum, step) => sum + step.total, 0);
  const left = undecidedIn(seen);
  const last = left <= Math.max(1, Math.floor(total * LAST_SHARE)) && running.length >= left;
  const byStep = new Map<string, LedgerTask[]>();
  for (const task of running) {
    const usual = usualOf(seen, task.step);
    if (usual === null || task.startedAt === null) continue;
    if (secondsSince(seen, task.startedAt) <= Math.max(OUTLIER_FACTOR * usual.seconds, seen.leaseSeconds)) continue;
    byStep.set(task.step, [...(byStep.get(task.step) ?? []), task]);
  }
  return [...byStep].map(([step, tasks]) => stragglerOf(seen, step, tasks, last));
}

function stragglerOf(seen: Snapshot, step: string, tasks: readonly LedgerTask[], last: boolean): Cause {
  const oldest = [...tasks].sort((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0));
  const first = oldest[0];
  const { job } = seen.view.record;
  const usual = usualOf(seen, step);
  const name = `${step}/${first?.task}`;
  const ran = formatDuration(secondsSince(seen, first?.startedAt ?? seen.now));
  const versus = usual === null ? '' : `, ${usual.what} ${formatDuration(usual.seconds)}`;
  const count = tasks.length === 1 ? name : `${formatMany(tasks.length, 'task')}, ${name} the longest`;
  const evidence = oldest
    .slice(0, 3)
    .map((task) => `${step}/${task.task} on ${task.worker}, started at ${iso(task.startedAt ?? 0)}`);
  const fix = `batchctl logs ${job} ${name} --follow, to see what it does; batchctl kill ${job} ${name} --requeue, if it hangs`;
  if (!last) {
    const message = `${formatMany(tasks.length, 'task')} of ${step} ${isOrAre(tasks.length)} far slower than the rest: ${name} has run for ${ran}${versus}`;
    return { code: 'slowTasks', severity: 'slows', message, evidence, fix };
  }
  const barrier = (seen.steps ?? []).find(
    (known, index) => !known.opened && hasBarrier(seen.view.record.spec.steps, index),
  )?.name;
  const message = `${barrier ?? "the job's end"} waits for ${count}: it has run for ${ran} on ${first?.worker}${versus}`;
  return { code: 'straggler', severity: 'slows', message, evidence, fix };
}

/** How long a task of the step usually takes, if known. */
function usualOf(
  { durations, earlier }: Snapshot,
  step: string,
): { readonly seconds: number; readonly what: string } | null {
  const seen = durations.get(step);
  if (seen !== undefined) return { seconds: seen.median, what: 'the median is' };
  const before = earlier?.means.get(step);
  return before === undefined ? null : { seconds: before, what: 'in an earlier run the mean was' };
}

/** Steps whose tasks take longer than in the latest earlier run of the same job. */
function slowSteps({ earlier, counts, view }: Snapshot): readonly Cause[] {
  if (earlier === null) return [];
  return (counts ?? []).flatMap(({ step, done, seconds }): Cause[] => {
    const before = earlier.means.get(step);
    const mean = seconds / done;
    if (before === undefined || done < SLOWER_AFTER || mean < SLOWER * before || mean - before < 0.1) return [];
    return [
      {
        code: 'slowStep',
        severity: 'slows',
        message: `a task of ${step} takes ${formatDuration(mean)}; in the previous run it took ${formatDuration(before)}`,
        evidence: [`the mean of ${formatMany(done, 'task')} here, against ${earlier.job}`],
        fix: `batchctl report ${view.record.job} --compare ${earlier.job}`,
      },
    ];
  });
}

/** The store has more results than the ledger, although nothing has changed for a while. */
function ledgerBehind(seen: Snapshot): Cause | null {
  const { steps, counts, view } = seen;
  if (steps === null || counts === null) return null;
  const moved = Math.max(0, ...counts.map(({ movedAt }) => movedAt ?? 0));
  const still = view.closed !== null || secondsSince(seen, moved) > 2 * seen.leaseSeconds;
  const behind = steps.flatMap(({ name, published }) => {
    const done = counts.find(({ step }) => step === name)?.done ?? 0;
    return done < published ? [`${name}: the ledger counts ${done} done, the store has ${published}`] : [];
  });
  if (!still || behind.length === 0) return null;
  return {
    code: 'ledgerBehind',
    severity: 'note',
    message: `the ledger lags behind the store: status, tasks and report show less than was done (${formatList(behind, 1)})`,
    evidence: behind,
    fix: `batchctl verify ${view.record.job} --repair, for this job; batchctl ledger rebuild, for all`,
  };
}
