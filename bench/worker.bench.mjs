// One worker in its steady state: the queue is full of `/bin/true`, 4 slots, no submission and no proof in the figure.
// `node bench/worker.bench.mjs [--small]`. BENCH_BEFORE=PATH/bin/batchctl.js measures another build in the same turns.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BATCHCTL, detail, inTurns, rateText, report, Scratch, SMALL, timed } from './measure.mjs';

const TASKS = SMALL ? 500 : 20_000;
const SLOTS = 4;
const JOB = JSON.stringify({
  name: 'bench',
  input: { split: { by: 'range', from: 1, to: TASKS } },
  steps: [{ name: 'work', run: ['/bin/true'] }],
});
/** Says what the process itself used, without its children. */
const USAGE = join(import.meta.dirname, 'peak-memory.mjs');

const scratch = new Scratch();
try {
  const before = process.env.BENCH_BEFORE;
  const found = await inTurns(SMALL ? 1 : 5, {
    batchctl: () => worker(BATCHCTL),
    ...(before && { before: () => worker(before) }),
    xargs: () => {
      const line = `seq ${TASKS} | xargs -P ${SLOTS} -I N /bin/true`;
      return perTask(timed(['sh', '-c', line], { cwd: scratch.workspace() }));
    },
  });
  for (const [name, { seconds, cpuMs, nodeMs }] of Object.entries(found)) {
    const node = nodeMs === undefined ? '' : `, of which Node ${nodeMs.toFixed(3)}`;
    detail(`${name.padEnd(8)} ${rateText(TASKS / seconds)}, ${cpuMs.toFixed(2)} ms of CPU a task${node}`);
  }
  const { batchctl, xargs } = found;
  report({
    what: `one worker, ${TASKS} x /bin/true, ${SLOTS} slots`,
    ours: `${rateText(TASKS / batchctl.seconds)}, Node ${batchctl.nodeMs.toFixed(2)} ms of CPU a task`,
    peer: `xargs ${rateText(TASKS / xargs.seconds)}`,
    goal: '2,200/s; Node at most 0.45 ms of CPU a task',
    met: TASKS / batchctl.seconds >= 2_200 && batchctl.nodeMs <= 0.45,
  });
} finally {
  scratch.remove();
}

function worker(program) {
  const cwd = scratch.workspace({ 'job.yaml': JOB });
  timed([process.execPath, program, 'submit', 'job.yaml', '--quiet'], { cwd });
  const usage = join(cwd, 'usage.json');
  const argv = ['--import', USAGE, program, 'worker', '--until-empty', '--slots', String(SLOTS), '--quiet'];
  const found = timed(['env', `BENCH_USAGE=${usage}`, process.execPath, ...argv], { cwd });
  return { ...perTask(found), nodeMs: (JSON.parse(readFileSync(usage, 'utf8')).cpu * 1_000) / TASKS };
}

function perTask({ seconds, cpu }) {
  return { seconds, cpuMs: (cpu / TASKS) * 1_000 };
}
