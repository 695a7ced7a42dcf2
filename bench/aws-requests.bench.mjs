// The cost of a request to S3 and SQS in the client: `node bench/aws-requests.bench.mjs [--small]`. The server answers each
// call with fixed bytes, from a process of its own, so CPU time counts the client alone. The peers are the bare SDK, and
// unsigned requests on node:http as the floor. Four requests are in flight, as in a worker of four slots.
import { detail, inTurns, report, SMALL } from './measure.mjs';
import { makeProbe, source } from './probe.mjs';
import { AWS_ENV, startServer } from './server.mjs';

const REQUESTS = SMALL ? 100 : 600;
/** Milliseconds of CPU that a hot call may cost. */
const MOST = 0.8;
const HOT = ['get', 'put', 'head', 'list', 'send', 'receive', 'delete', 'extend'];

Object.assign(process.env, AWS_ENV);

const COMMON = `
const [url, count] = [process.argv[2], Number(process.argv[3])];
const QueueUrl = url + '/000000000000/bench';
const ten = (make) => Array.from({ length: 10 }, (_, n) => make(n));
const message = (n) => JSON.stringify({ format: 1, job: 'bench-20260101-0000-aaaaa', step: 'work', task: n, round: 0, pad: 'x' }).padEnd(330);
const handle = (n) => String(n).padEnd(200, 'AQEB');
const body = Buffer.alloc(1024, 'a');
const metadata = { output: JSON.stringify({ format: 2, job: 'bench-20260101-0000-aaaaa', step: 'work', task: 1, attempt: 'abcdefghij', number: 1 }) };
const key = (n) => 'jobs/bench-20260101-0000-aaaaa/steps/work/out/' + String(n).padStart(9, '0');
const inLanes = async (call, many) => {
  let next = 0;
  const lane = async () => {
    while (next < many) await call(next++);
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
};
const measure = async (calls) => {
  const used = {};
  for (const call of Object.values(calls)) await inLanes(call, Math.min(300, count));
  for (const [name, call] of Object.entries(calls)) {
    const before = process.cpuUsage();
    await inLanes(call, count);
    const { user, system } = process.cpuUsage(before);
    used[name] = (user + system) / 1e3 / count;
  }
  console.log(JSON.stringify(used));
  process.exit(0);
};
`;

const probes = {
  ours: await makeProbe(
    'aws-requests-probe',
    `
import { AwsClients } from '${source('adapters/aws/clients.ts')}';
import { createS3Store } from '${source('adapters/aws/s3-store.ts')}';
import { openSqsQueue } from '${source('adapters/aws/sqs-queue.ts')}';
${COMMON}
const options = { region: 'us-east-1', profile: null, account: null, endpoints: { s3: url, sqs: url } };
const store = await createS3Store({ clients: new AwsClients(options), bucket: 'bench', prefix: '', kmsKey: null });
const queue = await openSqsQueue({ clients: options, group: 'default', name: 'bench', leaseSeconds: 120 });
const receipt = (n) => '1.' + handle(n);
const [{ receipt: current }] = await queue.receive({ max: 10, waitSeconds: 0 });
const receipts = ten(() => current);
await measure({
  get: (n) => store.read(key(n)),
  put: (n) => store.put(key(n), body, { ifAbsent: true, metadata }),
  head: (n) => store.head(key(n)),
  list: async () => { for await (const _ of store.list('jobs/')); },
  send: () => queue.send(ten((n) => ({ body: message(n), tenant: 'bench' }))),
  receive: () => queue.receive({ max: 10, waitSeconds: 0 }),
  delete: () => queue.ack(receipts),
  extend: () => queue.extend(receipts),
});`,
  ),
  sdk: await makeProbe(
    'aws-requests-sdk-probe',
    `
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ChangeMessageVisibilityBatchCommand, DeleteMessageBatchCommand, ReceiveMessageCommand, SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
${COMMON}
const s3 = new S3Client({ endpoint: url, forcePathStyle: true });
const sqs = new SQSClient({ endpoint: url, md5: false });
const Bucket = 'bench';
await measure({
  get: async (n) => { const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: key(n) })); await Body.transformToByteArray(); },
  put: (n) => s3.send(new PutObjectCommand({ Bucket, Key: key(n), Body: body, IfNoneMatch: '*', Metadata: metadata })),
  head: (n) => s3.send(new HeadObjectCommand({ Bucket, Key: key(n) })),
  list: () => s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'jobs/' })),
  send: () => sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: ten((n) => ({ Id: String(n), MessageBody: message(n) })) })),
  receive: () => sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 })),
  delete: () => sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: ten((n) => ({ Id: String(n), ReceiptHandle: handle(n) })) })),
  extend: () => sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl,
    Entries: ten((n) => ({ Id: String(n), ReceiptHandle: handle(n), VisibilityTimeout: 120 })) })),
});`,
  ),
  floor: await makeProbe(
    'aws-requests-floor-probe',
    `
import { Agent, request } from 'node:http';
${COMMON}
const agent = new Agent({ keepAlive: true });
const { hostname, port } = new URL(url);
const ask = (method, path, headers = {}, bytes = '') => new Promise((resolve, reject) => {
  const asked = request({ agent, hostname, port, method, path, headers: { ...headers, 'content-length': Buffer.byteLength(bytes) } }, (answer) => {
    const chunks = [];
    answer.on('data', (chunk) => chunks.push(chunk)).on('end', () => resolve(Buffer.concat(chunks))).on('error', reject);
  });
  asked.on('error', reject).end(bytes);
});
const json = async (target, value) => JSON.parse(await ask('POST', '/', { 'x-amz-target': 'AmazonSQS.' + target }, JSON.stringify(value)));
await measure({
  get: (n) => ask('GET', '/bench/' + key(n)),
  put: (n) => ask('PUT', '/bench/' + key(n), {}, body),
  head: (n) => ask('HEAD', '/bench/' + key(n)),
  list: () => ask('GET', '/bench?list-type=2&prefix=jobs%2F'),
  send: () => json('SendMessageBatch', { QueueUrl, Entries: ten((n) => ({ Id: String(n), MessageBody: message(n) })) }),
  receive: () => json('ReceiveMessage', { QueueUrl, MaxNumberOfMessages: 10 }),
  delete: () => json('DeleteMessageBatch', { QueueUrl, Entries: ten((n) => ({ Id: String(n), ReceiptHandle: handle(n) })) }),
  extend: () => json('ChangeMessageVisibilityBatch', { QueueUrl, Entries: ten((n) => ({ Id: String(n), ReceiptHandle: handle(n), VisibilityTimeout: 120 })) }),
});`,
  ),
};

const { url, stop } = await startServer('fixed-answers.mjs', /^(\d+)$/);
try {
  const run = (probe) => () => probe(url, String(REQUESTS));
  const found = await inTurns(SMALL ? 1 : 5, {
    ours: run(probes.ours),
    sdk: run(probes.sdk),
    floor: run(probes.floor),
  });
  for (const name of HOT) {
    const [ours, sdk, floor] = ['ours', 'sdk', 'floor'].map((who) => found[who][name]);
    detail(
      `${name}: ${(sdk / ours).toFixed(1)} times cheaper than the bare SDK, ${(ours / floor).toFixed(1)} times the floor`,
    );
    report({
      what: `CPU of a request: ${name}`,
      ours: `${ours.toFixed(3)} ms`,
      peer: `bare SDK ${sdk.toFixed(3)} ms, unsigned HTTP ${floor.toFixed(3)} ms`,
      goal: `at most ${MOST} ms`,
      met: ours <= MOST,
    });
  }
} finally {
  stop();
}
