// A process of its own that outlives a test run, however that ends: at the end of stdin, which only the run holds, it kills
// all that the run left, and removes the run's directory (its argument). What belongs to the run is known by that directory,
// which stands in the environment, the arguments or the working directory of all that tests start.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { killProcessesOf } from './processes.mjs';

/** Milliseconds after which what can't be killed is left. */
const PATIENCE = 20_000;

const [directory = ''] = process.argv.slice(2);
// Any process names an empty one.
if (!/^\/.*\/tests-\w{6}$/.test(directory)) throw new Error(`expected a test run's directory, found "${directory}"`);
process.stdin.resume();
await new Promise((resolve) => process.stdin.on('close', resolve));

await killProcessesOf(directory, PATIENCE);
for (const at of mountsBelow()) spawnSync('umount', ['-l', at]);
rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });

/** The deepest first. */
function mountsBelow() {
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return points.filter((at) => at.startsWith(`${directory}/`)).sort((a, b) => b.length - a.length);
}
