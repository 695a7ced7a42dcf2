// One worker in its steady state: the queue is full of `/bin/true`, 4 slots, no submission and no proof in the figure;
// then 64 slots of `sleep 0.1`, which shows what one loop can keep busy.
// `node bench/worker.bench.mjs [--small]`. BENCH_BEFORE=PATH/bin/batchctl.js measures another build in the same turns.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BATCHCTL, detail, inTurns, rateText, report, Scratch, SMALL, timed } from './measure.mjs';

const TASKS = SMALL ? 500 : 20_000;
const SLOTS = 4;
const MANY_SLOTS = 64;
const jobOf = (tasks, ...run) =>
  JSON.stringify({
    name: 'bench',
    input: { split: { by: 'range', from: 1, to: tasks } },
    steps: [{ name: 'work', run }],
  });
const TRUE = { job: jobOf(TASKS, '/bin/true'), tasks: TASKS, slots: SLOTS };
const ASLEEP = SMALL ? 128 : 3_200;
const SLEEP = { job: jobOf(ASLEEP, '/bin/sleep', '0.1'), tasks: ASLEEP, slots: MANY_SLOTS };
/** Says what the process itself used, without its children. */
const USAGE = join(import.meta.dirname, 'peak-memory.mjs');

const scratch = new Scratch();
try {
  const before = process.env.BENCH_BEFORE;
  const found = await inTurns(SMALL ? 1 : 5, {
    batchctl: () => worker(BATCHCTL, TRUE),
    ...(before && { before: () => worker(before, TRUE) }),
    xargs: () => {
      const line = `seq ${TASKS} | xargs -P ${SLOTS} -I N /bin/true`;
      return perTask(timed(['sh', '-c', line], { cwd: scratch.workspace() }), TASKS);
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
  const asleep = await inTurns(SMALL ? 1 : 3, {
    batchctl: () => worker(BATCHCTL, SLEEP),
    ...(before && { before: () => worker(before, SLEEP) }),
    xargs: () => {
      const line = `seq ${ASLEEP} | xargs -P ${MANY_SLOTS} -I N /bin/sleep 0.1`;
      return perTask(timed(['sh', '-c', line], { cwd: scratch.workspace() }), ASLEEP);
    },
  });
  const most = MANY_SLOTS / 0.1;
  for (const [name, { seconds, cpuMs }] of Object.entries(asleep)) {
    const rate = ASLEEP / seconds;
    const busy = `${((rate / most) * 100).toFixed(0)} % of the ${most}/s that ${MANY_SLOTS} slots of sleep 0.1 allow`;
    detail(`${name.padEnd(8)} ${rateText(rate)}, ${busy}, ${cpuMs.toFixed(2)} ms of CPU a task`);
  }
} finally {
  scratch.remove();
}

function worker(program, { job, tasks, slots }) {
  const cwd = scratch.workspace({ 'job.yaml': job });
  timed([process.execPath, program, 'submit', 'job.yaml', '--quiet'], { cwd });
  const usage = join(cwd, 'usage.json');
  const argv = ['--import', USAGE, program, 'worker', '--until-empty', '--slots', String(slots), '--quiet'];
  const found = timed(['env', `BENCH_USAGE=${usage}`, process.execPath, ...argv], { cwd });
  return { ...perTask(found, tasks), nodeMs: (JSON.parse(readFileSync(usage, 'utf8')).cpu * 1_000) / tasks };
}

function perTask({ seconds, cpu }, tasks) {
  return { seconds, cpuMs: (cpu / tasks) * 1_000 };
}
