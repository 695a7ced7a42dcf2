import type { AttemptEvent, LedgerTask } from '../../ports/ledger.ts';
import type { Cause } from './cause.ts';
import { busyWith, shouldRun, since, taking, undecidedIn, wanted } from './facts.ts';
import type { GroupSeen, Snapshot, TaskHistory, WorkerSeen } from './snapshot.ts';
import { are, iso, many, size, some, span } from './words.ts';

/** What keeps single tasks, or all of them, from ending: lost workers, limits, delays, messages that are gone. */
export function taskCauses(seen: Snapshot): readonly Cause[] {
  if (!shouldRun(seen)) return [];
  return [
    killsWorkers(seen),
    leasesExpiring(seen),
    workerLost(seen),
    ...missing(seen),
    deadLetters(seen),
    ...maxRunning(seen),
    ...wanted(seen).map((group) => backoff(seen, group)),
  ].filter((cause) => cause !== null);
}

function killsWorkers(seen: Snapshot): Cause | null {
  const deadly = seen.histories.filter(({ begun }) => begun > 0);
  const [worst] = [...deadly].sort((a, b) => b.begun - a.begun);
  if (worst === undefined) return null;
  const { job } = seen.view.record;
  return {
    code: 'killsWorkers',
    severity: 'slows',
    title: `${nameOf(worst)} seems to kill its workers: ${many(worst.begun, 'attempt')} of it began and never ended`,
    evidence: deadly
      .slice(0, 3)
      .map((task) => `${nameOf(task)}: ${many(task.begun, 'attempt')} without an end; at five it fails for good`),
    mend: `batchctl tasks ${job} --task ${nameOf(worst)}; then batchctl tasks kill ${job} ${nameOf(worst)} --fail goes on without it`,
  };
}

/** An attempt whose worker died while it ran, or that lost its lease. */
function lost(seen: Snapshot, attempts: readonly AttemptEvent[]): readonly AttemptEvent[] {
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
    .map((history) => ({ history, losses: lost(seen, history.attempts) }))
    .filter(({ losses }) => losses.length >= 2 || losses.some(({ outcome }) => outcome === 'interrupted'))
    .sort((a, b) => b.losses.length - a.losses.length);
  const [worst] = hit;
  const last = worst?.losses.at(-1);
  if (worst === undefined || last === undefined) return null;
  const { job } = seen.view.record;
  const memory = Math.max(0, ...worst.history.attempts.map(({ peakMemory }) => peakMemory ?? 0));
  const others = hit.length > 1 ? `, and ${many(hit.length - 1, 'other task')} too` : '';
  return {
    code: 'leasesExpiring',
    severity: 'slows',
    title: `${nameOf(worst.history)} lost its worker or its lease ${many(worst.losses.length, 'time')}${others}: the worker died, or its machine stood still (killed for memory?)`,
    evidence: [
      ...worst.losses.slice(-3).map((attempt) => lossText(attempt, workersById(seen))),
      ...(memory > 0 ? [`other attempts of it used up to ${size(memory)} of memory`] : []),
    ],
    mend: `batchctl workers logs ${last.worker}; if it is memory, say so in the job file (needs: { memory: 4GB }); batchctl tasks ${job} --task ${nameOf(worst.history)} has every attempt`,
  };
}

function lossText(
  { worker, attempt, startedAt, outcome }: AttemptEvent,
  workers: ReadonlyMap<string, WorkerSeen>,
): string {
  const known = workers.get(worker);
  const how =
    outcome === 'interrupted'
      ? 'its lease ended'
      : known?.state === 'gone'
        ? 'its worker left'
        : 'its worker was not seen again';
  return `attempt ${attempt} on ${worker}, begun at ${iso(startedAt)}: ${how}`;
}

/** Tasks of a worker that is gone: they are delivered again when their leases end. */
function workerLost(seen: Snapshot): Cause | null {
  const workers = workersById(seen);
  const orphans = seen.running.filter(({ worker }) => {
    const state = worker === null ? undefined : workers.get(worker)?.state;
    return state === 'lost' || state === 'gone';
  });
  const [first] = orphans;
  if (first?.worker === undefined || first.worker === null) return null;
  const worker = workers.get(first.worker);
  const ends = wanted(seen).flatMap(({ mine }) => (mine?.leaseEnd ? [mine.leaseEnd] : []));
  const due =
    ends.length === 0 ? `within ${span(seen.leaseSeconds)}` : `in ${span((Math.min(...ends) - seen.now) / 1_000)}`;
  return {
    code: 'workerLost',
    severity: 'waits',
    title: `${many(orphans.length, 'task')} ran on a worker that is gone (${first.worker}, last seen ${span(since(seen, worker?.seenAt ?? seen.now))} ago)`,
    evidence: [`${some(orphans.map(taskName))}; delivered again when the lease ends, ${due} at the earliest`],
    mend: `wait: no attempt is spent; batchctl workers logs ${first.worker} may say why it died`,
  };
}

