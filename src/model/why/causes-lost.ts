import type { AttemptEvent, LedgerTask } from '../../ports/ledger.ts';
import { type Cause, iso, many, size, some, span } from './cause.ts';
import { type Snapshot, shouldRun, since, type TaskHistory, type WorkerSeen, wanted } from './snapshot.ts';

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
    title: `${nameOf(worst)} seems to kill its workers: ${many(worst.begun, 'attempt')} of it started and never ended`,
    evidence: deadly
      .slice(0, 3)
      .map((task) => `${nameOf(task)}: ${many(task.begun, 'attempt')} without an end; at five it fails for good`),
    mend: `batchctl tasks ${job} --task ${nameOf(worst)}, to see its attempts; batchctl tasks kill ${job} ${nameOf(worst)} --fail, to continue without it`,
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
    title: `${nameOf(worst.history)} lost its worker or its lease ${many(worst.losses.length, 'time')}${others}: the worker died, or its machine was suspended (out of memory?)`,
    evidence: [
      ...worst.losses.slice(-3).map((attempt) => lossText(attempt, workersById(seen))),
      ...(memory > 0 ? [`other attempts of it used up to ${size(memory)} of memory`] : []),
    ],
    mend: `batchctl workers logs ${last.worker}, to see why; batchctl tasks ${job} --task ${nameOf(worst.history)}, for every attempt; if memory is the cause, declare it in the job file (needs: { memory: 4GB })`,
  };
}

function lossText(
  { worker, attempt, startedAt, outcome }: AttemptEvent,
  workers: ReadonlyMap<string, WorkerSeen>,
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
  const again =
    ends.length === 0
      ? 'the next worker with free slots takes them'
      : `delivered again when the lease expires, in ${span((Math.min(...ends) - seen.now) / 1_000)}`;
  return {
    code: 'workerLost',
    severity: 'waits',
    title: `${many(orphans.length, 'task')} ran on a worker that is gone (${first.worker}, last seen ${span(since(seen, worker?.seenAt ?? seen.now))} ago)`,
    evidence: [`${some(orphans.map(taskName))}: ${again}`],
    mend: `wait: no attempt is used up; batchctl workers logs ${first.worker}, for why it died`,
  };
}

const nameOf = ({ step, task }: Pick<TaskHistory, 'step' | 'task'>): string => `${step}/${task}`;
const taskName = ({ step, task }: LedgerTask): string => `${step}/${task}`;

function workersById({ groups }: Snapshot): ReadonlyMap<string, WorkerSeen> {
  return new Map(groups.flatMap(({ workers }) => workers.map((worker) => [worker.worker, worker] as const)));
}
