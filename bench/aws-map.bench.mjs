// Counts the requests to S3 and SQS that a map of small parts costs, by kind: `node bench/aws-map.bench.mjs [--small]`. One
// worker of four slots, ledger `store`, against fauxqs behind a counting proxy. Two jobs of different sizes: what the larger
// one needs more, per task, is the steady state.
import { execFile } from 'node:child_process';
import { Agent, createServer, request } from 'node:http';
import { promisify } from 'node:util';
import { batchctl, detail, environment, report, SMALL, workspace } from './measure.mjs';
import { makeProbe, source } from './probe.mjs';
import { AWS_ENV, startFauxqs } from './server.mjs';

const [FEW, MANY] = SMALL ? [20, 40] : [200, 600];
/** Requests a task in the steady state. */
const MOST = { s3: 3, sqs: 0.35 };

/** Classes of keys, in the store's layout (docs/layout.md). */
const KINDS = [
  [/\/steps\/[^/]+\/out\//, 'output'],
  [/\/failed\//, 'failed/'],
  [/\/tries\//, 'tries/'],
  [/\/parts\//, 'parts'],
  [/\/journal\//, 'journal'],
  [/\/data\//, 'data'],
  [/\/ledger\/tasks\/[^/]+\/sums\//, 'ledger sums'],
  [/\/ledger\/workers\//, 'ledger workers'],
  [/\/ledger\//, 'ledger, other'],
  [/\/workers\//, 'workers/'],
  [/\/(open|due|keepers|news)\//, 'marks'],
  [/\/log\//, 'log'],
  [/\/code\//, 'code'],
];

function kindOf({ method, url, headers }) {
  const target = headers['x-amz-target'];
  if (target !== undefined) return `sqs ${target.split('.')[1]}`;
  const { pathname, searchParams } = new URL(url, 'http://any');
  const listed = searchParams.get('prefix');
  const key = listed === null ? decodeURIComponent(pathname) : `/${listed}`;
  const [, kind] = KINDS.find(([pattern]) => pattern.test(key)) ?? [null, 'other'];
  return `s3 ${listed === null ? method : 'LIST'} ${kind}`;
}

const createQueues = await makeProbe(
  'aws-map-queues-probe',
  `
import { createQueues } from '${source('adapters/aws/sqs-queue.ts')}';
const [url, name] = process.argv.slice(2);
await createQueues({ clients: { region: 'us-east-1', profile: null, account: null, endpoints: { sqs: url } }, group: 'default', name, leaseSeconds: 30 });
console.log('{}');
process.exit(0);
`,
);
Object.assign(process.env, AWS_ENV);

const server = await startFauxqs();
const counts = new Map();
const agent = new Agent({ keepAlive: true });
const proxy = createServer((asked, answer) => {
  const kind = kindOf(asked);
  counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const { method, url, headers } = asked;
  const onward = request(new URL(url, server.url), { agent, method, headers }, (answered) => {
    answer.writeHead(answered.statusCode, answered.headers);
    answered.pipe(answer);
  });
  onward.on('error', () => answer.destroy());
  asked.pipe(onward);
});
try {
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${proxy.address().port}`;
  const few = await countsOf(url, FEW);
  const many = await countsOf(url, MANY);
  const steady = new Map();
  for (const [kind, count] of [...many].sort(([, a], [, b]) => b - a)) {
    const more = (count - (few.get(kind) ?? 0)) / (MANY - FEW);
    steady.set(kind, more);
    detail(
      `${kind}: ${((few.get(kind) ?? 0) / FEW).toFixed(3)} a task of ${FEW}, ${more.toFixed(3)} in the steady state`,
    );
  }
  for (const service of ['s3', 'sqs']) {
    const sum = (of) =>
      [...of].reduce((total, [kind, count]) => total + (kind.startsWith(`${service} `) ? count : 0), 0);
    const found = sum(steady);
    report({
      what: `requests to ${service === 's3' ? 'S3' : 'SQS'} a task`,
      ours: `${found.toFixed(2)} in the steady state`,
      peer: `${(sum(few) / FEW).toFixed(2)} of a job of ${FEW}`,
      goal: `at most ${MOST[service]}`,
      met: found <= MOST[service],
    });
  }
} finally {
  server.stop();
  proxy.close();
  proxy.closeAllConnections();
}

/** The requests, by kind, of one worker that runs a job of `tasks` tasks. */
async function countsOf(url, tasks) {
  const stack = `bench-${tasks}`;
  const group = { visibility: '30s', slots: 4 };
  const bench = {
    backend: 'aws',
    region: 'us-east-1',
    account: '123456789012',
    stack,
    bucket: { name: stack, prefix: 'batchctl/' },
    endpoints: { s3: url, sqs: url },
    groups: { default: group },
  };
  const job = `name: map\ninput: {from: data.txt, split: {by: lines, every: 1}}\nsteps:\n  - {name: work, run: [cat]}\n`;
  const lines = Array.from({ length: tasks }, (_, n) => `${n}`.padEnd(100, '.')).join('\n');
  const config = JSON.stringify({ profile: 'bench', profiles: { bench } });
  const cwd = workspace({ 'batchctl.config.json': config, 'job.yaml': job, 'data.txt': `${lines}\n` });
  await fetch(`${server.url}/${stack}`, { method: 'PUT' });
  createQueues(server.url, `${stack}-default`);
  await run(cwd, 'submit', 'job.yaml');
  counts.clear();
  await run(cwd, 'worker', '--until-empty');
  return new Map(counts);
}

/** Asynchronous, because the proxy is in this process. Rejects with the command's stderr. */
async function run(cwd, ...args) {
  const [program, ...words] = batchctl(...args);
  await promisify(execFile)(program, words, { cwd, env: { ...environment(cwd), ...AWS_ENV } });
}
