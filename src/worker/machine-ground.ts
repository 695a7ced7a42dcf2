import { isOurs } from '../errors.ts';
import { noteBoot } from '../jobs/grid/boot-times.ts';
import { jitter } from '../lib/wait.ts';
import type { WorkerMachine } from '../ports/ledger.ts';
import type { Machine } from '../ports/machine.ts';
import type { Platform } from '../ports/platform.ts';
import { findMachine, NewRole } from './machine-boot.ts';
import { type MachineTimes, machineTimes } from './machine-times.ts';
import type { WorkerOptions } from './worker-options.ts';

/** The environment that a worker runs on. */
export interface Ground {
  readonly role: NewRole;
  /** Null if the machine has no metadata service. */
  readonly machine: Machine | null;
  /** Whether the machine belongs to a group that would replace it. */
  readonly inGroup: boolean;
  readonly times: MachineTimes;
  /** Where attempts have their directories. */
  readonly scratch: string;
  /** As given, completed by the machine. */
  readonly options: WorkerOptions;
}

/**
 * The number of failed attempts in a row after which a group's worker checks whether its machine is to blame, by
 * default.
 */
const MAX_FAILURES = 20;

/** Throws `unavailable`, `credentials`: without them no work is possible. */
export async function findGround(platform: Platform, given: WorkerOptions): Promise<Ground> {
  const times = machineTimes();
  const role = new NewRole(platform.clock, times);
  const machine = await findMachine(platform, given, role);
  const inGroup = machine?.inGroup === true;
  // An instance of a group costs money while it runs. With --until-empty, another rule decides when to leave. A
  // thousand that finish a job together leave within a minute, as Auto Scaling limits the request rate of an account.
  const idleExit = given.idleExit ?? (inGroup && !given.untilEmpty ? jitter(times.idleExit) : null);
  const maxFailures = given.maxFailures ?? (inGroup ? MAX_FAILURES : null);
  const host = machine?.instance ?? given.host;
  const options = { ...given, host, machine: machine === null ? null : paidFor(machine), idleExit, maxFailures };
  const ground = { role, machine, inGroup, times, scratch: await platform.scratch(given.worker), options };
  if (machine !== null && inGroup) await tellBoot(platform, machine, given);
  return ground;
}

/** The next raise of the group uses it. It is only a memory: work doesn't wait for a service that refuses it. */
async function tellBoot({ store, clock }: Platform, machine: Machine, { groups }: WorkerOptions): Promise<void> {
  const { instance, launchedAt } = machine;
  const [group] = groups;
  if (launchedAt === null || group === undefined) return;
  try {
    await noteBoot(store, group, { instance, seconds: (clock.now() - launchedAt) / 1_000 });
  } catch (error) {
    if (!isOurs(error)) throw error;
  }
}

const paidFor = ({ type, zone, lifeCycle, launchedAt }: Machine): WorkerMachine => ({
  ...{ type, zone, lifeCycle },
  ...(launchedAt !== null && { launchedAt }),
});