function missing(seen: Snapshot): readonly Cause[] {
  return wanted(seen).flatMap(({ group, missing: count }): Cause[] => {
    if (count === 0) return [];
    const { job } = seen.view.record;
    const title = `${many(count, 'task')} ${are(count)} neither decided nor in the queue of group ${group}`;
    const evidence = ['seen in two looks; an onlooker (a worker, watch, wait) sends them again after two leases'];
    return [{ code: 'missingTasks', severity: 'stops', title, evidence, mend: `batchctl verify ${job} --repair` }];
  });
}

function deadLetters({ deadLetters: letters, view }: Snapshot): Cause | null {
  const [first] = letters;
  if (first === undefined) return null;
  const { job } = view.record;
  return {
    code: 'deadLetters',
    severity: 'stops',
    title: `${many(letters.length, 'task')} of it lie among the dead letters of group ${first.group}, and did not fail for good: ${first.reason}`,
    evidence: letters.slice(0, 3).map(({ step, task, reason }) => `${step}/${task}: ${reason}`),
    mend: `mend what it says, then batchctl queue redrive --group ${first.group} --job ${job}`,
  };
}

function maxRunning(seen: Snapshot): readonly Cause[] {
  const running = [...busyWith(seen)];
  const { spec, job } = seen.view.record;
  const { maxRunning: limit } = seen.view;
  const slots = wanted(seen)
    .flatMap(taking)
    .reduce((sum, worker) => sum + worker.slots, 0);
  const causes: Cause[] = [];
  const reached = (count: number, most: number, what: string, waiting: number, mend: string): void => {
    // As many as there are slots is no limit of the job's.
    if (count < most || waiting <= count || slots <= most) return;
    causes.push({
      code: 'maxRunning',
      severity: 'slows',
      title: `${what} runs as many tasks as it may: maxRunning is ${most}, ${many(waiting - count, 'task')} ${waiting - count === 1 ? 'waits' : 'wait'}`,
      evidence: [`running: ${some(running)}`, `its workers have ${many(slots, 'slot')}`],
      mend,
    });
  };
  const raise = `batchctl adjust ${job} --max-running ${Math.max(slots, (limit ?? 0) + 1)}`;
  if (limit !== null) reached(running.length, limit, 'the job', undecidedIn(seen), raise);
  for (const step of seen.steps ?? []) {
    const most = spec.steps.find(({ name }) => name === step.name)?.maxRunning ?? null;
    const here = running.filter((task) => task.startsWith(`${step.name}/`)).length;
    const mend = 'raise maxRunning of the step in the job file for the next run';
    if (most !== null) reached(here, most, `step ${step.name}`, step.undecided, mend);
  }
  return causes;
}

/** Every task of the job in the group waits for its time: to be tried again, mostly. */
function backoff(seen: Snapshot, { group, mine, newerFormat }: GroupSeen): Cause | null {
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
      ? 'to be tried again after a failed attempt'
      : serviced
        ? 'as a service refused'
        : 'as they were given back';
  const { job } = seen.view.record;
  const [first] = failed;
  const last =
    mine.lastDue !== null && mine.lastDue > mine.nextDue
      ? `, the last in ${span((mine.lastDue - seen.now) / 1_000)}`
      : '';
  return {
    code: 'backoff',
    severity: 'waits',
    title: `all ${many(mine.delayed, 'task')} in group ${group} wait ${why}: the first is due in ${span((mine.nextDue - seen.now) / 1_000)}${last}`,
    evidence: failed.slice(0, 3).map(({ task, last: attempt }) => attemptText(task, attempt)),
    mend: first === undefined ? 'wait' : `wait, or look at what fails: batchctl logs ${job} ${nameOf(first.task)}`,
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
const taskName = ({ step, task }: LedgerTask): string => `${step}/${task}`;

function workersById({ groups }: Snapshot): ReadonlyMap<string, WorkerSeen> {
  return new Map(groups.flatMap(({ workers }) => workers.map((worker) => [worker.worker, worker] as const)));
}
