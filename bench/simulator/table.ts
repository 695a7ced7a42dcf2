import { ours, targetTracking } from './policies.ts';
import { type Perfect, paidHours, perfect, regretOf } from './regret.ts';
import { type Played, simulate } from './simulate.ts';
import type { Workload } from './workloads.ts';

export const minutes = (seconds: number): string => `${Math.round(seconds / 60)} min`;
export const percent = (part: number): string => `${Math.round(part * 100)} %`;
const when = (late: number): string => `${minutes(Math.abs(late))} ${late > 0 ? 'late' : 'early'}`;

export const HEAD = '| workload | perfect | batchctl | target tracking |\n|---|---|---|---|';

export interface Row {
  /** A row of the table in bench/README.md. */
  readonly line: string;
  readonly regret: { readonly ours: number; readonly tracking: number };
}

/** Simulates a workload under batchctl and under target tracking. */
export const playBoth = (workload: Workload): readonly [mine: Played, theirs: Played] => [
  simulate(workload, ours(workload)),
  simulate(workload, targetTracking(workload)),
];

/** The results of batchctl and target tracking on a workload, as a row of the table. */
export function rowOf(workload: Workload, [mine, theirs] = playBoth(workload)): Row {
  const best = perfect(workload);
  const least = `${best.hours.toFixed(1)} h, at most ${best.instances}${best.late > 0 ? `, ${when(best.late)}` : ''}`;
  const cells = [workload.name, least, cellOf(workload, best, mine), cellOf(workload, best, theirs)];
  const regret = (played: Played): number => regretOf(workload, best, played).regret;
  return { line: `| ${cells.join(' | ')} |`, regret: { ours: regret(mine), tracking: regret(theirs) } };
}

function cellOf(workload: Workload, best: Perfect, played: Played): string {
  const { late, regret } = regretOf(workload, best, played);
  const { ended, hours, onDemandHours, peak } = played;
  const onDemand =
    onDemandHours === 0 ? '' : ` (${onDemandHours.toFixed(1)} on demand: paid as ${paidHours(played).toFixed(1)})`;
  return `ends at ${minutes(Math.max(...ended.values()))}, ${when(late)}; ${hours.toFixed(1)} h${onDemand}, at most ${peak}; regret ${percent(regret)}`;
}
