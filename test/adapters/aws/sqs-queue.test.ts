// Protects: a group's queue and its dead letters are kept apart, each with its own limits, and a letter is sent back once.
import { expect } from 'chai';
import { openSqsHeartbeat } from '../../../src/adapters/aws/sqs-heartbeat.ts';
import { makeReceipt } from '../../../src/adapters/aws/sqs-leases.ts';
import { openSqsQueue, type SqsOptions } from '../../../src/adapters/aws/sqs-queue.ts';
import { encodeMessage } from '../../../src/model/message.ts';
import type { Delivery, TaskQueue } from '../../../src/ports/task-queue.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { sqsOptions } from '../../support/sqs.ts';
import { until } from '../../support/until.ts';
import { refusal, SqsRecorder, type SqsRequest } from './sqs-recorder.ts';

const NAME = 'lab-default';
const DEAD = `${NAME}-dead`;
const KIB = 1_024;
const bodyOf = (job: string, task = 0): string => encodeMessage({ job, step: 's', task, round: 0 });
const deliveryOf = (body: string, handle = body): Delivery => ({
  receipt: makeReceipt(handle),
  body,
  receiveCount: 1,
  sentAt: 0,
});

describe("a group's queue on SQS", () => {
  const sqs = forEachTest(() => SqsRecorder.start());
  const cleanup = forEachTest(() => new Cleanup());
  /** Attributes of each queue. */
  let attributes: Record<string, Record<string, string>>;
  /** What receives from the dead-letter queue bring, one after the other: bodies, with their times of sending. */
  let letters: (readonly (readonly [body: string, sentAt: number])[])[];
  /** Handles whose lease is lost. */
  let lost: readonly string[];

  beforeEach(() => {
    attributes = { [NAME]: {}, [DEAD]: {} };
    letters = [];
    lost = [];
    sqs.reply = ({ action, body }) => {
      const queue = (body.QueueUrl ?? '').replace(/^.*\//, '');
      switch (action) {
        case 'GetQueueUrl':
          return { content: { QueueUrl: `${sqs.url}/123456789012/${body.QueueName}` } };
        case 'GetQueueAttributes':
          return { content: { Attributes: attributes[queue] } };
        case 'ReceiveMessage': {
          const page = queue === DEAD ? (letters.shift() ?? []) : [];
          return {
            content: {
              Messages: page.map(([text, sentAt], at) => ({
                MessageId: `${text} ${letters.length} ${at}`,
                ReceiptHandle: `${text} ${sentAt}`,
                Body: text,
                Attributes: { SentTimestamp: String(sentAt) },
              })),
            },
          };
        }
        default: {
          const Failed = (body.Entries ?? []).filter(({ ReceiptHandle }) => lost.includes(ReceiptHandle));
          return {
            content: {
              Successful: (body.Entries ?? []).filter((entry) => !Failed.includes(entry)).map(({ Id }) => ({ Id })),
              Failed: Failed.map(({ Id }) => ({ Id, SenderFault: true, Code: 'ReceiptHandleIsInvalid', Message: 'x' })),
            },
          };
        }
      }
    };
  });

  const options = (more: Partial<SqsOptions> = {}): SqsOptions => {
    const { pollSeconds: _, ...given } = sqsOptions(sqs.url, { name: NAME, patienceMs: 0, ...more });
    return given;
  };
  async function open(): Promise<TaskQueue> {
    const queue = await openSqsQueue(options());
    cleanup.use({ close: () => queue.close() });
    return queue;
  }
  const requestsTo = (queue: string, action: string): readonly SqsRequest[] =>
    sqs.requests.filter((each) => each.action === action && each.body.QueueUrl.endsWith(`/${queue}`));
  const entriesTo = (queue: string, action: string) => requestsTo(queue, action).flatMap(({ body }) => body.Entries);
  const bodiesTo = (queue: string): readonly string[] =>
    entriesTo(queue, 'SendMessageBatch').map(({ MessageBody }) => MessageBody);

  it('is polled for 20 s unless another time is configured', async () => {
    const queue = await open();
    const leave = new AbortController();
    const { reply } = sqs;
    sqs.reply = (request) => {
      if (request.action === 'ReceiveMessage') leave.abort();
      return reply(request);
    };
    await queue.receive({ max: 1, waitSeconds: 60, signal: leave.signal });
    expect(requestsTo(NAME, 'ReceiveMessage').map(({ body }) => body.WaitTimeSeconds)).to.deep.equal([20]);
  });

  it('takes messages of its own limit, and letters of the limit of the dead-letter queue', async () => {
    attributes = {
      [NAME]: { MaximumMessageSize: String(512 * KIB) },
      [DEAD]: { MaximumMessageSize: String(64 * KIB) },
    };
    const queue = await open();
    await queue.send([{ body: 'x'.repeat(512 * KIB), tenant: 't' }]);
    await failsWith('unexpected', queue.send([{ body: 'x'.repeat(512 * KIB + 1), tenant: 't' }]));
    await queue.bury([
      { delivery: deliveryOf('x'.repeat(64 * KIB - 30), 'h'), reason: 'a long reason that has to be cut' },
    ]);
    const [letter] = entriesTo(DEAD, 'SendMessageBatch');
    expect(letter?.MessageAttributes?.['batchctl-reason']?.StringValue.length).to.be.within(1, 15);
    const without = await failsWith(
      'unexpected',
      (await openUnlimited()).send([{ body: 'x'.repeat(256 * KIB + 1), tenant: 't' }]),
    );
    expect(without.message).to.include(String(256 * KIB));
  });

  async function openUnlimited(): Promise<TaskQueue> {
    attributes = { [NAME]: {}, [DEAD]: {} };
    return open();
  }

  it('counts its own messages, and all dead letters, also those that a search holds', async () => {
    const counts = (visible: number, leased: number, delayed: number) => ({
      ApproximateNumberOfMessages: String(visible),
      ApproximateNumberOfMessagesNotVisible: String(leased),
      ApproximateNumberOfMessagesDelayed: String(delayed),
    });
    attributes = { [NAME]: counts(100, 20, 3), [DEAD]: counts(4, 50, 600) };
    const backlog = await (await open()).backlog();
    expect(backlog).to.deep.equal({ visible: 100, leased: 20, delayed: 3, dead: 654, oldestSeconds: null });
  });

  it('buries each delivery that is still held: sent to the dead letters with its job as group, then deleted', async () => {
    const queue = await open();
    const bodies = Array.from({ length: 15 }, (_, n) => bodyOf('claims', n));
    const lostBody = bodies[3] ?? '';
    lost = [lostBody];
    await queue.bury(bodies.map((body) => ({ delivery: deliveryOf(body), reason: 'no use' })));
    const held = bodies.filter((body) => body !== lostBody);
    expect(bodiesTo(DEAD)).to.have.members(held);
    expect(new Set(entriesTo(DEAD, 'SendMessageBatch').map((each) => each.MessageGroupId))).to.deep.equal(
      new Set(['claims']),
    );
    const deleted = entriesTo(NAME, 'DeleteMessageBatch').map(({ ReceiptHandle }) => ReceiptHandle);
    expect(deleted).to.have.members(held);
    const order = sqs.requests.filter(({ action }) => /Send|Delete/.test(action)).map(({ action }) => action);
    expect(order[0]).to.equal('SendMessageBatch');
  });

  it('searches for no letter if none is asked for, and for no more than are', async () => {
    const queue = await open();
    const listed = async (limit: number): Promise<readonly string[]> => {
      const found: string[] = [];
      for await (const { body, reason } of queue.dead({ limit })) found.push(`${body}: ${reason}`);
      return found;
    };
    expect(await listed(0)).to.deep.equal([]);
    expect(await queue.redrive({ limit: 0 })).to.equal(0);
    expect(requestsTo(DEAD, 'ReceiveMessage')).to.deep.equal([]);
    letters = [
      [
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ],
    ];
    const moved = 'SQS moved it: received more often than the queue allows';
    expect(await listed(2)).to.deep.equal([`a: ${moved}`, `b: ${moved}`]);
    expect(requestsTo(DEAD, 'ReceiveMessage')).to.have.lengthOf(1);
  });

  it('takes back letters that match, up to the limit, and releases the others', async () => {
    const queue = await open();
    letters = [
      [
        ['a', 1],
        ['skip', 2],
        ['b', 3],
        ['c', 4],
      ],
    ];
    expect(await queue.redrive({ match: (body) => body !== 'skip', limit: 2 })).to.equal(2);
    expect(bodiesTo(NAME)).to.deep.equal(['a', 'b']);
    expect(entriesTo(DEAD, 'DeleteMessageBatch').map(({ ReceiptHandle }) => ReceiptHandle)).to.deep.equal([
      'a 1',
      'b 3',
    ]);
    const released = entriesTo(DEAD, 'ChangeMessageVisibilityBatch').map(({ ReceiptHandle }) => ReceiptHandle);
    expect(released).to.have.members(['skip 2', 'c 4']);
    expect(requestsTo(DEAD, 'ReceiveMessage')).to.have.lengthOf(1);
  });

  it('leaves letters that came after the redrive began, or a little before if this redrive sent them back', async () => {
    const queue = await open();
    // The answer's date has whole seconds.
    const at = Math.floor(Date.now() / 1_000) * 1_000;
    letters = [
      [
        ['a', at - 60_000],
        ['b', at - 60_000],
      ],
      [
        ['a', at - 500],
        ['c', at + 1_500],
        ['d', at + 60_000],
      ],
    ];
    attributes[DEAD] = { ApproximateNumberOfMessages: '9' };
    expect(await queue.redrive({})).to.equal(3);
    expect(bodiesTo(NAME)).to.deep.equal(['a', 'b', 'c']);
  });

  it('takes back a letter of the same text twice if both are old', async () => {
    const queue = await open();
    letters = [[['a', 1]], [['a', 2]]];
    attributes[DEAD] = { ApproximateNumberOfMessages: '2' };
    expect(await queue.redrive({})).to.equal(2);
  });

  it('removes everything at once, or only what matches', async () => {
    const queue = await open();
    expect(await queue.purge({})).to.equal(null);
    expect(requestsTo(NAME, 'PurgeQueue')).to.have.lengthOf(1);
    expect(await queue.purge({ match: () => true })).to.equal(0);
    expect(requestsTo(NAME, 'PurgeQueue')).to.have.lengthOf(1);
  });

  it('has a heartbeat that extends every lease to its whole time, of its own queue', async () => {
    const heartbeat = await openSqsHeartbeat(options({ leaseSeconds: 20.5 }));
    const receipts = Array.from({ length: 12 }, (_, n) => makeReceipt(`h${n}`));
    expect(new Set(await heartbeat.extend(receipts))).to.deep.equal(new Set(['extended']));
    const entries = entriesTo(NAME, 'ChangeMessageVisibilityBatch');
    expect(entries.map(({ VisibilityTimeout }) => VisibilityTimeout)).to.deep.equal(receipts.map(() => 21));
    expect(sqs.sockets.size).to.be.greaterThan(0);
    await heartbeat.close();
    await until('its connections are closed', () => sqs.sockets.size === 0);
  });

  it('has a heartbeat that gives up after three attempts a call, before the next one is due', async () => {
    const { reply } = sqs;
    sqs.reply = (request) =>
      request.action === 'GetQueueUrl' ? reply(request) : refusal('InternalError', 'busy', 500);
    const heartbeat = cleanup.use(await openSqsHeartbeat(options({ leaseSeconds: 0.01 })));
    await failsWith('unavailable', heartbeat.extend([makeReceipt('h')]));
    // The call and, at most, one more.
    expect(requestsTo(NAME, 'ChangeMessageVisibilityBatch').length).to.be.oneOf([3, 6]);
  });

  for (const [what, openOne] of [
    ['a heartbeat', openSqsHeartbeat],
    ['a queue', openSqsQueue],
  ] as const) {
    it(`leaves no connection behind if ${what} can't be opened, and says why`, async () => {
      sqs.reply = () => refusal('AWS.SimpleQueueService.NonExistentQueue', 'none');
      await failsWith('notFound', openOne(options()));
      await until('the connections are closed', () => sqs.sockets.size === 0);
    });
  }
});
