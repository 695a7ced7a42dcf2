// What all benches share: commands timed in turns, medians, and one report a goal.
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A small size, for CI: shows that a bench runs, and judges no goal. `--small` or BENCH_SMALL=1. */
export const SMALL = process.argv.includes('--small') || process.env.BENCH_SMALL === '1';

/** The program that is measured: the bundle, or what BENCH_BIN names. */
export const BATCHCTL = process.env.BENCH_BIN ?? join(import.meta.dirname, '..', 'bin', 'batchctl.js');

const CONFIG = { profile: 'local', profiles: { local: { backend: 'local', root: '.batchctl' } } };

// Extra certificates are read at each start of Node 20: 40 ms that have nothing to do with us.
const { NODE_EXTRA_CA_CERTS: _, ...inherited } = process.env;

/** What a measured command has: a home of its own, so that nobody's settings count. */
export const environment = (home) => ({ ...inherited, HOME: home, LC_ALL: 'C' });

/** Directories of one bench. All go when it ends, and none before: ext4 is slow to make files just after it deleted some. */
export class Scratch {
  #directory = mkdtempSync(join(tmpdir(), 'batchctl-bench-'));
  #count = 0;

  /** An empty directory with a configuration, and files if given: name to text. */
  workspace(files = {}) {
    this.#count += 1;
    const directory = join(this.#directory, String(this.#count));
    mkdirSync(directory);
    writeFileSync(join(directory, 'batchctl.config.json'), JSON.stringify(CONFIG));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    return directory;
  }

  remove() {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/**
 * Runs a command to its end: seconds of wall time, and of CPU with all that it waited for. Throws when it fails.
 * With `stdin`, that file is its input.
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

export const batchctl = (...args) => [process.execPath, BATCHCTL, ...args];

/** Runs each case so often, in turns, so that whatever else the machine does falls on all alike. Medians, by name. */
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
 * Says what was found: `ours` and `peer` are texts with their units, `goal` is a text, `met` whether it is met.
 * For run.mjs also as a line of JSON.
 */
export function report({ what, ours, peer, goal, met }) {
  const verdict = SMALL ? 'not judged at this size' : met ? 'met' : 'MISSED';
  console.log(`${what}: ${ours}; ${peer}; goal ${goal}: ${verdict}`);
  const file = process.env.BENCH_REPORT;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ what, ours, peer, goal, verdict })}\n`);
}

/** A line of figures, indented below what it belongs to. */
export function detail(text) {
  console.log(`  ${text}`);
}

export const secondsText = (value) => `${value.toFixed(value < 1 ? 3 : 2)} s`;
export const rateText = (value) => `${Math.round(value).toLocaleString('en')}/s`;
