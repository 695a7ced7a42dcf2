// Runs every bench, one after another, and prints a table at the end: `npm run bench` (`npm run bench -- --small` in
// CI). Fails only if a bench fails: a goal missed on a busy machine is a figure, not a fault.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const HERE = import.meta.dirname;
const directory = mkdtempSync(join(tmpdir(), 'batchctl-benches-'));
const file = join(directory, 'report');
writeFileSync(file, '');
const failed = [];
for (const bench of readdirSync(HERE).filter((name) => /[.]bench[.](mjs|ts)$/.test(name))) {
  console.log(`== ${bench}`);
  const argv = ['--import', 'tsx', join(HERE, bench), ...process.argv.slice(2)];
  const { status } = spawnSync(process.execPath, argv, {
    stdio: 'inherit',
    env: { ...process.env, BENCH_REPORT: file },
  });
  if (status !== 0) failed.push(bench);
}
const rows = readFileSync(file, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line));
rmSync(directory, { recursive: true });

const columns = ['what', 'ours', 'peer', 'goal', 'verdict'];
const width = (column) => Math.max(column.length, ...rows.map((row) => row[column].length));
const line = (row) => columns.map((column) => row[column].padEnd(width(column))).join(' | ');
console.log(`\n${line(Object.fromEntries(columns.map((column) => [column, column])))}`);
console.log(columns.map((column) => '-'.repeat(width(column))).join('-|-'));
for (const row of rows) console.log(line(row).trimEnd());
for (const bench of failed) console.error(`${bench} failed`);
if (failed.length > 0) process.exitCode = 1;
