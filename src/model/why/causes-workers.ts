import { stepIndex } from '../job.ts';
import { are, type Cause, groupFlag, many, size, some, span } from './cause.ts';
import {
  busyWith,
  type GroupSeen,
  type Snapshot,
  shouldRun,
  since,
  startOne,
  stepsOf,
  taking,
  type WorkerSeen,
  wanted,
} from './snapshot.ts';

/** A supervisor that has just spoken of a worker's death is one whose workers die, seconds. */
const DIES_NOW = 300;

/** Whether somebody is there to run what waits, group by group. */
export function workerCauses(seen: Snapshot): readonly Cause[] {
  if (!shouldRun(seen)) return [];
  return wanted(seen).flatMap((group) => {
    const nobody = noTaker(seen, group);
    if (nobody !== null) return [nobody];
    const unfit = doesNotFit(seen, group);
    const elsewhere = busyElsewhere(seen, group);
    return [unfit, elsewhere].filter((cause) => cause !== null);
  });
}

function noTaker(seen: Snapshot, group: GroupSeen): Cause | null {
  if (taking(group).length > 0) return null;
  const { size: wantedSize, supervisor, workers } = group;
  const desired = wantedSize?.desired ?? 0;
  const what = whatWaits(seen, group);
  const evidence = [
    `${what} ${group.undecided === 1 ? 'waits' : 'wait'} in group ${group.group}`,
    ...lastSeen(seen, group),
  ];
  const leaving = workers.filter(({ state }) => state === 'draining');
  const flag = groupFlag(group.group);
  if (leaving.length > 0 && desired === 0) {
    const names = some(leaving.map(({ worker }) => worker));
    const title = `the last ${many(leaving.length, 'worker')} of group ${group.group} ${are(leaving.length)} leaving: ${names}`;
    return {
      code: 'workersLeaving',
      severity: 'stops',
      title,
      evidence,
      mend: wantedSize?.byHand ? startOne(group) : `batchctl scale 1${flag}`,
    };
  }
  if (desired === 0) {
    const none = wantedSize?.byHand ? '' : `, and its size is 0${wantedSize === null ? '' : ` (${wantedSize.mode})`}`;
    const title = `no worker serves group ${group.group}${none}`;
    return { code: 'noWorker', severity: 'stops', title, evidence, mend: startOne(group) };
  }
  if (supervisor !== null && !supervisor.alive) {
    const title = `no worker serves group ${group.group}: its size is ${desired}, but the process that supervises it is dead`;
    return { code: 'supervisorDead', severity: 'stops', title, evidence, mend: `batchctl scale ${desired}${flag}` };
  }
  return starting(seen, group, desired, evidence);
}

/** A worker is to come. One that comes and dies again and again is another matter: its supervisor says so. */
function starting(seen: Snapshot, group: GroupSeen, desired: number, before: readonly string[]): Cause {
  const said = group.supervisor?.said ?? [];
  const deaths = said.filter((line) => / ended after /.test(line) && since(seen, instantOf(line)) < DIES_NOW);
  const evidence = [...before, ...deaths.slice(-3)];
  const worker = /worker (\S+) ended/.exec(deaths.at(-1) ?? '')?.[1];
  if (worker === undefined) {
    const title = `${many(desired, 'worker')} of group ${group.group} ${are(desired)} starting`;
    const mend = group.size?.machines === undefined ? 'wait a few seconds' : 'wait: an instance takes a minute or two';
    return { code: 'workerStarting', severity: 'waits', title, evidence, mend };
  }
  const title = `the workers of group ${group.group} die at startup`;
  return { code: 'workerStarting', severity: 'stops', title, evidence, mend: `batchctl workers logs ${worker}` };
}

const instantOf = (line: string): number => Date.parse(/^\d{4}-\S+Z/.exec(line)?.[0] ?? '') || 0;

function whatWaits(seen: Snapshot, group: GroupSeen): string {
  const steps = stepsOf(seen, group.group).map(({ name }) => name);
  return `${many(group.undecided, 'task')} of ${some(steps)}`;
}

