import { ON_DEMAND_PRICE_FACTOR } from '../../src/jobs/grid/raise.ts';
import { DEFAULT_SIZING_TIMES } from '../../src/model/capacity.ts';
import type { Played } from './simulate.ts';
import type { Job, Workload } from './workloads.ts';

/** A schedule that no other beats, made with every duration known: perfect packing, no interruption, no idle time. */
export interface Perfect {
  readonly hours: number;
  readonly instances: number;
  /** Seconds by which the latest job still ends late. */
  readonly late: number;
}

export interface Regret {
  /** Seconds by which the latest job ended late; negative if it was early. */
  readonly late: number;
  /**
   * Paid hours beyond the perfect ones, as a fraction of those. Time by which jobs were later than necessary counts as
   * if the perfect group had been paid for it.
   */
  readonly regret: number;
}

/** A job without a deadline should end within the group's target. */
const timeOf = ({ within }: Job): number => within ?? DEFAULT_SIZING_TIMES.target;

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

/** Equivalent spot hours. On-demand hours are weighted as in the cost guard. */
export const paidHours = ({ hours, onDemandHours }: Played): number =>
  hours + (ON_DEMAND_PRICE_FACTOR - 1) * onDemandHours;

export function regretOf({ jobs }: Workload, best: Perfect, played: Played): Regret {
  const { ended } = played;
  const late = Math.max(...jobs.map((job) => (ended.get(job.name) ?? 0) - job.at - timeOf(job)));
  const waited = Math.max(0, late - Math.max(0, best.late)) / 3_600;
  return { late, regret: (paidHours(played) - best.hours + waited * best.instances) / best.hours };
}
