// How long batchctl takes to start, and to run a job of one task, compared with `node -e 0` on the same machine. `node
// bench/start-up.bench.mjs [--small]`. BENCH_BEFORE=PATH/bin/batchctl.js measures another build in the same turns.
import { BATCHCTL, batchctl, detail, inTurns, rangeJob, report, SMALL, timed, workspace } from './measure.mjs';

const done = workspace({ 'job.yaml': rangeJob(3, '/bin/true') });
timed(batchctl('run', 'job.yaml', '--quiet'), { cwd: done });
const fresh = () => workspace({ 'job.yaml': rangeJob(1, '/bin/true') });
const goals = [
  ['--version', 1.4],
  ['--help', 1.4],
  ['status last', 2],
  ['run job.yaml --quiet', 4.5],
];
const cwdOf = (name) => (name.startsWith('run') ? fresh() : done);
const programs = { batchctl: BATCHCTL, ...(process.env.BENCH_BEFORE && { before: process.env.BENCH_BEFORE }) };
const cases = { 'node -e 0': () => timed([process.execPath, '-e', '0'], { cwd: done }) };
for (const [name] of goals) {
  for (const [program, path] of Object.entries(programs)) {
    cases[`${program} ${name}`] = () => timed([process.execPath, path, ...name.split(' ')], { cwd: cwdOf(name) });
  }
}
const found = await inTurns(SMALL ? 5 : 41, cases);
const base = found['node -e 0'];
for (const [name, { seconds, cpu }] of Object.entries(found)) {
  const ofBase = `${(cpu / base.cpu).toFixed(2)} times`;
  detail(`${name.padEnd(30)} ${inMs(seconds)}, ${inMs(cpu)} of CPU: ${ofBase}`);
}
for (const [name, goal] of goals) {
  const { seconds } = found[`batchctl ${name}`];
  const times = seconds / base.seconds;
  report({
    what: `batchctl ${name}`,
    ours: inMs(seconds),
    peer: `node -e 0 ${inMs(base.seconds)}`,
    goal: `within ${goal} times (found ${times.toFixed(2)})`,
    met: times <= goal,
  });
}

function inMs(seconds) {
  return `${(seconds * 1_000).toFixed(0)} ms`;
}
