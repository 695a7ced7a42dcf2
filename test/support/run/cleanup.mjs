// A separate process that outlives a test run. When its stdin ends, because the run ended in any way, it kills the processes
// that the run left, and removes the run's directory (its argument). Processes of the run have that directory in their
// environment, their arguments or their working directory.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { killProcessesOf } from './processes.mjs';

/** Milliseconds after which processes that can't be killed are left. */
const TIMEOUT = 20_000;

const [directory = ''] = process.argv.slice(2);
// An empty text occurs in every process.
if (!/^\/.*\/tests-\w{6}$/.test(directory)) throw new Error(`expected a test run's directory, found "${directory}"`);
process.stdin.resume();
await new Promise((resolve) => process.stdin.on('close', resolve));

await killProcessesOf(directory, TIMEOUT);
for (const at of mountsBelow()) spawnSync('umount', ['-l', at]);
rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });

/** Mount points below the directory, the deepest first. */
function mountsBelow() {
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return points.filter((at) => at.startsWith(`${directory}/`)).sort((a, b) => b.length - a.length);
}
