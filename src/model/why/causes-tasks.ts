import type { AttemptEvent } from '../../ports/ledger.ts';
import { are, type Cause, many, some, span } from './cause.ts';
import {
  busyWith,
  type GroupSeen,
  type Snapshot,
  shouldRun,
  type TaskHistory,
  taking,
  undecidedIn,
  wanted,
} from './snapshot.ts';

/** What keeps single tasks, or all of them, from ending: messages that are gone, limits, delays. */
export function taskCauses(seen: Snapshot): readonly Cause[] {
  if (!shouldRun(seen)) return [];
  return [
    ...missing(seen),
    deadLetters(seen),
    ...maxRunning(seen),
    ...wanted(seen).map((group) => backoff(seen, group)),
  ].filter((cause) => cause !== null);
}

function missing(seen: Snapshot): readonly Cause[] {
  return wanted(seen).flatMap(({ group, missing: count }): Cause[] => {
    if (count === 0) return [];
    const { job } = seen.view.record;
    const title = `${many(count, 'task')} ${are(count)} neither decided nor in the queue of group ${group}`;
    const evidence = ['seen in two checks; a worker, watch or wait re-sends them after two leases'];
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
    title: `${many(letters.length, 'task')} of it are in the dead-letter queue of group ${first.group}, but did not fail for good: ${first.reason}`,
    evidence: letters.slice(0, 3).map(({ step, task, reason }) => `${step}/${task}: ${reason}`),
    mend: `batchctl queue redrive --group ${first.group} --job ${job}, once that is fixed`,
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
      ? 'to be retried after a failed attempt'
      : serviced
        ? 'as a service rejected requests'
        : 'as they were returned';
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
    mend: first === undefined ? 'wait' : `wait; batchctl logs ${job} ${nameOf(first.task)}, to see what fails`,
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
