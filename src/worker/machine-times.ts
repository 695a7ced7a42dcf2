import { DRAIN_HOOK_SECONDS } from '../lib/stack-names.ts';
import { IDLE_EXIT } from '../model/idle-exit.ts';

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

/** The times; tests shorten them: `BATCHCTL_TEST_NOTICE_SECONDS`, `_REST_`, `_HOLD_`, `_ROLE_`, `_LOOP_`, `_LAG_`, `_RISK_`, `_LONG_`, `_IDLE_`. */
export function machineTimes(env: Readonly<Record<string, string | undefined>> = process.env): MachineTimes {
  const seconds = (name: string, usual: number): number => Number(env[`BATCHCTL_TEST_${name}_SECONDS`] ?? usual);
  const noticeMs = seconds('NOTICE', 5) * 1_000;
  return {
    noticeMs,
    restMs: seconds('REST', 60) * 1_000,
    lookMs: noticeMs,
    holdMs: seconds('HOLD', DRAIN_HOOK_SECONDS / 3) * 1_000,
    longestHoldMs: (LONGEST_HOLD - 600) * 1_000,
    newRoleMs: seconds('ROLE', 60) * 1_000,
    loopMs: seconds('LOOP', 300) * 1_000,
    lagMs: seconds('LAG', 60) * 1_000,
    riskMs: seconds('RISK', 600) * 1_000,
    longSeconds: seconds('LONG', 90),
    idleExit: seconds('IDLE', IDLE_EXIT),
  };
}
