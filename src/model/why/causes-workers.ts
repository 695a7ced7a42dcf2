import { formatDuration, formatMany, formatSize } from '../../lib/units.ts';
import { DEFAULT_SIZING_TIMES, instancesFor } from '../capacity.ts';
import { type Cause, formatList, groupFlag, isOrAre, iso } from '../cause.ts';
import { stayingFix, stayingText } from '../cost/staying.ts';
import type { GroupMachine, LaunchTrouble } from '../group-status.ts';
import { stepIndex } from '../job.ts';
import { fitLoads, readyLoads } from '../load.ts';
import {
  availableWorkers,
  type GroupSnapshot,
  groupsWithWork,
  runningTaskNames,
  type Snapshot,
  secondsSince,
  shouldRun,
  startWorkerHint,
  stepsOf,
  type WorkerSnapshot,
} from './snapshot.ts';

/** Workers count as dying if their supervisor reported a death within this time, seconds. */
const RECENT_DEATH_SECONDS = 300;

/** Whether a worker can run what waits, group by group. */
export function workerCauses(seen: Snapshot): readonly Cause[] {
  if (!shouldRun(seen)) return [];
  // Workers are known from the ledger alone: without it, none may be there, or a hundred.
  const isBlind = seen.troubles.some(({ service }) => service === 'ledger');
  return groupsWithWork(seen).flatMap((group) => {
    if (isBlind && group.workers.length === 0) return [];
    const nobody = noWorkerCause(seen, group);
    if (nobody !== null) return [nobody];
    const unfit = doesNotFit(seen, group);
    const elsewhere = busyElsewhere(seen, group);
    return [unfit, elsewhere].filter((cause) => cause !== null);
  });
}

function noWorkerCause(seen: Snapshot, group: GroupSnapshot): Cause | null {
  if (availableWorkers(group).length > 0) return null;
  const { size: wantedSize, supervisor, workers } = group;
  const desired = wantedSize?.desired ?? 0;
  const what = waitingText(seen, group);
  const evidence = [
    `${what} ${group.undecided === 1 ? 'waits' : 'wait'} in group ${group.group}`,
    ...lastWorkerText(seen, group),
  ];
  const leaving = workers.filter(({ state }) => state === 'draining');
  const flag = groupFlag(group.group);
  if (leaving.length > 0 && desired === 0) {
    const names = formatList(leaving.map(({ worker }) => worker));
    const message = `the last ${formatMany(leaving.length, 'worker')} of group ${group.group} ${isOrAre(leaving.length)} leaving: ${names}`;
    return {
      code: 'workersLeaving',
      severity: 'stops',
      message,
      evidence,
      fix: wantedSize?.byHand ? startWorkerHint(group) : `batchctl scale 1${flag}`,
    };
  }
  if (desired === 0) {
    const none = wantedSize?.byHand ? '' : `, and its size is 0${wantedSize === null ? '' : ` (${wantedSize.mode})`}`;
    const message = `no worker serves group ${group.group}${none}`;
    const isHere = wantedSize?.machines === undefined && !wantedSize?.byHand;
    const run = isHere ? `; batchctl run ${seen.view.record.job}, to work on this job until it ends` : '';
    return { code: 'noWorker', severity: 'stops', message, evidence, fix: startWorkerHint(group) + run };
  }
  if (supervisor !== null && !supervisor.alive) {
    const message = `no worker serves group ${group.group}: its size is ${desired}, but the process that supervises it is dead`;
    return { code: 'supervisorDead', severity: 'stops', message, evidence, fix: `batchctl scale ${desired}${flag}` };
  }
  return startingCause(seen, group, desired, evidence);
}

/** A worker is on its way. Repeated deaths at the start are a different cause, which its supervisor reports. */
function startingCause(seen: Snapshot, group: GroupSnapshot, desired: number, before: readonly string[]): Cause {
  const said = group.supervisor?.said ?? [];
  const deaths = said.filter(
    (line) => / ended after /.test(line) && secondsSince(seen, instantOf(line)) < RECENT_DEATH_SECONDS,
  );
  const evidence = [...before, ...deaths.slice(-3)];
  const worker = /worker (\S+) ended/.exec(deaths.at(-1) ?? '')?.[1];
  if (worker === undefined) {
    const message = `${formatMany(desired, 'worker')} of group ${group.group} ${isOrAre(desired)} starting`;
    const fix = group.size?.machines === undefined ? 'wait a few seconds' : 'wait: an instance takes a minute or two';
    return { code: 'workerStarting', severity: 'waits', message, evidence, fix };
  }
  const message = `the workers of group ${group.group} die at startup`;
  return { code: 'workerStarting', severity: 'stops', message, evidence, fix: `batchctl workers logs ${worker}` };
}

