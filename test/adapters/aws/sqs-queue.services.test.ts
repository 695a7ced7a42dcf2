// Protects: tasks on SQS are received in bulk, released at once and purged safely, and harmful queue settings are reported.

import { expect } from 'chai';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { findQueue } from '../../../src/adapters/aws/sqs-open.ts';
import { openSqsQueue } from '../../../src/adapters/aws/sqs-queue.ts';
import { SqsReceiver } from '../../../src/adapters/aws/sqs-receive.ts';
import type { Receipt } from '../../../src/ports/task-queue.ts';
import { bodiesOf, messages } from '../../contracts/queue-messages.ts';
import { forSuite } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { isAction, sqsFault, sqsOptions } from '../../support/sqs.ts';
import { until } from '../../support/until.ts';
import { SqsBench, takeAll, takeOne } from './sqs-bench.ts';

const MIB = 1_048_576;

describe('the SQS queue', () => {
  const bench = forSuite(() => SqsBench.start());
  afterEach(() => bench.closeQueues());

  /** The receipt, as if it had arrived this many seconds ago. */
  const aged = (receipt: Receipt, seconds: number): Receipt => {
    const handle = receipt.slice(receipt.indexOf('.'));
    return `${(Math.floor(Number(process.hrtime.bigint() / 1_000_000_000n)) - seconds).toString(36)}${handle}` as Receipt;
  };

  it('returns the requested number in one receive, with concurrent polls', async () => {
    const { queue } = await bench.open();
    await queue.send(messages(200));
    expect(await queue.receive({ max: 95, waitSeconds: 1 })).to.have.length(95);
  });

  it('sends batches of ten within the size limit of a batch', async () => {
    const { queue } = await bench.open();
    const large = Array.from({ length: 12 }, (_, n) => ({ body: String(n).padEnd(300_000, 'x'), tenant: 'job-a' }));
    bench.proxy.heal();
    await queue.send([...large, { body: 'y'.repeat(MIB), tenant: 'job-a' }]);
    expect(bench.proxy.count(isAction('SendMessageBatch'))).to.equal(5);
    expect(await takeAll(queue)).to.have.length(13);
  });

  it('rejects a message that SQS would not accept before anything is sent', async () => {
    const { queue } = await bench.open();
    const bad = [{ body: 'y'.repeat(MIB + 1) }, { body: 'a\u0000b' }, { body: 'half \uD83C' }, { body: '' }];
    for (const each of [...bad, { body: 'x', delay: 901 }]) {
      await failsWith('unexpected', queue.send([...messages(2), { tenant: 'job-a', ...each }]));
    }
    expect((await queue.backlog()).visible).to.equal(0);
  });

  it('releases messages of an abandoned poll at once', async () => {
    const { queue, direct } = await bench.open({ pollSeconds: 20 });
    const abort = new AbortController();
    bench.proxy.heal();
    const waiting = queue.receive({ max: 1, waitSeconds: 20, signal: abort.signal });
    await until('the poll is under way', () => bench.proxy.count(isAction('ReceiveMessage')) === 1);
    abort.abort();
    expect(await waiting).to.have.length(0);
    await direct.send(messages(1));
    await queue.close();
    const [again] = await takeAll(direct);
    expect(again?.receiveCount, 'it was received, and released').to.equal(2);
  });

  it('abandons a poll that never returns, and polls again', async () => {
    const { queue, options } = await bench.open();
    const clients = new AwsClients(options.clients);
    const place = await findQueue(clients, options.name, 'control');
    const poll = () => clients.sqs('poll');
    const polls = new SqsReceiver({ poll, place, leaseSeconds: 30, pollSeconds: 20, lateMs: 3_000 });
    await queue.send(messages(1));
    bench.proxy.heal();
    bench.proxy.fail(1, { kind: 'hang' }, isAction('ReceiveMessage'));
    // The SDK would repeat the poll after its own time limit, and receive the message.
    expect(await polls.receive({ max: 1, waitSeconds: 0 })).to.have.length(0);
    expect(bench.proxy.count(isAction('ReceiveMessage'))).to.equal(1);
    await until('a poll receives it', async () => (await polls.receive({ max: 1, waitSeconds: 1 })).length === 1);
    await clients.close();
  });

  it('counts its patience from the last poll that succeeded, however long the queue was empty', async () => {
    const { queue } = await bench.open({ patienceMs: 5_000 });
    const throttled = () => bench.proxy.fail(1, sqsFault(400, 'KmsThrottled'), isAction('ReceiveMessage'));
    throttled();
    expect(await queue.receive({ max: 1, waitSeconds: 1 })).to.deep.equal([]);
    expect(await queue.receive({ max: 1, waitSeconds: 0 })).to.deep.equal([]);
    const { now } = performance;
    performance.now = () => now.call(performance) + 3_600_000;
    try {
      throttled();
      expect(await queue.receive({ max: 1, waitSeconds: 1 })).to.deep.equal([]);
    } finally {
      performance.now = now;
    }
  });

  it('waits beyond its patience while too many messages are in flight, and then receives', async () => {
    const { queue } = await bench.open({ patienceMs: 200 });
    await queue.send(messages(1));
    bench.proxy.fail(Number.POSITIVE_INFINITY, sqsFault(403, 'OverLimit'), isAction('ReceiveMessage'));
    const began = performance.now();
    while (performance.now() - began < 3_000)
      expect(await queue.receive({ max: 20, waitSeconds: 1 })).to.deep.equal([]);
    expect(bench.proxy.count(isAction('ReceiveMessage')), 'with growing pauses').to.be.below(30);
    bench.proxy.heal();
    expect(await takeAll(queue)).to.have.length(1);
  });

  it('takes a delivery without a count for a repeated one', async () => {
    const { queue } = await bench.open();
    for (const [text, expected] of [
      ['"1"', 1],
      ['"3"', 3],
      ['"no number"', 2],
      ['"0"', 2],
      [null, 2],
    ] as const) {
      const count = text === null ? '"SenderId":"x"' : `"ApproximateReceiveCount":${text}`;
      const body = (answer: string): string => answer.replace(/"ApproximateReceiveCount":\s*"1"/, count);
      bench.proxy.fail(Number.POSITIVE_INFINITY, { kind: 'edit', body }, isAction('ReceiveMessage'));
      const { receiveCount, receipt } = await takeOne(queue);
      bench.proxy.heal();
      expect(receiveCount, String(text)).to.equal(expected);
      await queue.ack([receipt]);
    }
  });

  it("hides received messages for its own lease, whatever the queue's default is", async () => {
    const { queue, options } = await bench.open();
    await bench.setAttributes(options.name, { VisibilityTimeout: '5' });
    await queue.send(messages(1));
    expect(await takeAll(queue)).to.have.length(1);
    await bench.server.pass(20);
    expect(await takeAll(queue), 'still leased').to.have.length(0);
    await bench.server.pass(11);
    expect(await takeAll(queue)).to.have.length(1);
  });

  it('never holds a delivery for more than 12 hours', async () => {
    const { queue } = await bench.open();
    const { receipt } = await takeOne(queue);
    const old = [aged(receipt, 43_160), aged(receipt, 43_180)];
    expect(await queue.extend(old)).to.deep.equal(['extended', 'lost']);
    await queue.release([{ receipt: aged(receipt, 43_190), delay: 3_600 }]);
    await bench.server.pass(11);
    expect(await takeAll(queue)).to.have.length(1);
  });

  it('releases after at least the delay, which SQS takes in whole seconds', async () => {
    const { queue } = await bench.open();
    const { receipt } = await takeOne(queue);
    await queue.release([{ receipt, delay: 0.7 }]);
    expect(await takeAll(queue), 'hidden for a second').to.have.length(0);
    await bench.server.pass(1);
    expect(await takeAll(queue)).to.have.length(1);
  });

  it('names a missing queue, and the command that creates it', async () => {
    const options = sqsOptions(bench.server.url);
    const error = await failsWith('notFound', openSqsQueue(options));
    expect(error.hint).to.include('batchctl infra up');
    expect(error.message).to.include(options.name);
  });

  it('warns when it is opened, only of attributes that would lose or delay messages', async () => {
    const warnings: string[] = [];
    const { options } = await bench.open({ onWarning: (line) => warnings.push(line) });
    expect(warnings).to.deep.equal([]);
    const changed = { VisibilityTimeout: '5', DelaySeconds: '60', ReceiveMessageWaitTimeSeconds: '0' };
    await bench.setAttributes(options.name, changed);
    await bench.setAttributes(`${options.name}-dead`, { MessageRetentionPeriod: '345600' });
    const queue = await openSqsQueue({ ...options, onWarning: (line) => warnings.push(line) });
    await queue.close();
    for (const line of warnings) expect(line).to.match(/ \(fix it with batchctl infra up\)$/);
    expect(warnings.map((line) => line.replace(/:[^:]*$/, ''))).to.deep.equal([
      `queue ${options.name}: expected VisibilityTimeout 30, found 5`,
      `queue ${options.name}: expected DelaySeconds 0, found 60`,
      `queue ${options.name}-dead: expected MessageRetentionPeriod 1209600, found 345600`,
    ]);
  });

  it('purges everything, once another purge in progress has ended', async () => {
    const { queue } = await bench.open();
    await queue.send(messages(5));
    bench.proxy.fail(2, sqsFault(403, 'PurgeQueueInProgress'), isAction('PurgeQueue'));
    expect(await queue.purge({}), 'SQS does not report the number').to.equal(null);
    expect((await queue.backlog()).visible).to.equal(0);
  });

  it('purges matching messages, and leaves the rest receivable', async () => {
    const { queue, direct } = await bench.open();
    await queue.send([...messages(25, 'mine'), ...messages(25, 'yours')]);
    expect(await queue.purge({ match: (body) => body.startsWith('mine') })).to.equal(25);
    expect(bodiesOf(await takeAll(direct))).to.deep.equal(bodiesOf(messages(25, 'yours')));
  });
});
