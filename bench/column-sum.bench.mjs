// A real map: awk sums a column of a CSV file in 1,000 tasks, with ledger, published outputs and proof. `node
// bench/column-sum.bench.mjs [--small]`; needs GNU parallel. 2 GiB, or 64 MiB in 100 tasks.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchCsv } from './make-csv.mjs';
import { batchctl, detail, inTurns, report, SMALL, secondsText, timed, workspace } from './measure.mjs';

const BYTES = SMALL ? 2 ** 26 : 2 ** 31;
const TASKS = SMALL ? 100 : 1_000;
const SUM = '{ sum += $4 } END { printf "%.2f\\n", sum }';
const JOIN = '{ sum += $1 } END { printf "%.2f\\n", sum }';

/** Relative tolerance of a sum: the order of floating-point additions changes only digits below it. */
const CLOSE = 1e-9;

const csv = benchCsv(BYTES);
const block = Math.ceil(BYTES / TASKS);
const job = JSON.stringify({
  name: 'column-sum',
  input: { from: csv, split: { by: 'csv', size: `${block}B` } },
  steps: [{ name: 'sum', run: ['awk', '-F', ',', SUM] }],
});

const sums = [];
const found = await inTurns(SMALL ? 1 : 3, {
  batchctl: () => {
    const cwd = workspace({ 'job.json': job });
    const result = timed(batchctl('run', 'job.json', '--quiet', '-o', 'sums.txt'), { cwd });
    sums.push(total(readFileSync(join(cwd, 'sums.txt'), 'utf8')));
    return result;
  },
  awk: () => {
    const cwd = workspace();
    const result = timed(['awk', '-F', ',', SUM, csv], { cwd });
    sums.push(total(readFileSync(join(cwd, 'stdout.txt'), 'utf8')));
    return result;
  },
  parallel: () => {
    const line = `parallel -a '${csv}' --pipepart --block ${block} --joblog joblog awk -F, "'${SUM}'" | awk '${JOIN}'`;
    return timed(['bash', '-c', line], { cwd: workspace() });
  },
});
const [least, most] = [Math.min(...sums), Math.max(...sums)];
if (most - least > most * CLOSE) throw new Error(`batchctl and awk disagree: ${least} and ${most}`);
for (const [name, { seconds, cpu }] of Object.entries(found)) {
  detail(`${name.padEnd(8)} ${secondsText(seconds)}, ${secondsText(cpu)} of CPU`);
}
const times = found.batchctl.seconds / found.awk.seconds;
report({
  what: `column of ${BYTES / 2 ** 20} MiB summed in ${TASKS} tasks`,
  ours: secondsText(found.batchctl.seconds),
  peer: `one awk ${secondsText(found.awk.seconds)}, GNU parallel ${secondsText(found.parallel.seconds)}`,
  goal: `3.0 s, or 0.95 of one awk (found ${times.toFixed(2)})`,
  met: found.batchctl.seconds <= 3 || times <= 0.95,
});

function total(lines) {
  return lines
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number(line), 0);
}
