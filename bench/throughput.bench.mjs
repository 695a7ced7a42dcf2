// Whole commands, including start-up: tasks that do nothing, tasks that sleep 20 ms, and a finished job run again.
// `node bench/throughput.bench.mjs [--small]`; needs GNU parallel. Only batchctl publishes outputs and verifies them.
import { availableParallelism } from 'node:os';
import {
  batchctl,
  detail,
  inTurns,
  rangeJob,
  rateText,
  report,
  SMALL,
  secondsText,
  timed,
  workspace,
} from './measure.mjs';

const TASKS = SMALL ? 200 : 2_000;
const RUNS = SMALL ? 1 : 3;
const SLEEPERS = 8;
const processors = availableParallelism();

await nothing();
await sleeping();
await finished();

async function nothing() {
  const found = await inTurns(RUNS, contest(['/bin/true'], 2 * processors));
  printFigures('true', found);
  const rate = TASKS / found.batchctl.seconds;
  const times = found.parallel.seconds / found.batchctl.seconds;
  report({
    what: `${TASKS} x /bin/true, ${2 * processors} at once`,
    ours: rateText(rate),
    peer: `GNU parallel --joblog ${rateText(TASKS / found.parallel.seconds)}, xargs ${rateText(TASKS / found.xargs.seconds)}`,
    goal: `4 times parallel (found ${times.toFixed(1)})`,
    met: times >= 4,
  });
}

async function sleeping() {
  const found = await inTurns(SMALL ? 1 : 3, contest(['/bin/sleep', '0.02'], SLEEPERS));
  printFigures('20 ms', found);
  const times = found.batchctl.seconds / found.xargs.seconds;
  report({
    what: `${TASKS} x 20 ms, ${SLEEPERS} at once`,
    ours: secondsText(found.batchctl.seconds),
    peer: `xargs ${secondsText(found.xargs.seconds)}, GNU parallel ${secondsText(found.parallel.seconds)}`,
    goal: `within 1.07 of xargs (found ${times.toFixed(2)})`,
    met: times <= 1.07,
  });
}

/** Repeats a command with its run key: it prints the answer and runs nothing. */
async function finished() {
  const cwd = workspace({ 'job.yaml': rangeJob(TASKS, '/bin/true') });
  const run = batchctl('run', 'job.yaml', '--run-key', 'bench', '--quiet');
  timed(run, { cwd });
  const parallel = parallelOf(['/bin/true'], processors, ['--resume']);
  timed(parallel, { cwd });
  const found = await inTurns(SMALL ? 3 : 9, {
    batchctl: () => timed(run, { cwd }),
    parallel: () => timed(parallel, { cwd }),
  });
  report({
    what: `finished job of ${TASKS} run again`,
    ours: secondsText(found.batchctl.seconds),
    peer: `GNU parallel --resume ${secondsText(found.parallel.seconds)}`,
    goal: '0.15 s',
    met: found.batchctl.seconds <= 0.15,
  });
}

function contest(command, slots) {
  return {
    batchctl: () => {
      const cwd = workspace({ 'job.yaml': rangeJob(TASKS, ...command) });
      return timed(batchctl('run', 'job.yaml', '--slots', String(slots), '--quiet'), { cwd });
    },
    parallel: () => timed(parallelOf(command, slots, []), { cwd: workspace() }),
    xargs: () => {
      const line = `seq ${TASKS} | xargs -P ${slots} -I N ${command.join(' ')}`;
      return timed(['sh', '-c', line], { cwd: workspace() });
    },
  };
}

function parallelOf(command, slots, flags) {
  const line = `seq ${TASKS} | parallel -j ${slots} --joblog joblog ${flags.join(' ')} '${command.join(' ')} # {}'`;
  return ['sh', '-c', line];
}

function printFigures(what, found) {
  for (const [name, { seconds, cpu }] of Object.entries(found)) {
    detail(
      `${what}: ${name.padEnd(8)} ${secondsText(seconds)}, ${((cpu / TASKS) * 1_000).toFixed(2)} ms of CPU a task`,
    );
  }
}
