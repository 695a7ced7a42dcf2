// How well groups are sized: workloads played against batchctl's policy, and against target tracking on the backlog per
// instance as AWS recommends it. `node --import tsx bench/autoscaler.bench.ts [--small]`. Nothing is measured here:
// the same figures come each time, on any machine.
import { appendFileSync } from 'node:fs';
import { ours, targetTracking } from './simulator/policies.ts';
import { perfect, regretOf } from './simulator/regret.ts';
import { simulate } from './simulator/simulate.ts';
import { workloads } from './simulator/workloads.ts';

const SMALL = process.argv.includes('--small');

const minutes = (seconds: number): string => `${Math.round(seconds / 60)} min`;
const when = (late: number): string => `${minutes(Math.abs(late))} ${late > 0 ? 'late' : 'early'}`;
const percent = (part: number): string => `${Math.round(part * 100)} %`;

console.log('| workload | perfect | batchctl | target tracking |');
console.log('|---|---|---|---|');
let better = 0;
const all = workloads(SMALL ? 0.1 : 1);
for (const workload of all) {
  const best = perfect(workload);
  const [mine, theirs] = [ours(workload), targetTracking(workload)].map((policy) => {
    const played = simulate(workload, policy);
    const { late, regret } = regretOf(workload, best, played);
    const ends = Math.max(...played.ended.values());
    const onDemand = played.onDemandHours === 0 ? '' : ` (${played.onDemandHours.toFixed(1)} on demand)`;
    const text = `ends at ${minutes(ends)}, ${when(late)}; ${played.hours.toFixed(1)} h${onDemand}, at most ${played.peak}; regret ${percent(regret)}`;
    return { text, regret };
  });
  if (mine === undefined || theirs === undefined) throw new Error('a policy is missing');
  if (mine.regret <= theirs.regret) better += 1;
  const least = `${best.hours.toFixed(1)} h, at most ${best.instances}${best.late > 0 ? `, ${when(best.late)}` : ''}`;
  console.log(`| ${workload.name} | ${least} | ${mine.text} | ${theirs.text} |`);
}

const goal = 'no more regret than target tracking';
const row = {
  ...{ what: `autoscaler, ${all.length} workloads`, ours: `${better} with less regret`, peer: 'target tracking', goal },
  verdict: SMALL ? 'small' : better === all.length ? 'met' : 'missed',
};
if (process.env.BENCH_REPORT !== undefined) appendFileSync(process.env.BENCH_REPORT, `${JSON.stringify(row)}\n`);