const instantOf = (line: string): number => Date.parse(/^\d{4}-\S+Z/.exec(line)?.[0] ?? '') || 0;

function waitingText(seen: Snapshot, group: GroupSnapshot): string {
  const steps = stepsOf(seen, group.group).map(({ name }) => name);
  return `${formatMany(group.undecided, 'task')} of ${formatList(steps)}`;
}

function lastWorkerText(seen: Snapshot, { workers }: GroupSnapshot): readonly string[] {
  const last = workers.reduce<WorkerSnapshot | null>((a, b) => (a === null || b.seenAt > a.seenAt ? b : a), null);
  if (last === null) return [];
  const how = last.state === 'gone' ? 'left' : 'was last seen';
  return [
    `the last one, ${last.worker} on ${last.host}, ${how} ${formatDuration(secondsSince(seen, last.seenAt))} ago`,
  ];
}

/** A step whose tasks need more than any worker of its group has: they are released each time. */
function doesNotFit(seen: Snapshot, group: GroupSnapshot): Cause | null {
  const workers = availableWorkers(group);
  for (const { name } of stepsOf(seen, group.group)) {
    const needs = seen.view.record.spec.steps[stepIndex(seen.view.record.spec, name)]?.needs;
    if (needs === undefined) continue;
    const lacks = workers.map((worker) => missingResource(needs, worker));
    const [first] = lacks;
    if (first === undefined || first === null || lacks.includes(null)) continue;
    const most = workers.reduce((a, b) => ((b[first] ?? 0) > (a[first] ?? 0) ? b : a));
    const amount = (n: number): string => (first === 'slots' ? formatMany(n, 'slot') : `${formatSize(n)} of ${first}`);
    const needed = first === 'slots' ? Number(needs.slots) : needs[first];
    return {
      code: 'doesNotFit',
      severity: 'stops',
      message: `a task of ${name} needs ${amount(needed)}; no worker of group ${group.group} has more than ${amount(most[first] ?? 0)}`,
      evidence: workers.slice(0, 3).map(describe),
      fix:
        first === 'slots'
          ? startWorkerHint(group, ` --slots ${needed}`)
          : `start a worker with more ${first} in group ${group.group}, or lower needs.${first} in the job file and submit it again`,
    };
  }
  return null;
}

type Resource = 'slots' | 'memory' | 'disk';

/** The resource of which the worker has too little, whatever else runs there; null if none is known. */
function missingResource(
  needs: { readonly slots: number | 'all'; readonly memory: number; readonly disk: number },
  worker: WorkerSnapshot,
): Resource | null {
  if (needs.slots !== 'all' && needs.slots > worker.slots) return 'slots';
  if (worker.memory !== undefined && needs.memory > worker.memory) return 'memory';
  return worker.disk !== undefined && needs.disk > worker.disk ? 'disk' : null;
}

function describe({ worker, slots, memory, disk }: WorkerSnapshot): string {
  const more = [
    memory === undefined ? '' : `, ${formatSize(memory)} of memory`,
    disk === undefined ? '' : `, ${formatSize(disk)} of disk`,
  ];
  return `${worker}: ${formatMany(slots, 'slot')}${more.join('')}`;
}

/** All slots of the group run other jobs' tasks. */
function busyElsewhere(seen: Snapshot, group: GroupSnapshot): Cause | null {
  const workers = availableWorkers(group);
  const mine = runningTaskNames(seen);
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
  const names = formatList(jobs.map(([job, count]) => `${job} (${count})`));
  return {
    code: 'workersBusyElsewhere',
    severity: 'slows',
    message: `${slots === 1 ? 'the only slot' : `all ${slots} slots`} of group ${group.group} ${isOrAre(slots)} busy with other jobs: ${names}`,
    evidence: workers.slice(0, 3).map(({ worker, busy }) => `${worker} runs ${formatList(busy, 2)}`),
    fix: `${group.size?.byHand ? startWorkerHint(group) : `batchctl scale ${workers.length + 1}${groupFlag(group.group)}`}; batchctl pause ${jobs[0]?.[0] ?? 'JOB'} --now, to run this one first`,
  };
}

