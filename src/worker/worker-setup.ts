import { uptime } from 'node:os';
import { isBatchctlError, isKind } from '../errors.ts';
import { recordBootTime } from '../jobs/boots.ts';
import type { Clock } from '../lib/clock.ts';
import { DRAIN_HOOK_SECONDS } from '../lib/stack-names.ts';
import { isEc2 } from '../lib/this-machine.ts';
import { formatDuration } from '../lib/units.ts';
import { jitter, wait } from '../lib/wait.ts';
import { IDLE_EXIT } from '../model/capacity.ts';
import { ordersPrefix, workerLogKey } from '../model/keys.ts';
import type { WorkerMachine } from '../model/ledger/records.ts';
import type { Machine } from '../ports/machine.ts';
import type { Platform } from '../ports/platform.ts';
import type { WorkerOptions } from './context.ts';
import { shortMessageOf } from './outcome.ts';

export interface WorkerSetup {
  readonly role: NewRole;
  /** Null if the machine has no metadata service. */
  readonly machine: Machine | null;
  readonly inGroup: boolean;
  readonly times: MachineTimes;
  readonly scratch: string;
  readonly options: WorkerOptions;
}

/** How many failed attempts in a row make a group's worker check whether its machine is to blame, by default. */
const MAX_FAILURES = 20;

/** Throws `unavailable`, `credentials`: without them no work is possible. */
export async function setUpWorker(platform: Platform, given: WorkerOptions): Promise<WorkerSetup> {
  const times = machineTimes();
  const role = new NewRole(platform.clock, times);
  const machine = await findMachine(platform, given, role);
  const inGroup = machine?.inGroup === true;
  // An instance of a group costs money while it runs. With --until-empty, another rule decides when to leave. A
  // thousand that finish a job together leave within a minute, as Auto Scaling limits the request rate of an account.
  const idleExit = given.idleExit ?? (inGroup && !given.untilEmpty ? jitter(times.idleExit) : null);
  const maxFailures = given.maxFailures ?? (inGroup ? MAX_FAILURES : null);
  const host = machine?.instance ?? given.host;
  const options = {
    ...given,
    host,
    machine: machine === null ? null : workerMachineOf(machine),
    idleExit,
    maxFailures,
  };
  const setup = { role, machine, inGroup, times, scratch: await platform.scratch(given.worker), options };
  if (machine !== null && inGroup) await recordBoot(platform, machine, given);
  return setup;
}

/** The next raise of the group uses it. It only saves a lookup, so work doesn't wait for a service that refuses it. */
async function recordBoot({ store, clock }: Platform, machine: Machine, { groups }: WorkerOptions): Promise<void> {
  const { instance, launchedAt } = machine;
  const [group] = groups;
  if (launchedAt === null || group === undefined) return;
  try {
    await recordBootTime(store, group, { instance, seconds: (clock.now() - launchedAt) / 1_000 });
  } catch (error) {
    if (!isBatchctlError(error)) throw error;
  }
}

const workerMachineOf = ({ type, zone, lifeCycle, launchedAt }: Machine): WorkerMachine => ({
  type,
  zone,
  lifeCycle,
  ...(launchedAt !== null && { launchedAt }),
});

const ROLE_AGAIN_MS = 2_000;

/** Whether a refusal may pass because the role was created with its instance. */
class NewRole {
  /** Milliseconds from now; 0 if roles aren't new. */
  readonly patienceMs: number;
  readonly #until: number;
  readonly #clock: Clock;

  constructor(clock: Clock, { newRoleMs }: Pick<MachineTimes, 'newRoleMs'>) {
    this.patienceMs = isEc2() ? newRoleMs : 0;
    this.#clock = clock;
    this.#until = clock.monotonic() + this.patienceMs;
  }

  readonly isTransient = (error: unknown): boolean =>
    isKind(error, 'credentials') && this.#clock.monotonic() < this.#until;

  /** Repeats the act while it is refused and that may pass. */
  async retryRefused<T>(work: () => Promise<T>, onRefused: (error: unknown) => void, signal: AbortSignal): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!this.isTransient(error) || signal.aborted) throw error;
        onRefused(error);
      }
      await wait(jitter(ROLE_AGAIN_MS), signal);
    }
  }
}

