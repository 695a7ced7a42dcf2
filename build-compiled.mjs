// Writes dist/compiled.bin: the code that V8 compiled of what the most usual commands ran. They run here, on a job of a few tasks.
import { closeSync, fsyncSync, mkdtempSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { load, madeBy, scripts } from './bin/load.js';
import { CHUNK } from './build-commonjs.mjs';

const COMPILED = join(import.meta.dirname, 'dist/compiled.bin');

const COMMANDS = [
  ['--version'],
  ['--help'],
  ['run', 'job.yaml', '--run-key', 'one', '-o', 'out.txt'],
  ['run', 'job.yaml', '--run-key', 'one'],
  ['submit', 'job.yaml', '--json'],
  ['worker', '--until-empty'],
  ['wait', 'last'],
  ['status', 'last'],
  ['status', 'last', '--json'],
  ['jobs'],
  ['tasks', 'last'],
  ['verify', 'last'],
  ['fetch', 'last', '-o', 'again.txt'],
];
const FILES = {
  'batchctl.config.json': '{"profile":"local","profiles":{"local":{"backend":"local"}}}',
  'lines.txt': '1\n2\n3\n4\n',
  'job.yaml':
    'name: compiled\ninput: { from: lines.txt, split: { by: lines, every: 1 } }\nsteps:\n  - { name: one, run: [cat] }\n  - { name: all, gather: true, run: [cat] }\n',
};

/** Silent, at home in `cwd`, and deaf to signals. */
function ioIn(cwd) {
  const said = new PassThrough().resume();
  return {
    ...{ stdout: said, stderr: new PassThrough().resume(), stdin: new PassThrough().end() },
    env: { PATH: process.env.PATH, HOME: cwd },
    cwd,
    onInterrupt: () => () => undefined,
    exit: () => undefined,
  };
}

const cwd = mkdtempSync(join(tmpdir(), 'batchctl-build-'));
rmSync(COMPILED, { force: true });
try {
  process.chdir(cwd);
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(cwd, name), text);
  const { main } = load('main.js');
  for (const argv of COMMANDS) {
    const code = await main(argv, ioIn(cwd));
    if (code !== 0) throw new Error(`expected exit code 0 of batchctl ${argv.join(' ')}, found ${code}`);
  }
  write();
} finally {
  rmSync(cwd, { recursive: true, force: true });
}

/** Whole or not at all: V8 takes what it is given without looking at it. */
function write() {
  const places = {};
  const codes = [];
  let at = 0;
  for (const [name, script] of scripts) {
    // Other names stay when the text changes: code that was compiled of it could be another text's.
    if (!CHUNK.test(name)) continue;
    const code = script.createCachedData();
    places[name] = [at, code.length];
    codes.push(code);
    at += code.length;
  }
  const head = JSON.stringify({ format: 1, by: madeBy(), places });
  const file = openSync(`${COMPILED}.${process.pid}`, 'w');
  for (const bytes of [Buffer.from(String(head.length).padStart(10)), Buffer.from(head), ...codes])
    writeSync(file, bytes);
  fsyncSync(file);
  closeSync(file);
  renameSync(`${COMPILED}.${process.pid}`, COMPILED);
}
