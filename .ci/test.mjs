// Runs tests in parallel lanes: `node .ci/test.mjs SET [FILE...] [mocha's flags]`. A lane is a process that takes one file
// after the other, the slowest first. Sets: local (npm test), services, crash,
// grid, all. The file's name says which set it is in.
// BATCHCTL_TEST_LANES: how many lanes, 4 unless set. What each file took is left in .ci/artifacts/times-SET
// (seconds of the clock and of CPU); BATCHCTL_TEST_WEIGH=1 keeps it in .ci/weights.json for the next run.
// BATCHCTL_TEST_SUMMARY names a file to add `N N N` to: passed, failed, skipped.
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
// Leaves no process and no file behind, however the run ends.
import '../test/support/run/watched.mjs';

/** How the name of a file in a set ends. */
const SETS = {
  local: /(?<!\.services|\.crash|\.grid)\.test\.ts$/,
  services: /\.(services|each-way)\.test\.ts$/,
  crash: /\.crash\.test\.ts$/,
  grid: /\.grid\.test\.ts$/,
  all: /\.test\.ts$/,
};
/** Most tests wait for children, servers and clocks. */
const LANES = Number(process.env.BATCHCTL_TEST_LANES ?? 4);
/** A grid is eight busy machines by itself. */
const ALONE = 'grid';
/** Seconds: a file that takes less is not worth a line. */
const WORTH_WEIGHING = 1;

const root = join(import.meta.dirname, '..');
const weightsFile = join(root, '.ci/weights.json');
const weights = JSON.parse(readFileSync(weightsFile, 'utf8'));

const [set, ...given] = process.argv.slice(2);
if (!(set in SETS)) throw new Error(`expected one of ${Object.keys(SETS).join(', ')}, found "${set}"`);
// A flag's value, and whatever follows the first flag, is mocha's.
const firstFlag = given.findIndex((word) => word.startsWith('-'));
const named = firstFlag === -1 ? given : given.slice(0, firstFlag);
const flags = firstFlag === -1 ? [] : given.slice(firstFlag);

const files = named.length > 0 ? named : filesOf(set);
const lanes = set === ALONE ? 1 : Math.min(LANES, files.length);
const child = spawn(
  process.execPath,
  [
    'node_modules/mocha/bin/mocha.js',
    ...['--parallel', '--jobs', String(lanes), '--reporter', '.ci/reporter.cjs', ...flags, ...files],
  ],
  {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, BATCHCTL_TEST_SET: named.length > 0 ? 'all' : set },
  },
);
const code = await new Promise((resolve) => child.on('close', resolve));
const measured = readFileSync(join(process.env.BATCHCTL_TEST_RUN, 'times'), 'utf8').split('\n').filter(Boolean);
mkdirSync(join(root, '.ci/artifacts'), { recursive: true });
writeFileSync(join(root, '.ci/artifacts', `times-${set}`), `${measured.join('\n')}\n`);
if (process.env.BATCHCTL_TEST_WEIGH) weigh();
process.exitCode = code === 0 ? 0 : 1;

/** The files of a set, the slowest first. */
function filesOf(name) {
  return readdirSync(join(root, 'test'), { recursive: true })
    .filter((file) => SETS[name].test(file))
    .sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || (a < b ? -1 : 1))
    .map((file) => join('test', file));
}

function weigh() {
  for (const line of measured) {
    const [wall, , file] = line.split(' ');
    weights[file.slice('test/'.length)] = Math.round(Number(wall));
  }
  const there = new Set(filesOf('all').map((file) => file.slice('test/'.length)));
  const kept = Object.entries(weights).filter(([file, seconds]) => there.has(file) && seconds >= WORTH_WEIGHING);
  writeFileSync(weightsFile, `${JSON.stringify(Object.fromEntries(kept.sort()), null, 2)}\n`);
}
