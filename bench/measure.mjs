// Shared by all benches: times commands in turns, computes medians, and prints one report per goal.
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A small size for CI: shows that a bench runs, without judging goals. `--small` or BENCH_SMALL=1. */
export const SMALL = process.argv.includes('--small') || process.env.BENCH_SMALL === '1';

/** The program to measure: the bundle, or the one that BENCH_BIN names. */
export const BATCHCTL = process.env.BENCH_BIN ?? join(import.meta.dirname, '..', 'bin', 'batchctl.js');

const CONFIG = { profile: 'local', profiles: { local: { backend: 'local', root: '.batchctl' } } };

// Node 20 reads extra certificates at each start, which takes 40 ms and would distort the figures.
const { NODE_EXTRA_CA_CERTS: _, ...inherited } = process.env;

/** The environment of a measured command: its own home, so that no user's settings apply. */
export const environment = (home) => ({ ...inherited, HOME: home, LC_ALL: 'C' });

const directories = mkdtempSync(join(tmpdir(), 'batchctl-bench-'));
let count = 0;
// Deleted only at the end, because ext4 creates files slowly just after deleting some.
process.on('exit', () => rmSync(directories, { recursive: true, force: true }));

/** Makes a directory with a configuration, and with files if given: name to text. */
export function workspace(files = {}) {
  count += 1;
  const directory = join(directories, String(count));
  mkdirSync(directory);
  writeFileSync(join(directory, 'batchctl.config.json'), JSON.stringify(CONFIG));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

/**
 * Runs a command to its end. Returns its wall seconds, and the CPU seconds of it and of the children it waited for.
 * Throws if it fails. `stdin` names a file for its input.
 */
export function timed(argv, { cwd, stdin = '/dev/null' }) {
  const script =
    'TIMEFORMAT="%R %U %S"; exec 3>&2; { time "$@" <"$stdin" >stdout.txt 2>stderr.txt; } 2>&3; echo "code $?" >&3';
  const { stderr } = spawnSync('bash', ['-c', script, 'bench', ...argv], {
    cwd,
    env: { ...environment(cwd), stdin },
    encoding: 'utf8',
  });
  const found = /([\d.]+) ([\d.]+) ([\d.]+)\ncode (\d+)\n$/.exec(stderr);
  if (found?.[4] !== '0') {
    throw new Error(`${argv.join(' ')} failed: ${stderr}\n${readFileSync(join(cwd, 'stderr.txt'), 'utf8')}`);
  }
  return { seconds: Number(found[1]), cpu: Number(found[2]) + Number(found[3]) };
}

/** A job file with `tasks` tasks that all run one command. */
export const rangeJob = (tasks, ...run) =>
  JSON.stringify({
    name: 'bench',
    input: { split: { by: 'range', from: 1, to: tasks } },
    steps: [{ name: 'work', run }],
  });

export const batchctl = (...args) => [process.execPath, BATCHCTL, ...args];

/**
 * Runs each case `runs` times, in turns, so that other load on the machine affects all alike. Returns medians by name.
 */
export async function inTurns(runs, cases) {
  const results = new Map(Object.keys(cases).map((name) => [name, []]));
  for (let run = 0; run < runs; run += 1) {
    for (const [name, measure] of Object.entries(cases)) results.get(name).push(await measure());
  }
  return Object.fromEntries(
    [...results].map(([name, all]) => [
      name,
      Object.fromEntries(Object.keys(all[0]).map((figure) => [figure, median(all.map((one) => one[figure]))])),
    ]),
  );
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/**
 * Prints a result: `ours` and `peer` are texts with units, `goal` is a text, `met` says whether it was reached. Also
 * writes a line of JSON for run.mjs.
 */
export function report({ what, ours, peer, goal, met }) {
  const verdict = SMALL ? 'not judged at this size' : met ? 'met' : 'MISSED';
  console.log(`${what}: ${ours}; ${peer}; goal ${goal}: ${verdict}`);
  const file = process.env.BENCH_REPORT;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ what, ours, peer, goal, verdict })}\n`);
}

/** A line of figures, indented below its result. */
export function detail(text) {
  console.log(`  ${text}`);
}

export const secondsText = (value) => `${value.toFixed(value < 1 ? 3 : 2)} s`;
export const rateText = (value) => `${Math.round(value).toLocaleString('en')}/s`;
