// Runs all tests, two mocha processes side by side: most of them wait for servers, clocks and children. Each takes the next
// room of test/ as it ends one; what a room printed comes when it has ended. `npm test -- FILE...` runs just these files.
// BATCHCTL_TEST_SUMMARY names a file for `N N N`: passed, failed, skipped; `.failed` beside it says what failed. Under CI a
// skipped test is a failure.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// What is killed, or stopped by Ctrl-C, leaves nothing behind.
import '../test/support/run/watched.mjs';

const AT_ONCE = 2;
/** So many of the files that took longest are named at the end. */
const SLOWEST = 15;
/** The longest first. */
const ROOMS = {
  'e2e, g to z': /^e2e\/(?!the-grid)[g-z]/,
  'e2e, a to f': /^e2e\/[a-f]/,
  infra: /^infra\//,
  jobs: /^jobs\//,
  adapters: /^adapters\//,
  docs: /^docs\//,
  'the rest': /^(?!(e2e|infra|jobs|adapters|docs|worker|manager)\/)/,
};
/**
 * Then one after the other: eight busy workers leave no time for others, leases of a second are late on a busy machine, and
 * so are browsers and the bounds of a server that is flooded.
 */
const ALONE = { worker: /^worker\//, manager: /^manager\//, 'the grid': /^e2e\/the-grid/ };

const root = join(import.meta.dirname, '..');
const summaries = mkdtempSync(join(tmpdir(), 'batchctl-tests-'));

/** Runs files in a process of their own; one that dies without a word of its failures counts as a failure. */
async function run(room, files) {
  const summary = join(summaries, room.replaceAll(/\W/g, '-'));
  const child = spawn(
    process.execPath,
    ['node_modules/mocha/bin/mocha.js', '--reporter', '.ci/reporter.cjs', ...files],
    {
      cwd: root,
      env: { ...process.env, BATCHCTL_TEST_SUMMARY: summary },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  const [passed, failed, skipped] = countsIn(summary);
  failures.push(readIfThere(`${summary}.failed`));
  times.push(...readIfThere(`${summary}.times`).split('\n').filter(Boolean));
  for (const name of readIfThere(`${summary}.lacking`).split('\n').filter(Boolean)) lacking.add(name);
  const told = failed > 0 || (skipped > 0 && process.env.CI);
  return { said: Buffer.concat(said), passed, failed: code !== 0 && !told ? failed + 1 : failed, skipped };
}

function countsIn(summary) {
  const said = readIfThere(summary);
  return said === '' ? [0, 0, 0] : said.trim().split(' ').map(Number);
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const given = process.argv.slice(2);
const all = readdirSync(join(root, 'test'), { recursive: true }).filter((name) => name.endsWith('.test.ts'));
const roomsOf = (rooms) =>
  Object.entries(rooms).map(([room, names]) => [
    room,
    all
      .filter((name) => names.test(name))
      .sort()
      .map((name) => join('test', name)),
  ]);

const total = { passed: 0, failed: 0, skipped: 0 };
const failing = [];
/** What failed, a line each, as the reporter wrote it. */
const failures = [];
/** `WALL CPU FILE`, in seconds. */
const times = [];
/** Debian's packages for want of which tests were skipped. */
const lacking = new Set();

async function lane(waiting) {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [room, files] = next;
    const began = performance.now();
    console.log(`-- ${room}: ${files.length} files ...`);
    const { said, passed, failed, skipped } = await run(room, files);
    const seconds = Math.round((performance.now() - began) / 1_000);
    process.stdout.write(said);
    console.log(`-- ${room}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds}s`);
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
    if (failed > 0) failing.push(room);
  }
}

try {
  const together = given.length > 0 ? [['what was asked for', given]] : roomsOf(ROOMS);
  await Promise.all(Array.from({ length: AT_ONCE }, () => lane(together)));
  if (given.length === 0) await lane(roomsOf(ALONE));
} finally {
  rmSync(summaries, { recursive: true, force: true });
}
const { passed, failed, skipped } = total;
console.log('slowest files, in seconds of the clock and of CPU:');
for (const line of times.sort((a, b) => Number.parseFloat(b) - Number.parseFloat(a)).slice(0, SLOWEST))
  console.log(line);
if (failing.length > 0) console.log(`failures in: ${failing.join('; ')}`);
console.log(`${passed} passing, ${failed} failing, ${skipped} skipped`);
if (lacking.size > 0) console.log(`to run what was skipped: apt-get install ${[...lacking].sort().join(' ')}`);
const { BATCHCTL_TEST_SUMMARY: summary, CI } = process.env;
process.stdout.write(failures.join(''));
if (summary) {
  writeFileSync(summary, `${passed} ${failed} ${skipped}\n`);
  writeFileSync(`${summary}.failed`, failures.join(''));
}
process.exitCode = failed > 0 || (CI && skipped > 0) ? 1 : 0;
