import type { LaunchTrouble, MachineSeen } from '../../ports/worker-group.ts';
import { instancesFor, PACE } from '../capacity.ts';
import { fitLoads, readyLoads } from '../demand.ts';
import { are, type Cause, groupFlag, iso, many, some, span } from './cause.ts';
import { type GroupSeen, type Snapshot, shouldRun, since, taking, wanted } from './snapshot.ts';

/** What mends a launch that fails, by why it does. */
export function mendOfLaunch(code: LaunchTrouble['code'], group: string): string {
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

/** An instance should have a worker so many milliseconds after its launch began. */
const BOOT_MS = 600_000;
/** A storm: so many attempts interrupted, and such a share of all that ended. */
const STORM = { attempts: 10, share: 0.2 } as const;

/** Whether the machines of groups are there, start and have workers. */
export function gridCauses(seen: Snapshot): readonly Cause[] {
  if (!shouldRun(seen)) return [];
  const groups = wanted(seen).flatMap((group) => [
    ...missing(group),
    ...held(seen, group),
    ...launches(group),
    ...withoutWorkers(seen, group),
    ...manualAtZero(group),
    ...atMax(seen, group),
    ...allProtected(group),
  ]);
  return [...groups, ...storms(seen)];
}

/** Nothing of a group goes on where nobody takes its tasks. */
const severityOf = (group: GroupSeen): 'stops' | 'slows' => (taking(group).length === 0 ? 'stops' : 'slows');

function missing(group: GroupSeen): readonly Cause[] {
  if (!group.size?.missing || taking(group).length > 0) return [];
  return [
    {
      code: 'groupMissing',
      severity: 'stops',
      title: `group ${group.group} has no Auto Scaling group, and no worker that was started by hand`,
      evidence: [`${many(group.undecided, 'task')} ${group.undecided === 1 ? 'waits' : 'wait'} in it`],
      mend: `batchctl infra up, to create it; batchctl worker --here${groupFlag(group.group)} --until-empty, to run a worker here`,
    },
  ];
}

function held(seen: Snapshot, group: GroupSeen): readonly Cause[] {
  const { hold } = group;
  if (hold === null) return [];
  const what = hold.line === null ? (hold.step ?? 'its boot log shows why') : hold.line;
  return [
    {
      code: 'groupHeld',
      severity: severityOf(group),
      title: `group ${group.group} is on hold: its last ${many(hold.failed, 'instance')} could not be set up, so no others are started`,
      evidence: [`${hold.instance}, ${span(since(seen, hold.at))} ago: ${what}`],
      mend: `batchctl workers logs ${hold.instance}, for the output of its setup; batchctl infra up, once it is fixed; batchctl scale 1${groupFlag(group.group)}, to try again`,
    },
  ];
}

function launches(group: GroupSeen): readonly Cause[] {
  const { machines: counts, desired = 0 } = group.size ?? {};
  if (counts === undefined) return [];
  const failing = group.launchTroubles.filter(({ code }) => code === 'setup' || counts.inService < desired);
  return failing.map(({ code, message, at }) => ({
    code: code === 'setup' ? 'setupFailed' : 'launchFailed',
    severity: severityOf(group),
    title:
      code === 'setup'
        ? `the last instance of group ${group.group} could not be set up, and terminated itself`
        : `instances of group ${group.group} fail to launch (${code}): ${counts.inService} of ${desired} ${are(counts.inService)} in service`,
    evidence: [`${iso(at)}: ${message}`],
    mend: mendOfLaunch(code, group.group),
  }));
}

function withoutWorkers(seen: Snapshot, group: GroupSeen): readonly Cause[] {
  const mute = group.machines.filter((machine) => isMute(seen, group, machine));
  const [first] = mute;
  if (first === undefined) return [];
  return [
    {
      code: 'instancesWithoutWorkers',
      severity: severityOf(group),
      title: `${many(mute.length, 'instance')} of group ${group.group} ${are(mute.length)} in service without a worker: ${some(mute.map(({ instance }) => instance))}`,
      evidence: mute.slice(0, 3).map(({ instance, type, zone, launchedAt }) => {
        const age = launchedAt === null ? 'a while ago' : `${span(since(seen, launchedAt))} ago`;
        return `${instance} (${type}, ${zone}) was launched ${age}`;
      }),
      mend: `batchctl workers logs ${first.instance}, for its boot output; batchctl infra status, for changes by others`,
    },
  ];
}

function isMute({ now }: Snapshot, { workers }: GroupSeen, machine: MachineSeen): boolean {
  const young = machine.launchedAt !== null && now - machine.launchedAt < BOOT_MS;
  if (machine.state !== 'InService' || young) return false;
  return !workers.some(({ host, state }) => host === machine.instance && state !== 'gone' && state !== 'lost');
}

function manualAtZero(group: GroupSeen): readonly Cause[] {
  const { size } = group;
  const manual = size?.machines !== undefined && size.mode === 'manual' && size.desired === 0;
  if (!manual || taking(group).length > 0) return [];
  const flag = groupFlag(group.group);
  return [
    {
      code: 'groupManualAtZero',
      severity: 'stops',
      title: `group ${group.group} is manual, with size 0: only a person can raise it`,
      evidence: [`${many(group.undecided, 'task')} ${group.undecided === 1 ? 'waits' : 'wait'} in it`],
      mend: `batchctl scale 1${flag}, to start one; batchctl scale --auto${flag}, to let waiting work raise it`,
    },
  ];
}

/** As large as it may be, and the work would take more to be done in time. */
function atMax(seen: Snapshot, group: GroupSeen): readonly Cause[] {
  const { size, backlog, workers } = group;
  if (size?.machines === undefined || size.desired < size.max || backlog === null || seen.counts === null) return [];
  const means = seen.earlier?.means ?? new Map<string, number>();
  const loads = readyLoads(seen.view, {
    ...{ counts: seen.counts, means, again: new Map(), deviations: new Map(), now: seen.now },
  });
  const held = backlog.visible + backlog.leased + backlog.delayed;
  const mine = fitLoads(
    loads.filter((load) => load.group === group.group),
    held,
    false,
  );
  const slots = size.slots ?? workers[0]?.slots ?? 1;
  const need = instancesFor(mine, { slots, current: size.desired, min: size.min, max: size.max });
  if (need.assumed || need.unbounded <= size.max) return [];
  return [
    {
      code: 'groupAtMax',
      severity: 'slows',
      title: `group ${group.group} has ${many(size.desired, 'instance')}, its maximum; the waiting work needs ${need.unbounded} to be done ${need.decides === null ? `in ${span(PACE.target)}` : 'by the deadline'}`,
      evidence: [`${many(held, 'message')} in its queue`],
      mend: `batchctl scale ${need.unbounded} --max ${need.unbounded}${groupFlag(group.group)}`,
    },
  ];
}

function allProtected({ group, size }: GroupSeen): readonly Cause[] {
  const { machines, desired = 0 } = size ?? {};
  if (machines === undefined || machines.inService <= desired || machines.protected < machines.inService) return [];
  return [
    {
      code: 'allProtected',
      severity: 'note',
      title: `group ${group} should have ${desired}, but keeps ${many(machines.inService, 'instance')}: all are protected while they work`,
      evidence: ['each terminates itself once it has nothing to do'],
      mend: `batchctl workers --group ${group}, to see what they run; batchctl workers stop WORKER, to stop one now`,
    },
  ];
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
        title: `${many(interrupted, 'attempt')} of ${step} were interrupted, of ${ended} that ended: EC2 interrupts instances, or they are drained`,
        evidence: ['interrupted attempts are returned without counting as failed, but their work is lost'],
        mend: `${spared}; batchctl workers --all${groupFlag(group.group)}, to see which instances left`,
      },
    ];
  });
}
