// Commands on finished jobs of few and of very many tasks: `node bench/million.bench.mjs [--small|--full]`. Sizes are
// 1,000, 10,000 and 100,000 tasks; 200 and 1,000 (--small); or 1,000, 100,000 and 1,000,000 (--full: an hour, 15 GB of
// disk). The goals cover what must not depend on the size: the time of `status`, and each command's peak memory.
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BATCHCTL, detail, environment, inTurns, report, SMALL, secondsText, workspace } from './measure.mjs';

const FULL = process.argv.includes('--full');
const SIZES = SMALL ? [200, 1_000] : FULL ? [1_000, 100_000, 1_000_000] : [1_000, 10_000, 100_000];
const MAKER = join(import.meta.dirname, 'million-job.ts');
const MEMORY = join(import.meta.dirname, 'peak-memory.mjs');
/** Memory is flat if the largest job's peak is at most `times` the peak of the one before, plus `more` bytes. */
const FLAT = { times: 1.25, more: 32 * 2 ** 20 };

/** Ordered: the last ones change the job. `made` names a file whose size is reported. */
const VERBS = [
  { name: 'status', argv: ['status', 'last'] },
  { name: 'jobs', argv: ['jobs'] },
  { name: 'tasks --limit 20', argv: ['tasks', 'last', '--limit', '20'] },
  { name: 'failures', argv: ['failures', 'last'] },
  { name: 'why', argv: ['why', 'last'], codes: [0, 11] },
  { name: 'report', argv: ['report', 'last'] },
  { name: 'report, html', argv: ['report', 'last', '--format', 'html', '-o', 'report.html'], made: 'report.html' },
  { name: 'fetch -o FILE', argv: ['fetch', 'last', '--step', 'price', '-o', 'all.csv'], made: 'all.csv' },
  { name: 'fetch -o DIR/', argv: ['fetch', 'last', '--step', 'price', '-o', 'outputs/'] },
  { name: 'verify', argv: ['verify', 'last'] },
  { name: 'verify -o FILE', argv: ['verify', 'last', '-o', 'proof.ndjson'], made: 'proof.ndjson' },
  { name: 'verify --check', argv: ['verify', '--check', 'proof.ndjson'] },
  { name: 'ledger rebuild', argv: ['ledger', 'rebuild'] },
  { name: 'prune', argv: ['prune', '--all', '--yes'] },
];

const places = SIZES.map((tasks) => {
  const cwd = workspace();
  const { seconds } = JSON.parse(run(['--import', 'tsx', MAKER, cwd, String(tasks)], cwd, [0], import.meta.dirname));
  detail(`${tasks.toLocaleString('en')} tasks made in ${secondsText(seconds)}`);
  return { tasks, cwd };
});
await judgeStatus(places);
const peaks = [];
for (const verb of VERBS) {
  const found = places.map(({ tasks, cwd }) => ({ tasks, ...measure(verb, cwd) }));
  for (const { tasks, seconds, cpu, peak, bytes } of found) {
    const made = bytes === null ? '' : `, ${megabytes(bytes)}`;
    const figures = `${secondsText(seconds)}, ${secondsText(cpu)} of CPU, ${megabytes(peak)} at most${made}`;
    detail(`${verb.name.padEnd(17)} ${tasks.toLocaleString('en').padStart(9)} tasks: ${figures}`);
  }
  const [before, last] = [found.at(-2).peak, found.at(-1).peak];
  peaks.push({ name: verb.name, before, last, left: before * FLAT.times + FLAT.more - last });
}
judgeMemory(places, peaks);

/** Times `status` in turns, without a shell and without measuring memory. */
async function judgeStatus(places) {
  const [small, large] = [places[0], places.at(-1)];
  const timed = ({ cwd }) => {
    const begun = performance.now();
    run([BATCHCTL, 'status', 'last'], cwd, [0]);
    return { seconds: (performance.now() - begun) / 1_000 };
  };
  const found = await inTurns(SMALL ? 3 : 21, { small: () => timed(small), large: () => timed(large) });
  const times = found.large.seconds / found.small.seconds;
  report({
    what: `status of ${large.tasks.toLocaleString('en')} tasks`,
    ours: secondsText(found.large.seconds),
    peer: `of ${small.tasks.toLocaleString('en')} ${secondsText(found.small.seconds)}`,
    goal: `within 1.2 times (found ${times.toFixed(2)})`,
    met: times <= 1.2,
  });
}

/** Reports the command closest to its memory limit, or furthest beyond it. */
function judgeMemory(places, peaks) {
  const [worst] = peaks.toSorted((a, b) => a.left - b.left);
  const [before, last] = [places.at(-2).tasks.toLocaleString('en'), places.at(-1).tasks.toLocaleString('en')];
  report({
    what: `memory of each verb, ${last} tasks`,
    ours: `most growth: ${worst.name} ${megabytes(worst.last)}`,
    peer: `of ${before} ${megabytes(worst.before)}`,
    goal: `${FLAT.times} times and ${megabytes(FLAT.more)} more`,
    met: worst.left >= 0,
  });
}

function measure({ argv, codes = [0], made }, cwd) {
  const usage = join(cwd, 'usage.json');
  const begun = performance.now();
  run(['--import', MEMORY, BATCHCTL, ...argv], cwd, codes, cwd, { BENCH_USAGE: usage });
  const seconds = (performance.now() - begun) / 1_000;
  const bytes = made === undefined ? null : statSync(join(cwd, made)).size;
  return { seconds, ...JSON.parse(readFileSync(usage, 'utf8')), bytes };
}

/** Runs Node in `from` (by default the workspace) and returns what it printed. */
function run(argv, cwd, codes, from = cwd, env = {}) {
  const options = { cwd: from, env: { ...environment(cwd), ...env }, encoding: 'utf8', maxBuffer: 2 ** 28 };
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (!codes.includes(status)) throw new Error(`${argv.join(' ')} ended with exit code ${status}: ${stderr}`);
  return stdout;
}

function megabytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MB`;
}