function lastSeen(seen: Snapshot, { workers }: GroupSeen): readonly string[] {
  const last = workers.reduce<WorkerSeen | null>((a, b) => (a === null || b.seenAt > a.seenAt ? b : a), null);
  if (last === null) return [];
  const how = last.state === 'gone' ? 'left' : 'was last seen';
  return [`the last one, ${last.worker} on ${last.host}, ${how} ${span(since(seen, last.seenAt))} ago`];
}

/** A step whose tasks need more than any worker of its group has: they are given back each time. */
function doesNotFit(seen: Snapshot, group: GroupSeen): Cause | null {
  const workers = taking(group);
  for (const { name } of stepsOf(seen, group.group)) {
    const needs = seen.view.record.spec.steps[stepIndex(seen.view.record.spec, name)]?.needs;
    if (needs === undefined) continue;
    const lacks = workers.map((worker) => lackOf(needs, worker));
    const [first] = lacks;
    if (first === undefined || first === null || lacks.includes(null)) continue;
    const most = workers.reduce((a, b) => ((b[first] ?? 0) > (a[first] ?? 0) ? b : a));
    const amount = (n: number): string => (first === 'slots' ? many(n, 'slot') : `${size(n)} of ${first}`);
    const needed = first === 'slots' ? Number(needs.slots) : needs[first];
    return {
      code: 'doesNotFit',
      severity: 'stops',
      title: `a task of ${name} needs ${amount(needed)}; no worker of group ${group.group} has more than ${amount(most[first] ?? 0)}`,
      evidence: workers.slice(0, 3).map(describe),
      mend:
        first === 'slots'
          ? startOne(group, ` --slots ${needed}`)
          : `start a worker with more ${first} in group ${group.group}, or lower needs.${first} in the job file and submit it again`,
    };
  }
  return null;
}

type Resource = 'slots' | 'memory' | 'disk';

/** What the worker has too little of, whatever runs there; null if nothing that is known. */
function lackOf(
  needs: { readonly slots: number | 'all'; readonly memory: number; readonly disk: number },
  worker: WorkerSeen,
): Resource | null {
  if (needs.slots !== 'all' && needs.slots > worker.slots) return 'slots';
  if (worker.memory !== undefined && needs.memory > worker.memory) return 'memory';
  return worker.disk !== undefined && needs.disk > worker.disk ? 'disk' : null;
}

function describe({ worker, slots, memory, disk }: WorkerSeen): string {
  const more = [
    memory === undefined ? '' : `, ${size(memory)} of memory`,
    disk === undefined ? '' : `, ${size(disk)} of disk`,
  ];
  return `${worker}: ${many(slots, 'slot')}${more.join('')}`;
}

/** All slots of the group run other jobs' tasks. */
function busyElsewhere(seen: Snapshot, group: GroupSeen): Cause | null {
  const workers = taking(group);
  const mine = busyWith(seen);
  if (stepsOf(seen, group.group).some(({ name }) => [...mine].some((task) => task.startsWith(`${name}/`)))) return null;
  const full = workers.every(({ slots, busy }) => busy.length >= Math.min(slots, 64));
  if (!full || (group.mine !== null && group.mine.visible === 0)) return null;
  const counts = new Map<string, number>();
  for (const { busy } of workers) {
    for (const task of busy) {
      const job = task.split('/')[0] ?? '';
      counts.set(job, (counts.get(job) ?? 0) + 1);
    }
  }
  const jobs = [...counts].sort(([, a], [, b]) => b - a);
  const slots = workers.reduce((sum, worker) => sum + worker.slots, 0);
  const names = some(jobs.map(([job, count]) => `${job} (${count})`));
  return {
    code: 'workersBusyElsewhere',
    severity: 'slows',
    title: `${slots === 1 ? 'the only slot' : `all ${slots} slots`} of group ${group.group} ${are(slots)} busy with other jobs: ${names}`,
    evidence: workers.slice(0, 3).map(({ worker, busy }) => `${worker} runs ${some(busy, 2)}`),
    mend: `${group.size?.byHand ? startOne(group) : `batchctl scale ${workers.length + 1}${groupFlag(group.group)}`}; batchctl pause ${jobs[0]?.[0] ?? 'JOB'} --now, to run this one first`,
  };
}
