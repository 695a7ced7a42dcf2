// Runs tests in parallel lanes: `node .ci/test.mjs [--build] SET... [FILE...] [mocha's flags]`. A lane is a process that takes
// one file after the other, the slowest first. Sets: local (npm test), services, crash, all. The file's name says which set it is in.
// Several sets run together: while files of one wait, files of another compute. Where files are named, only those run.
// BATCHCTL_TEST_LANES: how many lanes; 10 for the local set alone, else 6. What each file took is left in .ci/artifacts/times-SET (seconds of the
// clock and of CPU); BATCHCTL_TEST_WEIGH=1 keeps it in .ci/weights.json for the next run.
// A test that fails beside others gets a second run, its file alone, and is listed if it then passes (docs/testing.md).
// BATCHCTL_TEST_SUMMARY names a file to add `N N N` to: passed, failed, skipped.
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
// Leaves no process and no file behind, however the run ends.
import '../test/support/run/watched.mjs';

/** How the name of a file in a set ends. */
const SETS = {
  local: /(?<!\.services|\.crash|\.grid)\.test\.ts$/,
  services: /\.(services|grid|each-way)\.test\.ts$/,
  crash: /\.crash\.test\.ts$/,
  all: /\.test\.ts$/,
};
/** A grid is eight busy machines by itself: only one of these files runs at a time (test/support/run/lane.mjs). */
const GRID = /\.grid\.test\.ts$/;
/** So many files at most run a second time: where more fail, something is broken. */
const SECOND_RUNS = 3;
/** Seconds: a file that takes less is not worth a line. */
const WORTH_WEIGHING = 1;

const root = join(import.meta.dirname, '..');
const weightsFile = join(root, '.ci/weights.json');
const weights = JSON.parse(readFileSync(weightsFile, 'utf8'));

const words = process.argv.slice(2);
/** Whether to build the program first. */
const BUILD = words[0] === '--build' && words.shift() !== undefined;
const sets = take((word) => word in SETS);
if (sets.length === 0) throw new Error(`expected one of ${Object.keys(SETS).join(', ')}, found "${words[0]}"`);
// A flag's value, and whatever follows the first flag, is mocha's.
const named = take((word) => !word.startsWith('-'));
/**
 * Six keep two cores busy: files wait for programs, servers and clocks. Those of the local set share no servers. Ten take no
 * longer, and get more of the cores where other programs compute.
 */
const LANES = Number(process.env.BATCHCTL_TEST_LANES ?? (sets.join() === 'local' ? 10 : 6));
/** Random tests of one run share a seed: a second run repeats what the first did. */
const seed = Date.now() % 100_000;
process.env.BATCHCTL_TEST_SEED ??= String(seed);
process.env.BATCHCTL_GRID_SEED ??= String(seed);
process.exitCode = 0;
if (BUILD) await buildAll();
if (named.length > 0) tell(await run(['all'], named), []);
else await runSets();

/** Takes words from the command line's beginning. */
function take(fits) {
  const end = words.findIndex((word) => !fits(word));
  return words.splice(0, end === -1 ? words.length : end);
}

/** Builds the program, and compiles the tests meanwhile: each alone leaves most of two cores idle. */
async function buildAll() {
  const compileTests = ['--expose-internals', 'test/support/run/typescript.mjs'];
  const codes = await Promise.all([['build/build.mjs'], compileTests].map((args) => exitCode(args, [2, 2])));
  if (codes.some((code) => code !== 0)) process.exit(1);
}

/** Runs a script of this project. `outputs` are where its stdout and stderr go. */
async function exitCode(args, outputs, env = process.env) {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', ...outputs], env });
  return new Promise((resolve) => child.on('close', resolve));
}

async function runSets() {
  const files = filesOf(sets);
  const results = await run(sets, files);
  tell(results, await runAgain(results));
  const measured = timesOf(files);
  mkdirSync(join(root, '.ci/artifacts'), { recursive: true });
  for (const set of sets) {
    const ofSet = measured.filter((line) => SETS[set].test(line));
    writeFileSync(join(root, '.ci/artifacts', `times-${set}`), `${ofSet.join('\n')}\n`);
  }
  if (process.env.BATCHCTL_TEST_WEIGH) weigh(measured);
  tellRequests();
}

/** How many kinds of requests to AWS were checked so far (test/support/run/aws-requests.mjs). */
function tellRequests() {
  const file = join(process.env.BATCHCTL_TEST_RUN, 'aws-requests');
  const kinds = [...new Set(readFileSync(file, { encoding: 'utf8', flag: 'a+' }).split('\n').filter(Boolean))];
  const services = new Map();
  for (const [service] of kinds.map((kind) => kind.split(' '))) services.set(service, (services.get(service) ?? 0) + 1);
  if (kinds.length === 0) return;
  const counts = [...services].sort().map(([service, count]) => `${service} ${count}`);
  console.log(`kinds of requests that keep to AWS's models: ${counts.join(', ')}`);
  writeFileSync(join(root, '.ci/artifacts/aws-requests'), `${kinds.sort().join('\n')}\n`);
}

