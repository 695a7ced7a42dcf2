// Protects: no task is lost when SQS fails, throttles, denies or loses an answer, and errors name the cause.

import { createHash } from 'node:crypto';
import { TagQueueCommand } from '@aws-sdk/client-sqs';
import { expect } from 'chai';
import { openSqsQueue } from '../../../src/adapters/aws/sqs-queue.ts';
import { seededRandom } from '../../../src/model/forecast/section.ts';
import { bodiesOf, burialsOf, messages, receiptsOf } from '../../contracts/queue-messages.ts';
import { forSuite } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import type { Fault } from '../../support/servers/fault-proxy.ts';
import { isAction, sqsAnswer, sqsFault } from '../../support/sqs.ts';
import { until } from '../../support/until.ts';
import { SqsBench, takeAll, takeOne } from './sqs-bench.ts';

describe('the SQS queue during failures', () => {
  const bench = forSuite(() => SqsBench.start());
  afterEach(() => bench.closeQueues());

  const md5 = (text: string) => createHash('md5').update(text).digest('hex');
  const failed = (Id: string, SenderFault: boolean, Code: string) => ({ Id, SenderFault, Code, Message: Code });

  it('sends again only the entries that failed temporarily', async () => {
    const { queue, direct } = await bench.open();
    const done = [0, 2].map((n) => ({ Id: `${n}`, MessageId: `m-${n}`, MD5OfMessageBody: md5(`message ${n}`) }));
    const answer = sqsAnswer({ Successful: done, Failed: [failed('1', false, 'InternalError')] });
    bench.proxy.fail(1, answer, isAction('SendMessageBatch'));
    await queue.send(messages(3));
    expect(bodiesOf(await takeAll(direct)), 'the answer reported the others as sent').to.deep.equal(['message 1']);
  });

  it('re-sends messages that the answer does not name', async () => {
    const { queue, direct } = await bench.open();
    bench.proxy.fail(1, sqsAnswer({ Successful: [] }), isAction('SendMessageBatch'));
    await queue.send(messages(3));
    expect(await takeAll(direct)).to.have.length(3);
  });

  it('throws for an entry whose content SQS rejects, after the others are done', async () => {
    const { queue, direct } = await bench.open();
    const answer = sqsAnswer({ Failed: [failed('0', true, 'InvalidMessageContents')] });
    bench.proxy.fail(1, answer, isAction('SendMessageBatch'));
    const error = await rejection(queue.send(messages(2)));
    expect(error.message).to.include('could not send messages').and.to.include('InvalidMessageContents');
    expect(bodiesOf(await takeAll(direct))).to.deep.equal(['message 1']);
  });

  it('loses nothing if the answer to a send is lost; the message may exist twice', async () => {
    const { queue, direct } = await bench.open();
    bench.proxy.fail(1, { kind: 'lost' }, isAction('SendMessageBatch'));
    await queue.send(messages(4));
    expect(new Set(bodiesOf(await takeAll(direct))).size).to.equal(4);
  });

  const transient: Readonly<Record<string, Fault>> = {
    'RequestThrottled, which is a 403': sqsFault(403, 'RequestThrottled'),
    'KmsThrottled, which the SDK does not retry': sqsFault(400, 'KmsThrottled'),
    'OverLimit, which the SDK does not retry': sqsFault(403, 'OverLimit'),
    'a 503 that is not JSON': { kind: 'answer', status: 503, body: '<html>busy</html>' },
    'a connection that is reset': { kind: 'reset' },
  };
  for (const [name, fault] of Object.entries(transient)) {
    it(`continues after ${name}`, async () => {
      const { queue } = await bench.open();
      for (const action of ['SendMessageBatch', 'ReceiveMessage', 'ChangeMessageVisibilityBatch', 'DeleteMessageBatch'])
        bench.proxy.fail(1, fault, isAction(action));
      await queue.send(messages(1));
      const { receipt } = await until('the message is received', async () => {
        const [delivery] = await queue.receive({ max: 1, waitSeconds: 1 });
        return delivery;
      });
      expect(await queue.extend([receipt])).to.deep.equal(['extended']);
      await queue.ack([receipt]);
      expect(await queue.backlog()).to.include({ visible: 0, leased: 0 });
    });
  }

  it('reports that SQS is unavailable once requests have failed for too long', async () => {
    const { queue } = await bench.open({ patienceMs: 200 });
    bench.proxy.fail(1_000, sqsFault(400, 'KmsThrottled'));
    await failsWith('unavailable', queue.send(messages(1)));
    await failsWith('unavailable', queue.receive({ max: 1, waitSeconds: 20 }));
    await failsWith('unavailable', queue.backlog());
  });

  describe('compares the home in the tags of a queue that it opens, and', () => {
    const OWN = 'us-east-1/own/';
    const THEIRS = { 'batchctl:stack': 'theirs', 'batchctl:home': 'us-east-1/theirs/' };
    const isTags = isAction('ListQueueTags');

    /** A queue of another home, and how it is opened by us, through the proxy. */
    async function foreignQueue(patienceMs: number) {
      const { options } = await bench.open();
      const { client, QueueUrl } = await bench.sdk(options.name);
      await client.send(new TagQueueCommand({ QueueUrl, Tags: THEIRS }));
      return async () => {
        const queue = await openSqsQueue({ ...options, home: OWN, patienceMs });
        await queue.close();
      };
    }

    for (const [name, fault] of Object.entries(transient)) {
      it(`asks again after ${name}`, async () => {
        const open = await foreignQueue(60_000);
        bench.proxy.fail(2, fault, isTags);
        expect((await failsWith('refused', open())).message).to.include('of us-east-1/theirs/, not of us-east-1/own/');
      });
    }

    for (const [what, kind, fault] of [
      ['SQS always throttles', 'unavailable', sqsFault(400, 'KmsThrottled')],
      ['the connection is always reset', 'unavailable', { kind: 'reset' }],
      ['credentials expired', 'credentials', sqsFault(403, 'ExpiredToken')],
      ['the key is not accepted', 'credentials', sqsFault(403, 'InvalidClientTokenId')],
      ['the queue is deleted meanwhile', 'notFound', sqsFault(400, 'QueueDoesNotExist')],
      ['SQS refuses for another reason', 'unexpected', sqsFault(400, 'InvalidAttributeValue')],
    ] as const)
      it(`is not opened uncompared if ${what}`, async () => {
        const open = await foreignQueue(50);
        bench.proxy.fail(1_000, fault, isTags);
        expect((await failsWith(kind, open())).message).to.include("could not read the queue's tags");
      });

    for (const [what, fault] of [
      ['the right to read tags', sqsFault(403, 'AccessDenied')],
      ['the call, as its error says', sqsFault(400, 'UnsupportedOperation')],
      ['the action', sqsFault(400, 'InvalidAction')],
      ['the operation', sqsFault(404, 'UnknownOperationException')],
      ['the method, as its status says', { kind: 'answer', status: 405, body: '<html>no</html>' }],
      ['an implementation, as its status says', { kind: 'answer', status: 501, body: '<html>no</html>' }],
    ] as const)
      it(`is opened uncompared without ${what}, at one request`, async () => {
        const open = await foreignQueue(60_000);
        bench.proxy.fail(1, fault, isTags);
        await open();
      });
  });

  it('names the action and the queue that are denied', async () => {
    const { queue, options } = await bench.open();
    bench.proxy.fail(1, sqsFault(403, 'AccessDenied'), isAction('ReceiveMessage'));
    const error = await failsWith('credentials', queue.receive({ max: 1, waitSeconds: 0 }));
    expect(error.message).to.include('sqs:ReceiveMessage').and.to.include(`:${options.name} is denied`);
  });

  for (const [title, action, letters] of [
    ['the letter is sent and the delete fails, so both exist', 'DeleteMessageBatch', 1],
    ["the letter can't be sent", 'SendMessageBatch', 0],
  ] as const) {
    it(`keeps the delivery if ${title}`, async () => {
      const { queue } = await bench.open();
      const delivery = await takeOne(queue);
      bench.proxy.fail(1, sqsFault(403, 'AccessDenied'), isAction(action));
      await failsWith('credentials', queue.bury(burialsOf([delivery])));
      expect(await queue.backlog()).to.include({ leased: 1, dead: letters });
    });
  }

  it('loses nothing on a network that fails one request in ten', async () => {
    const { queue, direct } = await bench.open();
    bench.proxy.failShare(0.1, seededRandom(7), [
      { kind: 'reset' },
      { kind: 'lost' },
      sqsFault(503, 'ServiceUnavailable'),
    ]);
    await queue.send(messages(600));
    const seen = new Set<string>();
    await until('all are acked', async () => {
      const received = await queue.receive({ max: 100, waitSeconds: 0 });
      for (const { body } of received) seen.add(body);
      await queue.ack(receiptsOf(received));
      // Messages hidden by a lost answer return when their lease expires.
      if (received.length === 0) await bench.server.pass(31);
      const { visible, leased } = await direct.backlog();
      return visible + leased === 0;
    });
    expect(seen.size).to.equal(600);
  });
});
