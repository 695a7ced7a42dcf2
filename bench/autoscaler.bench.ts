// How well groups are sized: plays workloads against batchctl's policy, and against target tracking on the backlog per
// instance, as AWS recommends. `node --import tsx bench/autoscaler.bench.ts [--small]`. Simulated, so the figures are
// the same each time and on any machine.
import { appendFileSync } from 'node:fs';
import { type Compared, compare, type Score } from './simulator/compare.ts';
import { heldOut, LATENCIES, SEEDS } from './simulator/held-out.ts';
import { HEAD, minutes, percent, rowOf } from './simulator/table.ts';
import { workloads } from './simulator/workloads.ts';

const SMALL = process.argv.includes('--small');

console.log(HEAD);
let better = 0;
const all = workloads(SMALL ? 0.1 : 1);
for (const workload of all) {
  const { line, regret } = rowOf(workload);
  if (regret.ours <= regret.tracking) better += 1;
  console.log(line);
}

for (const seed of SEEDS)
  printDrawn(heldOut(SMALL ? 20 : 200, SMALL ? 0.1 : 1, seed).map((workload) => compare(workload, LATENCIES)));

const goal = 'no more regret than target tracking';
const row = {
  what: `autoscaler, ${all.length} workloads`,
  ours: `${better} with less regret`,
  peer: 'target tracking',
  goal,
  verdict: SMALL ? 'small' : better === all.length ? 'met' : 'missed',
};
if (process.env.BENCH_REPORT !== undefined) appendFileSync(process.env.BENCH_REPORT, `${JSON.stringify(row)}\n`);

/** The result for workloads that no policy was tuned by. */
function printDrawn(compared: readonly Compared[]): void {
  const columns = (['ours', 'tracking', 'hindsight'] as const).map((name) => compared.map((each) => each[name]));
  const sum = (scores: readonly Score[], of: (score: Score) => number): number =>
    scores.reduce((total, score) => total + of(score), 0);
  const quantile = (scores: readonly Score[], part: number): string =>
    percent(scores.map(({ regret }) => regret).sort((a, b) => a - b)[Math.ceil(part * scores.length) - 1] ?? 0);
  const line = (what: string, of: (scores: readonly Score[]) => string): void =>
    console.log(`| ${what} | ${columns.map(of).join(' | ')} |`);
  console.log(`\n| ${compared.length} drawn | batchctl | target tracking | the same, tuned to each in hindsight |`);
  console.log('|---|---|---|---|');
  line('deadlines missed', (scores) => `${sum(scores, ({ missed }) => missed)} of ${sum(scores, ({ due }) => due)}`);
  line('the worst, late', (scores) => minutes(Math.max(...scores.map(({ late }) => late))));
  line('paid hours, of the perfect ones', (scores) =>
    percent(sum(scores, ({ hours }) => hours) / sum(scores, ({ best }) => best)),
  );
  for (const [what, part] of [
    ['regret: median', 0.5],
    ['of nine in ten less than', 0.9],
    ['the worst', 1],
  ] as const)
    line(what, (scores) => quantile(scores, part));
  const less = (scores: readonly Score[]): number =>
    scores.filter(({ regret }, n) => regret < (compared[n]?.ours.regret ?? 0)).length;
  line('less regret than batchctl', (scores) => (scores === columns[0] ? '' : `in ${less(scores)}`));
}