/** Runs files in lanes. The results are those of .ci/reporter.cjs. */
async function run(of, files) {
  const { BATCHCTL_TEST_RUN: directory } = process.env;
  rmSync(join(directory, 'results'), { force: true });
  const lanes = Math.min(LANES, files.length);
  const code = await exitCode(
    [
      'node_modules/mocha/bin/mocha.js',
      // One lane is no pool of processes, and mocha would load its files by require(). It then ends by itself only without shared
      // servers.
      ...(lanes > 1 ? ['--parallel', '--jobs', String(lanes)] : ['--exit']),
      ...['--reporter', '.ci/reporter.cjs', ...words, ...files],
    ],
    ['inherit', 'inherit'],
    { ...process.env, BATCHCTL_TEST_SETS: of.join(' ') },
  );
  if (code !== 0) process.exitCode = 1;
  return JSON.parse(readFileSync(join(directory, 'results'), 'utf8'));
}

/**
 * Runs files in which a test failed a second time, each alone, and puts what comes of it into the results. Returns the tests
 * that failed only beside others. What the crash set finds is found: a kill or an accident hits a real window once in many runs.
 */
async function runAgain(results) {
  const files = [...new Set(results.failures.map(({ file }) => file))];
  if (files.length > SECOND_RUNS) return [];
  const unsteady = [];
  for (const file of files.filter((name) => existsSync(join(root, name)) && !SETS.crash.test(name))) {
    console.log(`\n== ${file} once more, alone`);
    const alone = await run(sets, [file]);
    if (alone.failures.length > 0) continue;
    unsteady.push(...results.failures.filter((failure) => failure.file === file));
    results.failures = results.failures.filter((failure) => failure.file !== file);
    results.passed[file] = alone.passed[file] ?? 0;
  }
  if (unsteady.length > 0 && results.failures.length === 0) process.exitCode = 0;
  return unsteady;
}

/** Says what failed, last, and adds it to BATCHCTL_TEST_SUMMARY. */
function tell({ passed, failures, skipped }, unsteady) {
  if (process.env.CI && skipped > 0) process.exitCode = 1;
  const texts = (tests) =>
    tests.map(({ file, title, head }) => `  ${head}\n    ${aloneCommand(file, title)}\n`).join('');
  if (unsteady.length > 0)
    console.log(`\nFailed beside other tests, passed alone; fix them all the same:\n${texts(unsteady)}`);
  if (failures.length > 0) console.log(`\nFailed, and how to run each alone:\n${texts(failures).trimEnd()}`);
  const { BATCHCTL_TEST_SUMMARY: summary } = process.env;
  if (!summary) return;
  const before = existsSync(summary) ? readFileSync(summary, 'utf8').trim().split(' ').map(Number) : [0, 0, 0];
  const all = Object.values(passed).reduce((sum, count) => sum + count, 0);
  writeFileSync(summary, `${[all, failures.length, skipped].map((count, at) => count + before[at]).join(' ')}\n`);
  const lines = (word, tests) => tests.map(({ title, head }) => `${word}: ${title}: ${head}\n`).join('');
  appendFileSync(
    `${summary}.failed`,
    lines('failed beside other tests, passed alone', unsteady) + lines('failed', failures),
  );
}

function aloneCommand(file, title) {
  return `npm test -- ${file} -f ${quoted(title.replace(/^".*?" hook.*? for "|"$/g, ''))}`;
}

/** As one word of a shell. */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The files of sets in the order in which lanes take them: the slowest first, a grid when the one before it should be done. */
function filesOf(names) {
  const files = readdirSync(join(root, 'test'), { recursive: true })
    .filter((file) => names.some((name) => SETS[name].test(file)))
    .sort((a, b) => weightOf(b) - weightOf(a) || (a < b ? -1 : 1));
  const [grids, others] = [files.filter((file) => GRID.test(file)), files.filter((file) => !GRID.test(file))];
  const lanes = Array.from({ length: LANES }, () => 0);
  const order = [];
  for (let gridsFreeAt = 0; order.length < files.length; ) {
    const now = Math.min(...lanes);
    const file = (gridsFreeAt <= now || others.length === 0 ? grids.shift() : undefined) ?? others.shift();
    const end = now + weightOf(file);
    if (GRID.test(file)) gridsFreeAt = end;
    lanes[lanes.indexOf(now)] = end;
    order.push(join('test', file));
  }
  return order;
}

function weightOf(file) {
  return weights[file] ?? 0;
}

/** The measured times of these files, a line each. */
function timesOf(files) {
  const times = readFileSync(join(process.env.BATCHCTL_TEST_RUN, 'times'), 'utf8').split('\n');
  return times.filter((line) => files.includes(line.split(' ')[2]));
}

function weigh(measured) {
  for (const line of measured) {
    const [wall, , file] = line.split(' ');
    weights[file.slice('test/'.length)] = Math.round(Number(wall));
  }
  const there = new Set(filesOf(['all']).map((file) => file.slice('test/'.length)));
  const kept = Object.entries(weights).filter(([file, seconds]) => there.has(file) && seconds >= WORTH_WEIGHING);
  writeFileSync(weightsFile, `${JSON.stringify(Object.fromEntries(kept.sort()), null, 2)}\n`);
}
