// `npm run check`: the scripts `check:*` of package.json. Each uses one core, so as many run at once as there are cores, in
// their order there: the longest first. Prints what a check wrote as soon as it ends.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const env = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` };
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const waiting = Object.keys(scripts).filter((name) => name.startsWith('check:'));
const failed = [];
await Promise.all(Array.from({ length: availableParallelism() }, lane));
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.join(', ')}; each runs alone by npm run`);
  process.exitCode = 1;
}

async function lane() {
  for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
    const began = performance.now();
    const child = spawn(scripts[check], { shell: true, cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => output.push(bytes));
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) failed.push(check);
    const seconds = Math.round((performance.now() - began) / 1_000);
    console.log(`-- ${check}: ${code === 0 ? 'ok' : 'FAILED'}, ${seconds} s`);
    process.stdout.write(Buffer.concat(output));
  }
}