/** How to fix a failing launch, by its reason. */
export function launchFix(code: LaunchTrouble['code'], group: string): string {
  const field = `groups.${group}`;
  switch (code) {
    case 'capacity':
      return `add types to ${field}.instances, or subnets in other zones to network.subnets, then batchctl infra up; launches are retried automatically meanwhile`;
    case 'quota':
      return `request a higher quota from AWS (Service Quotas: Amazon EC2, Running On-Demand or All Spot Instance Requests), or lower ${field}.max`;
    case 'price':
      return 'remove the maximum spot price from the launch template: batchctl infra up sets none';
    case 'key':
      return 'grant the key to the role AWSServiceRoleForAutoScaling: batchctl infra plan shows the missing permissions';
    case 'image':
      return `set ${field}.ami to an image that exists in the region, for the types' architecture, then batchctl infra up`;
    case 'permission':
      return 'batchctl infra plan, which shows the missing permission or instance profile';
    case 'network':
      return 'set network.subnets to subnets with free addresses, and use existing security groups, then batchctl infra up';
    case 'setup':
      return `batchctl workers --group ${group}, which lists the instances; batchctl workers logs INSTANCE, for the output of its setup`;
    case 'other':
      return 'batchctl infra status, for changes by others';
    default:
      return code satisfies never;
  }
}

/** Milliseconds from an instance's launch until it should have a worker. */
const BOOT_MS = 600_000;

/** A storm: this many interrupted attempts, and this share of all that ended. */
const STORM = { attempts: 10, share: 0.2 } as const;

/** Machines that nothing ends cost money, whatever the job's state. */
export function stayCauses({ groups }: Snapshot): readonly Cause[] {
  return groups.flatMap(({ group, staying = null }) => {
    if (staying === null) return [];
    const message = `group ${group}: ${stayingText(staying)}`;
    const evidence = [`idle: ${formatList(staying.workers)}`];
    return [{ code: 'workersStay', severity: 'note', message, evidence, fix: stayingFix(group) }];
  });
}

export function gridCauses(seen: Snapshot): readonly Cause[] {
  if (!shouldRun(seen)) return [];
  const groups = groupsWithWork(seen).flatMap((group) => [
    missingGroup(group),
    groupOnHold(seen, group),
    ...launches(group),
    withoutWorkers(seen, group),
    manualAtZero(group),
    atMax(seen, group),
    allProtected(group),
  ]);
  return [...groups.filter((cause) => cause !== null), ...storms(seen)];
}

/** A group in which no worker takes tasks stops. */
const severityOf = (group: GroupSnapshot): 'stops' | 'slows' =>
  availableWorkers(group).length === 0 ? 'stops' : 'slows';

function missingGroup(group: GroupSnapshot): Cause | null {
  if (!group.size?.missing || availableWorkers(group).length > 0) return null;
  return {
    code: 'groupMissing',
    severity: 'stops',
    message: `group ${group.group} has no Auto Scaling group, and no worker that was started by hand`,
    evidence: [`${formatMany(group.undecided, 'task')} ${group.undecided === 1 ? 'waits' : 'wait'} in it`],
    fix: `batchctl infra up, to create it; batchctl worker --here${groupFlag(group.group)} --until-empty, to run a worker here`,
  };
}

function groupOnHold(seen: Snapshot, group: GroupSnapshot): Cause | null {
  const { hold } = group;
  if (hold === null) return null;
  const what = hold.line === null ? (hold.step ?? 'its boot log shows why') : hold.line;
  return {
    code: 'groupHeld',
    severity: severityOf(group),
    message: `group ${group.group} is on hold: its last ${formatMany(hold.failed, 'instance')} could not be set up, so no others are started`,
    evidence: [`${hold.instance}, ${formatDuration(secondsSince(seen, hold.at))} ago: ${what}`],
    fix: `batchctl workers logs ${hold.instance}, for the output of its setup; batchctl infra up, once it is fixed; batchctl scale 1${groupFlag(group.group)}, to try again`,
  };
}

function launches(group: GroupSnapshot): readonly Cause[] {
  const { machines: counts, desired = 0 } = group.size ?? {};
  if (counts === undefined) return [];
  const failing = group.launchTroubles.filter(({ code }) => code === 'setup' || counts.inService < desired);
  return failing.map(({ code, message: said, at }) => ({
    code: code === 'setup' ? 'setupFailed' : 'launchFailed',
    severity: severityOf(group),
    message:
      code === 'setup'
        ? `the last instance of group ${group.group} could not be set up, and terminated itself`
        : `instances of group ${group.group} fail to launch (${code}): ${counts.inService} of ${formatMany(desired, 'instance')} in service`,
    evidence: [`${iso(at)}: ${said}`],
    fix: launchFix(code, group.group),
  }));
}

function withoutWorkers(seen: Snapshot, group: GroupSnapshot): Cause | null {
  const mute = group.machines.filter((machine) => isWithoutWorker(seen, group, machine));
  const [first] = mute;
  if (first === undefined) return null;
  return {
    code: 'instancesWithoutWorkers',
    severity: severityOf(group),
    message: `${formatMany(mute.length, 'instance')} of group ${group.group} ${isOrAre(mute.length)} in service without a worker: ${formatList(mute.map(({ instance }) => instance))}`,
    evidence: mute.slice(0, 3).map(({ instance, type, zone, launchedAt }) => {
      const age = launchedAt === null ? 'a while ago' : `${formatDuration(secondsSince(seen, launchedAt))} ago`;
      return `${instance} (${type}, ${zone}) was launched ${age}`;
    }),
    fix: `batchctl workers logs ${first.instance}, for its boot output; batchctl infra status, for changes by others`,
  };
}

