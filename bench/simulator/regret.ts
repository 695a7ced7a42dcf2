import { AS_SPOT } from '../../src/jobs/grid/raise.ts';
import { PACE } from '../../src/model/capacity.ts';
import type { Played } from './simulate.ts';
import type { Job, Workload } from './workloads.ts';

/** What no schedule beats that knows every duration: perfect packing, no interruption, each instance gone as it ends. */
export interface Perfect {
  readonly hours: number;
  readonly instances: number;
  /** Seconds after its time by which the latest job ends even so. */
  readonly late: number;
}

export interface Regret {
  /** Seconds after its time by which the latest job ended; below 0: before it. */
  readonly late: number;
  /**
   * Paid hours beyond the perfect ones, in parts of those. The time that jobs were later than they had to be counts
   * as if the perfect group had been paid for it.
   */
  readonly regret: number;
}

/** A job without a deadline is wanted within the group's target. */
const timeOf = ({ within }: Job): number => within ?? PACE.target;

export function perfect({ jobs, slots, max, boot }: Workload): Perfect {
  let [hours, instances, late] = [0, 0, 0];
  for (const job of jobs) {
    const work = job.units.reduce((sum, seconds) => sum + seconds, 0);
    const time = Math.max(timeOf(job), boot + job.longest);
    const needed = Math.min(max, Math.ceil(work / slots / (time - boot)), Math.ceil(job.tasks / slots));
    const ends = boot + Math.max(job.longest, work / slots / needed);
    hours += (work / slots + needed * boot) / 3_600;
    instances = Math.max(instances, needed);
    late = Math.max(late, ends - timeOf(job));
  }
  return { hours, instances, late };
}

/** Hours of spot that would have cost the same: one on demand counts as the guard of costs counts it. */
export const paidHours = ({ hours, onDemandHours }: Played): number => hours + (AS_SPOT - 1) * onDemandHours;

export function regretOf({ jobs }: Workload, best: Perfect, played: Played): Regret {
  const { ended } = played;
  const late = Math.max(...jobs.map((job) => (ended.get(job.name) ?? 0) - job.at - timeOf(job)));
  const waited = Math.max(0, late - Math.max(0, best.late)) / 3_600;
  return { late, regret: (paidHours(played) - best.hours + waited * best.instances) / best.hours };
}
