// Writes dist/compiled.bin: packs of the chunks that the most common commands load, and the code that V8 compiled while
// they ran. Runs them twice on a job of a few tasks: to see what each loads, and to compile it. Reads the chunks as ES
// modules from stdin, as JSON: name to text.
import { once } from 'node:events';
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { binaryId, load, modules, reset, scripts } from '../bin/load.js';
import { CHUNK } from './commonjs.mjs';
import { packsOf, packText } from './packs.mjs';

const COMPILED = join(import.meta.dirname, '../dist/compiled.bin');

const COMMANDS = [
  ['--version'],
  ['--help'],
  ['run', 'job.yaml'],
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
/**
 * Read-only commands, which should start fast. Packs keep separate compiled code for them, without functions that only
 * other commands call.
 */
const READ_COMMANDS = ['status', 'jobs', 'tasks'];
/** Runs until it is interrupted, which it is once it listens. */
const MANAGER = ['manager', '--listen', '127.0.0.1:0'];
/**
 * On AWS, the SDK makes up most of a start. The server here has a bucket without objects and a queue without messages.
 */
const ON_AWS = [['jobs'], ['worker', '--until-empty']];
const NO_OBJECTS = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
const FILES = {
  'batchctl.config.json': '{"profile":"local","profiles":{"local":{"backend":"local"}}}',
  'lines.txt': '1\n2\n3\n4\n',
  'job.yaml':
    'name: compiled\ninput: { from: lines.txt, split: { by: lines, every: 1 } }\nsteps:\n  - { name: one, run: [cat] }\n  - { name: all, gather: true, run: [cat] }\n',
};

/** An environment without output or signals, with `cwd` as home. */
function ioIn(cwd) {
  const said = new PassThrough().resume();
  return {
    ...{ stdout: said, stderr: new PassThrough().resume(), stdin: new PassThrough().end() },
    cwd,
    onInterrupt: () => () => undefined,
    exit: () => undefined,
  };
}

const texts = JSON.parse(readFileSync(0, 'utf8'));
rmSync(COMPILED, { force: true });
const cwd = mkdtempSync(join(tmpdir(), 'batchctl-build-'));
const packs = {};
try {
  process.chdir(cwd);
  const loaded = {};
  await runAll((name) => {
    loaded[name] ??= new Set([...modules.keys()].filter((file) => CHUNK.test(file)));
    reset();
  });
  for (const [name, chunks] of Object.entries(packsOf(loaded))) {
    packs[name] = { chunks, text: await packText(chunks, texts), looks: Buffer.alloc(0) };
  }
  write();
  for (const argv of COMMANDS) if (READ_COMMANDS.includes(argv[0])) await run(argv);
  for (const [name, pack] of Object.entries(packs)) pack.looks = codeOf(name);
  await runAll();
  write();
} finally {
  process.chdir('/');
  rmSync(cwd, { recursive: true, force: true });
}

/** Runs all commands, in an empty directory. Calls `onRun` after each with the first word of its command line. */
async function runAll(onRun = () => undefined) {
  for (const name of readdirSync(cwd)) rmSync(join(cwd, name), { recursive: true });
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(cwd, name), text);
  for (const argv of COMMANDS) {
    await run(argv);
    onRun(argv[0]);
  }
  await runManager();
  onRun('manager');
  await withFakeAws(async (env) => {
    for (const argv of ON_AWS) await run(argv, env);
    onRun('on AWS');
  });
  writeFileSync('batchctl.config.json', FILES['batchctl.config.json']);
}

async function run(argv, env) {
  const io = { ...ioIn(cwd), env: { PATH: process.env.PATH, HOME: cwd, ...env } };
  let said = '';
  io.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const code = await load('main.js').main(argv, io);
  if (code !== 0) throw new Error(`expected exit code 0 of batchctl ${argv.join(' ')}, found ${code}\n${said}`);
}

async function runManager() {
  const io = { ...ioIn(cwd), env: { PATH: process.env.PATH, HOME: cwd } };
  let said = '';
  let interrupt;
  io.stderr.on('data', (chunk) => {
    said += chunk;
    if (/listening at/.test(said)) interrupt?.('SIGINT');
  });
  io.onInterrupt = (callback) => {
    interrupt = callback;
    return () => undefined;
  };
  await load('main.js').main(MANAGER, io);
  if (!/listening at/.test(said)) throw new Error(`expected a manager that listens, found: ${said}`);
}

/** Calls `use` with the environment of a profile for which a local server replaces S3 and SQS. */
async function withFakeAws(use) {
  const server = createServer((request, answer) => {
    const action = request.headers['x-amz-target']?.split('.')[1];
    const said = { 'content-type': action === undefined ? 'application/xml' : 'application/x-amz-json-1.0' };
    request.resume().on('end', () => {
      if (action === 'GetQueueUrl') answer.end(`{"QueueUrl":"http://${request.headers.host}/123456789012/none"}`);
      else if (action !== undefined) answer.end('{}');
      else if (request.method === 'PUT') answer.end();
      else if (request.url.includes('list-type=')) answer.writeHead(200, said).end(NO_OBJECTS);
      else answer.writeHead(404, said).end('<Error><Code>NoSuchKey</Code></Error>');
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${server.address().port}`;
  const places = { region: 'us-east-1', account: '123456789012', stack: 'none', bucket: 'none' };
  const cloud = { backend: 'aws', ...places, endpoints: { s3: url, sqs: url } };
  writeFileSync('batchctl.config.json', JSON.stringify({ profile: 'cloud', profiles: { cloud } }));
  // The SDK reads these from the process. The builder's own settings must not apply.
  for (const name of Object.keys(process.env)) if (/^AWS_|_PROXY$/i.test(name)) delete process.env[name];
  Object.assign(process.env, { HOME: cwd, AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'none' });
  try {
    await use({ BATCHCTL_PROFILE: 'cloud', AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Writes the file atomically, because V8 doesn't validate what it is given. */
function write() {
  const pieces = [];
  let at = 0;
  const place = (bytes) => {
    pieces.push(bytes);
    at += bytes.length;
    return [at - bytes.length, bytes.length];
  };
  const places = {};
  for (const name of scripts.keys()) {
    // Names without a hash stay the same when the code changes, so their compiled code could be outdated.
    if (CHUNK.test(name)) places[name] = place(codeOf(name));
  }
  const packed = {};
  for (const [name, { chunks, text, looks }] of Object.entries(packs)) {
    // Read as UTF-8, ASCII takes three times as long.
    const encoding = /[^\0-\x7f]/.test(text) ? 'utf8' : 'latin1';
    const [from, code] = [place(Buffer.from(text, encoding)), place(codeOf(name))];
    packed[name] = { chunks, encoding, text: from, code, looks: place(looks) };
  }
  const head = JSON.stringify({ format: 1, by: binaryId(), places, looks: READ_COMMANDS, packs: packed });
  const file = openSync(`${COMPILED}.${process.pid}`, 'w');
  for (const bytes of [Buffer.from(String(head.length).padStart(10)), Buffer.from(head), ...pieces])
    writeSync(file, bytes);
  fsyncSync(file);
  closeSync(file);
  renameSync(`${COMPILED}.${process.pid}`, COMPILED);
}

function codeOf(name) {
  return scripts.get(name)?.createCachedData() ?? Buffer.alloc(0);
}
