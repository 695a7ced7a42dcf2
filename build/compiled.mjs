// Writes dist/compiled.bin: the code that V8 compiled while the most common commands ran. Runs them on a job of a few
// tasks.
import { once } from 'node:events';
import { closeSync, fsyncSync, mkdtempSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { load, madeBy, scripts } from '../bin/load.js';
import { CHUNK } from './commonjs.mjs';

const COMPILED = join(import.meta.dirname, '../dist/compiled.bin');

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

const cwd = mkdtempSync(join(tmpdir(), 'batchctl-build-'));
rmSync(COMPILED, { force: true });
try {
  process.chdir(cwd);
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(cwd, name), text);
  const { main } = load('main.js');
  const runAll = async (commands, env) => {
    for (const argv of commands) {
      const code = await main(argv, { ...ioIn(cwd), env: { PATH: process.env.PATH, HOME: cwd, ...env } });
      if (code !== 0) throw new Error(`expected exit code 0 of batchctl ${argv.join(' ')}, found ${code}`);
    }
  };
  await runAll(COMMANDS);
  await onAws((env) => runAll(ON_AWS, env));
  write();
} finally {
  rmSync(cwd, { recursive: true, force: true });
}

/** Calls `use` with the environment of a profile for which a local server replaces S3 and SQS. */
async function onAws(use) {
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
  const places = {};
  const codes = [];
  let at = 0;
  for (const [name, script] of scripts) {
    // Names without a hash stay the same when the code changes, so their compiled code could be outdated.
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
