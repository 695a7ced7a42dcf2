import { bootSecondsOf, IDLE_EXIT, instancesFor, PACE, standInFor } from '../../src/model/capacity.ts';
import type { Load } from '../../src/model/load.ts';
import type { Workload } from './workloads.ts';

/** What a policy may know: of jobs what their counters say, never what is to come. */
export interface Sight {
  readonly now: number;
  readonly desired: number;
  readonly inService: number;
  /** In service, or starting. */
  readonly up: number;
  /** Seconds that the latest boots took, oldest first. */
  readonly boots: readonly number[];
  /** How spot fares, as the group's service tells it. */
  readonly spot: SpotSeen;
  /** Messages that nobody holds. */
  readonly visible: number;
  readonly jobs: readonly {
    readonly name: string;
    /** Seconds until its deadline; null without. */
    readonly in: number | null;
    /** Tasks that are neither done nor yet to be sent. */
    readonly ready: number;
    /** Mean seconds a task: of this run, else of an earlier one. */
    readonly seconds: number | null;
    readonly deviation: number | null;
  }[];
}

export interface SpotSeen {
  /** On demand before spot is used; and seconds since that was raised last, null if it wasn't. */
  readonly base: number;
  readonly since: number | null;
  readonly refused: boolean;
  readonly takenBack: number;
}

export interface Policy {
  readonly name: string;
  readonly min: number;
  /** Seconds after which an idle instance leaves, and takes its place with it; null: it stays. */
  readonly idleExit: number | null;
  /** True: it is asked as jobs are submitted, not only each minute. */
  readonly atOnce: boolean;
  /** Instances that are to be; fewer than now end those that are idle (the others are protected). */
  decide(sight: Sight): number;
  /** So many of them on demand; absent of a policy that only knows what it was set up with. */
  standIn?(sight: Sight): number;
}

/** What batchctl does: whoever looks raises, nobody lowers, and idle workers leave after two minutes. */
export function ours({ slots, max }: Workload, idleExit = IDLE_EXIT): Policy {
  const paceOf = ({ boots }: Sight) => ({ ...PACE, boot: bootSecondsOf(boots) });
  return {
    ...{ name: 'batchctl', min: 0, idleExit, atOnce: true },
    decide: (sight) => {
      const { desired } = sight;
      const fleet = { slots, current: desired, min: 0, max };
      return Math.max(desired, instancesFor(loadsOf(sight), fleet, paceOf(sight)).instances);
    },
    standIn: (sight) => {
      // By the default of the profile's bound.
      const spot = { ...sight.spot, up: sight.up, most: Math.ceil(max / 4), refusedToo: false };
      return standInFor(loadsOf(sight), { slots, min: 0, max }, spot, paceOf(sight));
    },
  };
}

const loadsOf = ({ jobs }: Sight): readonly Load[] =>
  jobs.map(
    ({ name, in: left, ready, seconds, deviation }): Load => ({
      ...{ tasks: ready, seconds, slots: 1, atOnce: null },
      ...(left === null ? {} : { due: { job: name, in: left, coming: 0, deviation, after: 0 } }),
    }),
  );

/**
 * What AWS recommends (Amazon EC2 Auto Scaling: scaling based on Amazon SQS): a target for the backlog per instance,
 * which is the acceptable latency over the mean seconds of a message. Metrics come each minute; three of them above the
 * target raise, fifteen below a tenth less lower (target tracking's alarms). Without an instance there is no
 * metric, so one is kept; busy ones are protected. `latency`: seconds.
 */
export function targetTracking({ slots, max, tuned }: Workload, latency = PACE.target): Policy {
  const target = (latency / tuned) * slots;
  let [above, below] = [0, 0];
  return {
    ...{ name: 'target tracking', min: 1, idleExit: null, atOnce: false },
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
