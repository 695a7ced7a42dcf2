// Sending to and consuming from SQS, against fauxqs on this machine: `node bench/sqs.bench.mjs [--small|--full]`. The peers
// are a bare loop of SendMessageBatch with 8 requests in flight, and eight consumers of sqs-consumer. Client and server
// share the processors, and the emulator limits the rate, so only the ratios matter. With --full a million messages are
// also sent, then sent, received and acknowledged in lots: the emulator takes ever longer to find one among a million.
import { detail, inTurns, rateText, report, SMALL } from './measure.mjs';
import { makeProbe, source } from './probe.mjs';
import { AWS_ENV, startFauxqs } from './server.mjs';

const SENT = SMALL ? 2_000 : 100_000;
const CONSUMED = SMALL ? 2_000 : 20_000;
const MILLION = 1_000_000;
const LOTS = MILLION / CONSUMED;

Object.assign(process.env, AWS_ENV);

/** Shared by all probes: bodies of 330 bytes, and resource usage of the process. */
const COMMON = `
const [url, name, count] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const body = (task) => JSON.stringify({ format: 1, job: 'bench-20260101-0000-aaaaa', step: 'work', task, round: 0, pad: 'x' }).padEnd(330);
const measure = async (work) => {
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  await work();
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  console.log(JSON.stringify({ rate: count / seconds, cpu: (user + system) / count, peak: process.resourceUsage().maxRSS / 1024 }));
  process.exit(0);
};
`;
const OURS = `
import { createQueues, openSqsQueue } from '${source('adapters/aws/sqs-queue.ts')}';
import { QueueClient } from '${source('worker/queue-clients.ts')}';
${COMMON}
const options = {
  clients: { region: 'us-east-1', profile: null, account: null, endpoints: { sqs: url } },
  group: 'default', name, leaseSeconds: 120,
};
await createQueues(options);
const queue = await openSqsQueue(options);
const send = async () => {
  for (let from = 0; from < count; from += 1000) {
    const page = Array.from({ length: Math.min(1000, count - from) }, (_, at) => ({ body: body(from + at), tenant: 'bench' }));
    await queue.send(page);
  }
};
`;
/** Receives and acknowledges what was sent. */
const CONSUME = `
const leases = { hold: () => undefined, drop: () => undefined, dropAndWait: async () => undefined, close: async () => undefined };
const worker = new QueueClient(queue, leases);
const consume = async () => {
  let acked = 0;
  const acks = new Set();
  for (let taken = 0; taken < count; ) {
    const deliveries = await worker.receive({ max: 256, waitSeconds: 20 });
    taken += deliveries.length;
    for (const { receipt } of deliveries) {
      const ack = worker.ack(receipt).then(() => { acked += 1; acks.delete(ack); });
      acks.add(ack);
    }
  }
  await Promise.all(acks);
  if (acked !== count) throw new Error('acked ' + acked + ' of ' + count);
};
`;
const BARE = `
import { CreateQueueCommand, SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
${COMMON}
const client = new SQSClient({ endpoint: url });
const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: name }));
const send = async () => {
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const from = next;
      next += 10;
      const Entries = Array.from({ length: Math.min(10, count - from) }, (_, at) => ({ Id: String(at), MessageBody: body(from + at) }));
      await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
};
`;

const probes = {
  send: await makeProbe('sqs-send-probe', `${OURS}\nawait measure(send);`),
  sendBare: await makeProbe('sqs-send-bare-probe', `${BARE}\nawait measure(send);`),
  consume: await makeProbe('sqs-consume-probe', `${OURS}\n${CONSUME}\nawait send();\nawait measure(consume);`),
  lots: await makeProbe(
    'sqs-lots-probe',
    `${OURS}\n${CONSUME}
await measure(async () => {
  for (let lot = 0; lot < ${LOTS}; lot += 1) {
    await send();
    await consume();
  }
});`,
  ),
  consumer: await makeProbe(
    'sqs-consumer-probe',
    `${BARE}
import { Consumer } from 'sqs-consumer';
await send();
await measure(() => new Promise((resolve, reject) => {
  const consumers = Array.from({ length: 8 }, () =>
    Consumer.create({
      queueUrl: QueueUrl, sqs: client, batchSize: 10, waitTimeSeconds: 20,
      handleMessageBatch: async (messages) => messages,
    }));
  let done = 0;
  for (const consumer of consumers) {
    // Emitted for each message when its batch is deleted.
    consumer.on('message_processed', () => {
      done += 1;
      if (done === count) resolve();
    });
    consumer.on('error', reject);
    consumer.start();
  }
}));`,
  ),
};

const { url, stop } = await startFauxqs();
try {
  let names = 0;
  const run = (probe, count) => () => {
    names += 1;
    return probe(url, `bench-${names}`, String(count));
  };
  const sent = await inTurns(SMALL ? 1 : 5, { ours: run(probes.send, SENT), bare: run(probes.sendBare, SENT) });
  const times = sent.ours.rate / sent.bare.rate;
  for (const [name, { cpu, peak }] of Object.entries(sent))
    detail(`send, ${name}: ${cpu.toFixed(0)} µs of CPU a message, ${peak.toFixed(0)} MB at most`);
  report({
    what: `send ${SENT.toLocaleString('en')} messages`,
    ours: rateText(sent.ours.rate),
    peer: `bare SendMessageBatch, 8 in flight ${rateText(sent.bare.rate)}`,
    goal: `at least 0.95 times (found ${times.toFixed(2)})`,
    met: times >= 0.95,
  });
  if (!SMALL) {
    const [small, large] = [SENT / 10, SENT].map((count) => run(probes.send, count)().peak);
    report({
      what: `memory of sending ${SENT.toLocaleString('en')}`,
      ours: `${large.toFixed(0)} MB`,
      peer: `${(SENT / 10).toLocaleString('en')} messages ${small.toFixed(0)} MB`,
      goal: 'within 1.25 times and 32 MB',
      met: large <= small * 1.25 + 32,
    });
  }
  const taken = await inTurns(SMALL ? 1 : 5, {
    ours: run(probes.consume, CONSUMED),
    consumer: run(probes.consumer, CONSUMED),
  });
  const ratio = taken.ours.rate / taken.consumer.rate;
  for (const [name, { cpu }] of Object.entries(taken))
    detail(`consume, ${name}: ${cpu.toFixed(0)} µs of CPU a message`);
  report({
    what: `receive and ack ${CONSUMED.toLocaleString('en')} messages`,
    ours: rateText(taken.ours.rate),
    peer: `sqs-consumer x8 ${rateText(taken.consumer.rate)}`,
    goal: `at least 1.2 times (found ${ratio.toFixed(2)})`,
    met: ratio >= 1.2,
  });
  if (process.argv.includes('--full')) {
    const used = (cpu, peak) => `${cpu.toFixed(0)} µs of CPU a message, ${peak.toFixed(0)} MB at most`;
    const all = run(probes.send, MILLION)();
    detail(`send ${MILLION.toLocaleString('en')}: ${rateText(all.rate)}, ${used(all.cpu, all.peak)}`);
    const lots = run(probes.lots, CONSUMED)();
    const inLots = `${LOTS} lots of ${CONSUMED.toLocaleString('en')}`;
    detail(`send, receive and ack ${inLots}: ${rateText(lots.rate * LOTS)}, ${used(lots.cpu / LOTS, lots.peak)}`);
  }
} finally {
  stop();
}
