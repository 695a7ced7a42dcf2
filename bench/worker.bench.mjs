// One worker in its steady state: the queue is full of `/bin/true`, 4 slots, no submission and no proof in the figure;
// then 64 slots of `sleep 0.1`, which shows what one loop can keep busy.
// `node bench/worker.bench.mjs [--small]`. BENCH_BEFORE=PATH/bin/batchctl.js measures another build in the same turns.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BATCHCTL, detail, inTurns, rangeJob, rateText, report, SMALL, timed, workspace } from './measure.mjs';

const TASKS = SMALL ? 500 : 20_000;
const SLOTS = 4;
const MANY_SLOTS = 64;
const TRUE = { run: ['/bin/true'], tasks: TASKS, slots: SLOTS };
const ASLEEP = SMALL ? 128 : 3_200;
const SLEEP = { run: ['/bin/sleep', '0.1'], tasks: ASLEEP, slots: MANY_SLOTS };
/** Records the resources that the process itself used, without its children. */
const USAGE = join(import.meta.dirname, 'peak-memory.mjs');

const found = await contest(SMALL ? 1 : 5, TRUE);
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
const asleep = await contest(SMALL ? 1 : 3, SLEEP);
const most = MANY_SLOTS / 0.1;
for (const [name, { seconds, cpuMs }] of Object.entries(asleep)) {
  const rate = ASLEEP / seconds;
  const busy = `${((rate / most) * 100).toFixed(0)} % of the ${most}/s that ${MANY_SLOTS} slots of sleep 0.1 allow`;
  detail(`${name.padEnd(8)} ${rateText(rate)}, ${busy}, ${cpuMs.toFixed(2)} ms of CPU a task`);
}

function contest(runs, load) {
  const { run, tasks, slots } = load;
  const before = process.env.BENCH_BEFORE;
  return inTurns(runs, {
    batchctl: () => worker(BATCHCTL, load),
    ...(before && { before: () => worker(before, load) }),
    xargs: () => {
      const line = `seq ${tasks} | xargs -P ${slots} -I N ${run.join(' ')}`;
      return perTask(timed(['sh', '-c', line], { cwd: workspace() }), tasks);
    },
  });
}

function worker(program, { run, tasks, slots }) {
  const cwd = workspace({ 'job.yaml': rangeJob(tasks, ...run) });
  timed([process.execPath, program, 'submit', 'job.yaml', '--quiet'], { cwd });
  const usage = join(cwd, 'usage.json');
  const argv = ['--import', USAGE, program, 'worker', '--until-empty', '--slots', String(slots), '--quiet'];
  const found = timed(['env', `BENCH_USAGE=${usage}`, process.execPath, ...argv], { cwd });
  return { ...perTask(found, tasks), nodeMs: (JSON.parse(readFileSync(usage, 'utf8')).cpu * 1_000) / tasks };
}

function perTask({ seconds, cpu }, tasks) {
  return { seconds, cpuMs: (cpu / tasks) * 1_000 };
}
