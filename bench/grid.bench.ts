// The AWS requests of a grid, in simulated time: `node --import tsx bench/grid.bench.ts [--small | MACHINES TASKS]`; by
// default 100 and 4,000. Workers are real, services are simulated (test/support/fleet). A thousand machines with 20,000
// tasks take about three minutes of CPU and 4 GB per scenario (`NODE_OPTIONS=--max-old-space-size=8000`).
import { LIMITS, runScenario, scenarios } from '../test/support/fleet/scenarios.ts';

const SMALL = process.argv.includes('--small');
/** US dollars per hour, approximately: c7g.large, spot. */
const HOUR = 0.03;

const number = (value: number): string => Math.round(value).toLocaleString('en');
const [machines = 100, tasks = 4_000] = process.argv.slice(2).map(Number).filter(Number.isInteger);
const all = SMALL ? scenarios(10, 60).slice(0, 2) : scenarios(machines, tasks);
for (const scenario of all) {
  const figures = await runScenario(scenario);
  const { published, state, reruns, interrupted, launched, makespan, hours, leastHours, requestCost } = figures;
  console.log(`\n## ${figures.name}\n`);
  console.log(
    `${number(published)} tasks published (${state}), ${reruns} run again, ${interrupted} instances taken of ${launched}`,
  );
  console.log(
    `done after ${number(makespan)} s; ${hours.toFixed(1)} instance-hours (the work alone: ${leastHours.toFixed(1)}), ` +
      `${(hours * HOUR).toFixed(2)} USD, and ${requestCost.toFixed(2)} USD of requests\n`,
  );
  console.log('| requests | in all | a second at most, of ten | limit |\n|---|---|---|---|');
  for (const { what, limit, source } of LIMITS) {
    const [total, peak] = [figures.totals.get(what) ?? 0, figures.peaks.get(what) ?? 0];
    if (total === 0) continue;
    console.log(
      `| ${what} | ${number(total)} | ${number(peak)} | ${limit === null ? '' : `${number(limit)} `}${source} |`,
    );
  }
}
