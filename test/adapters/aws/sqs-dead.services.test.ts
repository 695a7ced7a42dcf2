// Protects: dead letters on SQS can be listed and redriven, each once, with the reason for their failure.

import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { expect } from 'chai';
import type { DeadLetter, TaskQueue } from '../../../src/ports/task-queue.ts';
import { bodiesOf, burialsOf, messages } from '../../contracts/queue-messages.ts';
import { collect } from '../../support/collect.ts';
import { forSuite } from '../../support/fixture.ts';
import { isAction, sqsAnswer } from '../../support/sqs.ts';
import { SqsBench, takeAll, takeTwo } from './sqs-bench.ts';

const MIB = 1_048_576;

describe('dead letters on SQS', () => {
  const bench = forSuite(() => SqsBench.start());
  afterEach(() => bench.closeQueues());

  /** Sends messages with these bodies, and buries them. */
  async function sendAndBury(queue: TaskQueue, bodies: readonly string[], reason = 'bad'): Promise<void> {
    await queue.send(bodies.map((body) => ({ body, tenant: 'job-a' })));
    await queue.bury(burialsOf(await takeAll(queue), reason));
  }

  const letters = (queue: TaskQueue, limit?: number): Promise<DeadLetter[]> =>
    collect(queue.dead(limit === undefined ? {} : { limit }));

  const bodies = bodiesOf(messages(30));

  it('keep a reason of any text, truncated, on one line, or empty', async () => {
    const { queue } = await bench.open();
    await sendAndBury(queue, ['a'], 'exit 65: \u001b[31mred\u0000 \uD83C half');
    await sendAndBury(queue, ['b'], '🎉'.repeat(5_000));
    await sendAndBury(queue, ['c'], '');
    const reasons = new Map((await letters(queue)).map(({ body, reason }) => [body, reason]));
    expect(reasons.get('a')).to.equal('exit 65: \uFFFD[31mred\uFFFD \uFFFD half');
    expect(reasons.get('b')).to.equal('🎉'.repeat(512));
    expect(reasons.get('c')).to.include('SQS moved it');
  });

  it('can have a body that leaves no room for a reason', async () => {
    const { queue } = await bench.open();
    await sendAndBury(queue, ['x'.repeat(MIB)]);
    await sendAndBury(queue, ['y'.repeat(MIB - 25)]);
    const found = await letters(queue);
    expect(found.map(({ body }) => body.length).sort()).to.deep.equal([MIB, MIB - 25].sort());
  });

  it('include no message whose lease is lost', async () => {
    const { queue, direct } = await bench.open();
    const [kept, lost] = await takeTwo(queue);
    await direct.release([{ receipt: lost.receipt, delay: 0 }]);
    await queue.bury(burialsOf([kept, lost]));
    expect(await queue.backlog()).to.include({ visible: 1, leased: 0, dead: 1 });
  });

  it('can be listed again at once, even after only a few were listed', async () => {
    const { queue, direct } = await bench.open();
    await sendAndBury(queue, bodies);
    expect(await letters(queue, 3)).to.have.length(3);
    expect(bodiesOf(await letters(direct))).to.deep.equal(bodies);
    expect(bodiesOf(await letters(queue))).to.deep.equal(bodies);
  });

  for (const counted of ['0', '500']) {
    it(`are found, each once, while SQS counts ${counted} of 30`, async () => {
      const { queue } = await bench.open();
      await sendAndBury(queue, bodies);
      const stale = sqsAnswer({ Attributes: { ApproximateNumberOfMessages: counted } });
      bench.proxy.fail(1, stale, isAction('GetQueueAttributes'));
      expect(bodiesOf(await letters(queue))).to.deep.equal(bodies);
    });
  }

  it('are redriven up to the limit, and the rest stays', async () => {
    const { queue } = await bench.open();
    await sendAndBury(queue, bodies);
    expect(await queue.redrive({ limit: 12 })).to.equal(12);
    expect(await takeAll(queue)).to.have.length(12);
    expect(await letters(queue)).to.have.length(18);
  });

  it('are redriven once, even those that a worker buries again at once', async () => {
    const { queue, direct } = await bench.open();
    await sendAndBury(queue, bodies.slice(0, 3));
    const stop = new AbortController();
    const worker = (async () => {
      while (!stop.signal.aborted) {
        const received = await direct.receive({ max: 10, waitSeconds: 1, signal: stop.signal });
        await direct.bury(burialsOf(received, 'bad again'));
      }
    })();
    expect(await queue.redrive({})).to.equal(3);
    stop.abort();
    await worker;
    expect((await queue.backlog()).dead).to.equal(3);
  });

  it('stay if another worker buries them while others are redriven', async () => {
    const { queue, direct } = await bench.open();
    await sendAndBury(queue, bodies.slice(0, 2));
    // Of a queue whose clock is older than the letter, as if the redrive had begun a minute ago.
    const date = new Date(Date.now() - 60_000).toUTCString();
    const counts = { ApproximateNumberOfMessages: '2' };
    bench.proxy.fail(1, sqsAnswer({ Attributes: counts }, { date }), isAction('GetQueueAttributes'));
    expect(await queue.redrive({})).to.equal(0);
    expect((await direct.backlog()).dead).to.equal(2);
    expect(await queue.redrive({})).to.equal(2);
  });

  it('have a reason even if SQS itself moved them', async () => {
    const { queue, options } = await bench.open();
    const { client, QueueUrl } = await bench.sdk(`${options.name}-dead`);
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'moved' }));
    const [letter] = await letters(queue);
    expect(letter?.reason).to.equal('SQS moved it: received more often than the queue allows');
    expect(letter?.buriedAt).to.be.within(Date.now() - 60_000, Date.now() + 5_000);
  });
});
