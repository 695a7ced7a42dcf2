import {
  bootSecondsOf,
  DEFAULT_SIZING_TIMES,
  IDLE_EXIT,
  instancesFor,
  onDemandBaseFor,
} from '../../src/model/capacity.ts';
import type { Load } from '../../src/model/load.ts';
import type { Workload } from './workloads.ts';

/** The input of a policy: counters of jobs, never the future. */
export interface Sight {
  readonly now: number;
  readonly desired: number;
  readonly inService: number;
  /** In service or starting. */
  readonly up: number;
  /** Seconds that the latest boots took, oldest first. */
  readonly boots: readonly number[];
  /** The state of spot capacity, as the group's service reports it. */
  readonly spot: SpotSeen;
  /** Messages without a lease. */
  readonly visible: number;
  readonly jobs: readonly {
    readonly name: string;
    /** Seconds until the job's deadline; null without one. */
    readonly in: number | null;
    /** Tasks that are sent and not done. */
    readonly ready: number;
    /** Mean seconds per task, from this run or else from an earlier one. */
    readonly seconds: number | null;
    readonly deviation: number | null;
  }[];
}

export interface SpotSeen {
  /** Number of instances to buy on demand before spot, and seconds since it was last raised (null: never). */
  readonly base: number;
  readonly since: number | null;
  readonly refused: boolean;
  readonly takenBack: number;
}

export interface Policy {
  readonly name: string;
  readonly min: number;
  /** Seconds after which an idle instance leaves and lowers the desired capacity; null: it stays. */
  readonly idleExit: number | null;
  /** True: it is also called when a job is submitted, not only once a minute. */
  readonly atOnce: boolean;
  /** The desired number of instances. A lower number ends idle ones; the others are protected. */
  decide(sight: Sight): number;
  /** How many of them to buy on demand. Absent for a policy with a fixed configuration. */
  standIn?(sight: Sight): number;
}

/** batchctl's policy: watchers only raise the group, and idle workers leave after two minutes. */
export function ours({ slots, max }: Workload, idleExit = IDLE_EXIT): Policy {
  const paceOf = ({ boots }: Sight) => ({ ...DEFAULT_SIZING_TIMES, boot: bootSecondsOf(boots) });
  return {
    name: 'batchctl',
    min: 0,
    idleExit,
    atOnce: true,
    decide: (sight) => {
      const { desired } = sight;
      const fleet = { slots, current: desired, min: 0, max };
      return Math.max(desired, instancesFor(loadsOf(sight), fleet, paceOf(sight)).instances);
    },
    standIn: (sight) => {
      // With the profile's default limit.
      const spot = { ...sight.spot, up: sight.up, most: Math.ceil(max / 4), refusedToo: false };
      return onDemandBaseFor(loadsOf(sight), { slots, min: 0, max }, spot, paceOf(sight));
    },
  };
}

const loadsOf = ({ jobs }: Sight): readonly Load[] =>
  jobs.map(
    ({ name, in: left, ready, seconds, deviation }): Load => ({
      tasks: ready,
      seconds,
      slots: 1,
      atOnce: null,
      ...(left === null ? {} : { due: { job: name, in: left, coming: 0, deviation, after: 0 } }),
    }),
  );

/**
 * AWS's recommendation (Amazon EC2 Auto Scaling: scaling based on Amazon SQS): a target for the backlog per instance,
 * computed as the acceptable latency divided by the mean seconds of a message. Metrics come every minute. Three above
 * the target raise the group; fifteen more than a tenth below lower it (target tracking's alarms). Without an instance
 * there is no metric, so one is kept. Busy instances are protected. `latency`: seconds.
 */
export function targetTracking({ slots, max, tuned }: Workload, latency = DEFAULT_SIZING_TIMES.target): Policy {
  const target = (latency / tuned) * slots;
  let [above, below] = [0, 0];
  return {
    name: 'target tracking',
    min: 1,
    idleExit: null,
    atOnce: false,
    decide: ({ desired, inService, visible }) => {
      if (inService === 0) return desired;
      const metric = visible / inService;
      above = metric > target ? above + 1 : 0;
      below = metric < 0.9 * target ? below + 1 : 0;
      const wanted = Math.min(max, Math.max(1, Math.ceil((inService * metric) / target)));
      if (above >= 3) return Math.max(desired, wanted);
      if (below >= 15) return Math.min(desired, wanted);
      return desired;
    },
  };
}