function isWithoutWorker({ now }: Snapshot, { workers }: GroupSnapshot, machine: GroupMachine): boolean {
  const young = machine.launchedAt !== null && now - machine.launchedAt < BOOT_MS;
  if (machine.state !== 'InService' || young) return false;
  return !workers.some(({ host, state }) => host === machine.instance && state !== 'gone' && state !== 'lost');
}

function manualAtZero(group: GroupSnapshot): Cause | null {
  const { size } = group;
  const manual = size?.machines !== undefined && size.mode === 'manual' && size.desired === 0;
  if (!manual || availableWorkers(group).length > 0) return null;
  const flag = groupFlag(group.group);
  return {
    code: 'groupManualAtZero',
    severity: 'stops',
    message: `group ${group.group} is manual, with size 0: only a person can raise it`,
    evidence: [`${formatMany(group.undecided, 'task')} ${group.undecided === 1 ? 'waits' : 'wait'} in it`],
    fix: `batchctl scale 1${flag}, to start one; batchctl scale --auto${flag}, to let waiting work raise it`,
  };
}

/** The group has its maximum size, and the work would need more to be done in time. */
function atMax(seen: Snapshot, group: GroupSnapshot): Cause | null {
  const { size, backlog, workers } = group;
  if (size?.machines === undefined || size.desired < size.max || backlog === null || seen.counts === null) return null;
  const means = seen.earlier?.means ?? new Map<string, number>();
  const loads = readyLoads(seen.view, {
    counts: seen.counts,
    means,
    again: new Map(),
    deviations: new Map(),
    now: seen.now,
  });
  const held = backlog.visible + backlog.leased + backlog.delayed;
  const mine = fitLoads(
    loads.filter((load) => load.group === group.group),
    held,
    false,
  );
  const slots = size.slots ?? workers[0]?.slots ?? 1;
  const need = instancesFor(mine, { slots, current: size.desired, min: size.min, max: size.max });
  if (need.assumed || need.unbounded <= size.max) return null;
  return {
    code: 'groupAtMax',
    severity: 'slows',
    message: `group ${group.group} has ${formatMany(size.desired, 'instance')}, its maximum; the waiting work needs ${need.unbounded} to be done ${need.decides === null ? `in ${formatDuration(DEFAULT_SIZING_TIMES.target)}` : 'by the deadline'}`,
    evidence: [`${formatMany(held, 'message')} in its queue`],
    fix: `batchctl scale ${need.unbounded} --max ${need.unbounded}${groupFlag(group.group)}`,
  };
}

function allProtected({ group, size }: GroupSnapshot): Cause | null {
  const { machines, desired = 0 } = size ?? {};
  if (machines === undefined || machines.inService <= desired || machines.protected < machines.inService) return null;
  return {
    code: 'allProtected',
    severity: 'note',
    message: `group ${group} should have ${desired}, but keeps ${formatMany(machines.inService, 'instance')}: all are protected while they work`,
    evidence: ['each terminates itself once it has nothing to do'],
    fix: `batchctl workers --group ${group}, to see what they run; batchctl workers stop WORKER, to stop one now`,
  };
}

function storms({ counts, view, groups }: Snapshot): readonly Cause[] {
  return (counts ?? []).flatMap(({ step, interrupted, done, failed, retried }): Cause[] => {
    const spec = view.record.spec.steps.find(({ name }) => name === step);
    const group = groups.find((known) => known.group === spec?.group);
    const ended = interrupted + done + failed + retried;
    if (spec === undefined || group?.size?.machines === undefined) return [];
    if (interrupted < STORM.attempts || interrupted < STORM.share * ended) return [];
    const spared =
      spec.fallback === null
        ? `give ${step} interruptions: 3 and fallback: GROUP in the job file, with a group that has spot: false`
        : `set groups.${group.group}.onDemandBase, so that some instances are on demand`;
    return [
      {
        code: 'interruptionStorm',
        severity: 'slows',
        message: `${formatMany(interrupted, 'attempt')} of ${step} were interrupted, of ${ended} that ended: EC2 interrupts instances, or they are drained`,
        evidence: ['interrupted attempts are returned without counting as failed, but their work is lost'],
        fix: `${spared}; batchctl workers --all${groupFlag(group.group)}, to see which instances left`,
      },
    ];
  });
}
