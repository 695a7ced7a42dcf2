// Upload and download against moto on this machine: `node bench/s3.bench.mjs [--small]`. The peers are `aws s3 cp`,
// rclone, and a plain script on the SDK. Client and server share the processors, so only the ratios matter.
import { spawn, spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { batchctl, detail, environment, inTurns, report, SMALL, secondsText, workspace } from './measure.mjs';
import { bundleProbe, source } from './probe.mjs';
import { AWS_ENV, freePort, serves } from './server.mjs';

const LARGE = (SMALL ? 24 : 512) * 2 ** 20;
const FILES = SMALL ? 50 : 1_000;
const FILE = 64 * 2 ** 10;
const RUNS = SMALL ? 1 : 3;

const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const ENV = {
  ...AWS_ENV,
  AWS_DEFAULT_REGION: 'us-east-1',
  AWS_ENDPOINT_URL: url,
  // Useless without TLS, and rclone fails on it.
  AWS_CA_BUNDLE: undefined,
  RCLONE_CONFIG_BENCH_TYPE: 's3',
  RCLONE_CONFIG_BENCH_PROVIDER: 'Other',
  RCLONE_CONFIG_BENCH_ENV_AUTH: 'true',
  RCLONE_CONFIG_BENCH_ENDPOINT: url,
  RCLONE_CONFIG_BENCH_NO_CHECK_BUCKET: 'true',
};

/**
 * Uploads and downloads as a programmer would write them: several requests at once, bodies streamed from and to files.
 */
const PLAIN = await bundleProbe(
  's3-plain-probe',
  `
import { createReadStream, createWriteStream, mkdirSync, readdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand,
  S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
const [verb, path, Bucket, key] = process.argv.slice(2);
const client = new S3Client({ forcePathStyle: true });
const each = async (items, lanes, work) => {
  let next = 0;
  await Promise.all(Array.from({ length: lanes }, async () => {
    while (next < items.length) await work(items[next++]);
  }));
};
const get = async (Key, file) => {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  await pipeline(Body, createWriteStream(file));
};
if (verb === 'up' && statSync(path).isDirectory()) {
  await each(readdirSync(path), 16, (name) => client.send(new PutObjectCommand({
    Bucket, Key: key + name, Body: createReadStream(join(path, name)), ContentLength: statSync(join(path, name)).size })));
} else if (verb === 'up') {
  const PART = 8 * 2 ** 20;
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: key }));
  const Parts = [];
  const file = await open(path);
  const parts = Array.from({ length: Math.ceil(statSync(path).size / PART) }, (_, n) => n);
  await each(parts, 8, async (n) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(PART), 0, PART, n * PART);
    const part = { Bucket, Key: key, UploadId, PartNumber: n + 1, Body: buffer.subarray(0, bytesRead) };
    const { ETag, ChecksumCRC32 } = await client.send(new UploadPartCommand(part));
    Parts[n] = { ETag, PartNumber: n + 1, ...(ChecksumCRC32 && { ChecksumCRC32 }) };
  });
  await file.close();
  await client.send(new CompleteMultipartUploadCommand({ Bucket, Key: key, UploadId, MultipartUpload: { Parts } }));
} else if (key.endsWith('/')) {
  mkdirSync(path, { recursive: true });
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: key }));
  await each(Contents.map(({ Key }) => Key), 16, (Key) => get(Key, join(path, Key.slice(key.length))));
} else await get(key, path);
process.exit(0);
`,
);
/**
 * batchctl has no command that downloads raw data, so this reads from the adapter and writes files as `fetch` does,
 * without its checks.
 */
const OURS = await bundleProbe(
  's3-ours-probe',
  `
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AwsClients } from '${source('adapters/aws/clients.ts')}';
import { createS3Store } from '${source('adapters/aws/s3-store.ts')}';
import { SMALL, writeChunks } from '${source('jobs/fetch/verified.ts')}';
import { eachParallel } from '${source('lib/parallel.ts')}';
const [path, bucket, key, endpoint] = process.argv.slice(2);
const clients = new AwsClients({ region: 'us-east-1', profile: null, account: null, endpoints: { s3: endpoint } });
const store = await createS3Store({ clients, bucket, prefix: '', kmsKey: null });
const get = async ({ key: from, size }, file) => {
  if (size <= SMALL) writeFileSync(file, await store.read(from));
  else await writeChunks(file, (await store.get(from)).body);
};
if (key.endsWith('/')) {
  mkdirSync(path, { recursive: true });
  const objects = [];
  for await (const object of store.list(key)) objects.push(object);
  await eachParallel(objects, 16, (object) => get(object, join(path, object.key.slice(key.length))));
} else await get({ key, size: SMALL + 1 }, path);
process.exit(0);
`,
);

/** Prints wall seconds, CPU seconds and peak memory of a command: those of its largest process, in megabytes. */
const MEASURE = `
import json, resource, subprocess, sys, time
began = time.monotonic()
code = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
seconds = time.monotonic() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({'code': code, 'seconds': seconds, 'cpu': used.ru_utime + used.ru_stime, 'peak': used.ru_maxrss / 1024}))
`;

const server = spawn('/usr/bin/moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
try {
  const profile = { backend: 'aws', region: 'us-east-1', bucket: 'bench', groups: { default: {} } };
  const config = { profile: 'bench', profiles: { bench: { ...profile, endpoints: { s3: url, sqs: url } } } };
  const cwd = workspace({ 'batchctl.config.json': JSON.stringify(config) });
  const large = join(cwd, 'large.bin');
  writeFileSync(large, randomFillSync(Buffer.alloc(LARGE)));
  const many = join(cwd, 'many');
  mkdirSync(many);
  for (let n = 0; n < FILES; n += 1)
    writeFileSync(join(many, `${n}`.padStart(4, '0')), randomFillSync(Buffer.alloc(FILE)));
  await serves(`${url}/moto-api/`, server);
  await fetch(`${url}/bench`, { method: 'PUT' });

  let names = 0;
  const name = (what) => {
    names += 1;
    return `${what}-${names}`;
  };
  const use = (argv) => clientUsage(argv, cwd);
  // moto keeps everything in memory, so each round starts without objects.
  const clear = async () => {
    await fetch(`${url}/moto-api/reset`, { method: 'POST' });
    await fetch(`${url}/bench`, { method: 'PUT' });
  };
  const contest = (commands, prepare = async () => undefined) =>
    inTurns(
      RUNS,
      Object.fromEntries(
        Object.entries(commands).map(([client, argv]) => [client, () => prepare().then(() => use(argv()))]),
      ),
    );
  const file = {
    what: `${LARGE / 2 ** 20} MiB`,
    path: large,
    end: '',
    recursive: [],
    verb: 'copyto',
    goal: { text: 'ahead of aws s3 cp in wall', peers: ['aws'], figures: ['seconds'] },
  };
  const directory = {
    what: `${FILES.toLocaleString('en')} x 64 KiB`,
    path: many,
    end: '/',
    recursive: ['--recursive'],
    verb: 'copy',
    goal: {
      text: 'ahead of aws s3 cp in wall and CPU, level with rclone',
      peers: ['aws', 'rclone'],
      figures: ['seconds', 'cpu'],
    },
  };
  for (const { what, path, end, recursive, verb, goal } of [file, directory]) {
    const uploads = {
      ours: () => batchctl('upload', path, '--to', name('up'), '--quiet'),
      aws: () => ['/usr/bin/aws', 's3', 'cp', '--quiet', ...recursive, path, `s3://bench/${name('aws')}${end}`],
      rclone: () => ['rclone', verb, path, `bench:bench/${name('rclone')}`],
      sdk: () => [process.execPath, PLAIN, 'up', path, 'bench', `${name('sdk')}${end}`],
    };
    compare(`upload ${what}`, await contest(uploads, clear), goal);
  }
  for (const { what, path, end, recursive, verb, goal } of [file, directory]) {
    await clear();
    use(['rclone', verb, path, 'bench:bench/source']);
    const target = () => join(cwd, name('got'));
    const downloads = {
      ours: () => [process.execPath, OURS, target(), 'bench', `source${end}`, url],
      aws: () => ['/usr/bin/aws', 's3', 'cp', '--quiet', ...recursive, `s3://bench/source${end}`, target()],
      rclone: () => ['rclone', verb, 'bench:bench/source', target()],
      sdk: () => [process.execPath, PLAIN, 'down', target(), 'bench', `source${end}`],
    };
    compare(`download ${what}`, await contest(downloads), goal);
  }
} finally {
  server.kill('SIGKILL');
}

/** rclone counts as matched within 10%. */
function compare(what, found, goal) {
  for (const [name, { seconds, cpu, peak }] of Object.entries(found)) {
    detail(`${what}, ${name}: ${secondsText(seconds)}, ${secondsText(cpu)} of CPU, ${peak.toFixed(0)} MB at most`);
  }
  const ahead = (peer, figure) => found.ours[figure] <= found[peer][figure] * (peer === 'rclone' ? 1.1 : 1);
  const text = ({ seconds, cpu }) => `${secondsText(seconds)} (CPU ${secondsText(cpu)})`;
  report({
    what,
    ours: text(found.ours),
    peer: Object.keys(found)
      .filter((name) => name !== 'ours')
      .map((name) => `${name} ${text(found[name])}`)
      .join(', '),
    goal: goal.text,
    met: goal.peers.every((peer) => goal.figures.every((figure) => ahead(peer, figure))),
  });
}

/** Runs a client, and returns its usage. Throws with its stderr if it fails. */
function clientUsage(argv, cwd) {
  const { stdout, stderr } = spawnSync('python3', ['-c', MEASURE, ...argv], {
    cwd,
    env: { ...environment(cwd), ...ENV },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const { code, ...used } = JSON.parse(stdout || '{"code":-1}');
  if (code !== 0) throw new Error(`${argv.join(' ')} failed (${code}): ${stderr.slice(-2_000)}`);
  return used;
}