/**
 * The machine of a worker; null if it isn't an instance of a group. On EC2 each service is called first, so that a role
 * that isn't known everywhere yet delays the worker instead of ending it.
 */
async function findMachine(platform: Platform, options: WorkerOptions, role: NewRole): Promise<Machine | null> {
  let lastLine = '';
  const logOnce = (error: unknown): void => {
    const line = shortMessageOf(error);
    const limit = formatDuration(role.patienceMs / 1_000);
    if (line !== lastLine)
      options.say(`refused; tries again for ${limit} from its start, in case its role is new: ${line}`);
    lastLine = line;
  };
  const first = async (): Promise<Machine | null> => {
    const machine = (await platform.machine?.()) ?? null;
    if (role.patienceMs > 0) await probeServices(platform, options);
    return machine;
  };
  return role.retryRefused(first, logOnce, options.drain);
}

async function probeServices(platform: Platform, { worker, groups }: WorkerOptions): Promise<void> {
  const { store } = platform;
  for await (const _ of store.list(ordersPrefix(worker))) break;
  // The worker's log starts here, and replaces this.
  await store.put(workerLogKey(worker), `${new Date(platform.clock.now()).toISOString()} worker ${worker} starts\n`);
  await platform.ledger();
  for (const group of groups) await (await platform.queue(group)).readCounts();
}

/** Intervals and limits for a worker on a group's instance, milliseconds. */
export interface MachineTimes {
  /** Between checks for notices: five seconds, as AWS recommends (EC2: spot-instance-termination-notices). */
  readonly noticeMs: number;
  /** After this time without work, scaling in may terminate the instance. */
  readonly restMs: number;
  /** Between looks at the backlog while resting. */
  readonly lookMs: number;
  /** Between heartbeats to the lifecycle hook of a terminating instance. */
  readonly holdMs: number;
  /** The maximum hold by the hook, less ten minutes to return running tasks. */
  readonly longestHoldMs: number;
  /** How long a new instance's role may not be known everywhere (IAM: troubleshoot_general, eventual consistency). */
  readonly newRoleMs: number;
  /** A loop without activity for this time hangs: longer than any poll with its retries. */
  readonly loopMs: number;
  /** The maximum delay of a queue's count (SQS: GetQueueAttributes, at least a minute). */
  readonly lagMs: number;
  /** How long an instance takes no long tasks after EC2 said that it is at risk. */
  readonly riskMs: number;
  /** A longer task counts as long: the notice of two minutes, less the time to return it. */
  readonly longSeconds: number;
  /** Seconds without work after which a group's worker leaves: about the cost of another boot. */
  readonly idleExit: number;
}

/** The maximum is a hundred heartbeats, and 48 hours (Auto Scaling: API_LifecycleHook). */
const LONGEST_HOLD = Math.min(48 * 3_600, 100 * DRAIN_HOOK_SECONDS);

/**
 * Seconds. The role of a machine that has been up for longer is known everywhere: what is denied there is denied for
 * good.
 */
const YOUNG = 900;

/**
 * The times; tests shorten them: `BATCHCTL_TEST_NOTICE_SECONDS`, `_REST_`, `_HOLD_`, `_ROLE_`, `_LOOP_`, `_LAG_`,
 * `_RISK_`, `_LONG_`, `_IDLE_`.
 */
function machineTimes(env: Readonly<Record<string, string | undefined>> = process.env): MachineTimes {
  const seconds = (name: string, usual: number): number => Number(env[`BATCHCTL_TEST_${name}_SECONDS`] ?? usual);
  const noticeMs = seconds('NOTICE', 5) * 1_000;
  return {
    noticeMs,
    restMs: seconds('REST', 60) * 1_000,
    lookMs: noticeMs,
    holdMs: seconds('HOLD', DRAIN_HOOK_SECONDS / 3) * 1_000,
    longestHoldMs: (LONGEST_HOLD - 600) * 1_000,
    newRoleMs: seconds('ROLE', uptime() < YOUNG ? 60 : 0) * 1_000,
    loopMs: seconds('LOOP', 300) * 1_000,
    lagMs: seconds('LAG', 60) * 1_000,
    riskMs: seconds('RISK', 600) * 1_000,
    longSeconds: seconds('LONG', 90),
    idleExit: seconds('IDLE', IDLE_EXIT),
  };
}
