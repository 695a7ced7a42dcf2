import { DRAIN_HOOK_SECONDS } from '../lib/stack-names.ts';
import { IDLE_EXIT } from '../model/idle-exit.ts';

/** How often and how long a worker on a group's machine looks, rests and waits, milliseconds. */
export interface MachineTimes {
  /** Between two looks at what stands against the machine: five seconds, as AWS advises (EC2: spot-instance-termination-notices). */
  readonly noticeMs: number;
  /** Without work for so long, scaling in may take the machine. */
  readonly restMs: number;
  /** Between two looks at the backlog of a worker that rests. */
  readonly lookMs: number;
  /** Between two signs to the hook that holds an ending machine. */
  readonly holdMs: number;
  /** The longest that the hook holds it, with ten minutes left to give back what runs. */
  readonly longestHoldMs: number;
  /** For so long a new instance's role may not be known everywhere (IAM: troubleshoot_general, eventual consistency). */
  readonly newRoleMs: number;
  /** A loop that gives no sign for so long hangs: longer than any poll and its tries take. */
  readonly loopMs: number;
  /** So late a queue may count what was sent (SQS: GetQueueAttributes, at least a minute). */
  readonly lagMs: number;
  /** For so long after EC2 has said that a machine is at risk, it takes no long tasks. */
  readonly riskMs: number;
  /** A task that takes longer is a long one: the notice of two minutes, less what giving it back takes. */
  readonly longSeconds: number;
  /** Seconds without work after which a group's worker leaves: about what booting again takes. */
  readonly idleExit: number;
}

/** A hundred signs, and 48 hours, are the most there is (Auto Scaling: API_LifecycleHook). */
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
