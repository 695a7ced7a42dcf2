import { ours, targetTracking } from './policies.ts';
import { type Perfect, paidHours, perfect, regretOf } from './regret.ts';
import { type Played, simulate } from './simulate.ts';
import type { Workload } from './workloads.ts';

/** A policy's results on a workload. */
export interface Score {
  readonly regret: number;
  /** Paid hours (an on-demand hour counts as three spot hours), and those of the perfect schedule. */
  readonly hours: number;
  readonly best: number;
  /** Jobs with a deadline, how many of them missed it, and the worst delay in seconds. */
  readonly due: number;
  readonly missed: number;
  readonly late: number;
}

export interface Compared {
  readonly ours: Score;
  /** Configured for a latency of half an hour. */
  readonly tracking: Score;
  /** Configured for the latency that turns out best for this workload, which cannot be known in advance. */
  readonly hindsight: Score;
}

/** Plays a workload against each policy. `latencies`: seconds to try target tracking with. */
export function compare(workload: Workload, latencies: readonly number[]): Compared {
  const best = perfect(workload);
  const score = (played: Played): Score => scoreOf(workload, best, played);
  const tracking = score(simulate(workload, targetTracking(workload)));
  const tuned = latencies.map((latency) => score(simulate(workload, targetTracking(workload, latency))));
  return {
    ours: score(simulate(workload, ours(workload))),
    tracking,
    hindsight: [tracking, ...tuned].reduce((a, b) => (b.regret < a.regret ? b : a)),
  };
}

function scoreOf(workload: Workload, best: Perfect, played: Played): Score {
  const due = workload.jobs.flatMap(({ name, at, within }) =>
    within === null ? [] : [(played.ended.get(name) ?? 0) - at - within],
  );
  const missed = due.filter((late) => late > 0);
  return {
    regret: regretOf(workload, best, played).regret,
    hours: paidHours(played),
    best: best.hours,
    due: due.length,
    missed: missed.length,
    late: Math.max(0, ...missed),
  };
}
