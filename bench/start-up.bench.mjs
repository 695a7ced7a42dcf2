// How long batchctl takes to start, against `node -e 0` on the same machine. `node bench/start-up.bench.mjs [--small]`
// Goals: --version and --help within 1.4 times; a local command that reads the configuration within 2.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const RUNS = process.argv.includes('--small') ? 5 : 41;
const cli = join(import.meta.dirname, '..', 'bin', 'batchctl.js');
const cases = {
  'node -e 0': ['-e', '0'],
  '--version': [cli, '--version'],
  '--help': [cli, '--help'],
  'init --help': [cli, 'init', '--help'],
  'config show': [cli, 'config', 'show', '--json'],
};

const cwd = mkdtempSync(join(tmpdir(), 'batchctl-start-up-'));
// Extra certificates are read at each start of Node 20: 40 ms that have nothing to do with us.
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
const times = new Map(Object.keys(cases).map((name) => [name, []]));
for (let run = 0; run < RUNS; run += 1) {
  // In turns, so that whatever else the machine does falls on all alike.
  for (const [name, args] of Object.entries(cases)) {
    const begun = performance.now();
    const { status } = spawnSync(process.execPath, args, { cwd, env: { ...env, HOME: cwd }, stdio: 'ignore' });
    if (status !== 0) throw new Error(`${name} ended with exit code ${status}`);
    times.get(name).push(performance.now() - begun);
  }
}
rmSync(cwd, { recursive: true });

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const base = median(times.get('node -e 0'));
for (const [name, values] of times) {
  const value = median(values);
  console.log(
    `${name.padEnd(12)} ${value.toFixed(1).padStart(6)} ms  ${(value / base).toFixed(2)} times  (best ${values[0].toFixed(1)} ms)`,
  );
}
