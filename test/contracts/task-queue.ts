import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import type { Backlog } from '../../src/model/backlog.ts';
import type { Delivery, TaskQueue } from '../../src/ports/task-queue.ts';
import { collect } from '../support/collect.ts';
import { forEachTest } from '../support/fixture.ts';
import { until } from '../support/until.ts';
import { bodiesOf, burialsOf, messages, receiptsOf, releasesOf } from './queue-messages.ts';

/** An empty queue for one test. */
export interface QueueHarness {
  readonly queue: TaskQueue;
  /** The same queue as seen by another process. */
  readonly other: TaskQueue;
  /** Lets this many seconds pass for the queue: moves its clock, or waits. */
  readonly pass: (seconds: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

/**
 * The laws of src/ports/task-queue.ts, for any adapter. `open` creates queues whose leases are short, or whose clock it
 * controls. No law depends on the order of messages, and a receive may return fewer messages than there are.
 */
export function taskQueueContract(name: string, open: () => Promise<QueueHarness>): void {
  describe(`task queue: ${name}`, () => {
    const harness = forEachTest(open);
    let queue: TaskQueue;
    beforeEach(() => {
      queue = harness.queue;
    });

    it('delivers every message that was sent, with its body and time of sending', async () => {
      // A service's clock is its own.
      const before = Date.now() - 5_000;
      await queue.send(messages(25));
      const received = await takeAll(queue, 25);
      expect(bodiesOf(received)).to.deep.equal(bodiesOf(messages(25)));
      for (const { receiveCount, sentAt } of received) {
        expect(receiveCount).to.equal(1);
        expect(sentAt).to.be.within(before, Date.now() + 5_000);
      }
    });

    it('preserves bodies with any text', async () => {
      const body = JSON.stringify({ text: '{"ü": "日本 🎉 \\" \' <&>"}', lines: 'a\n\tb' });
      await queue.send([{ body, tenant: 'job-a' }]);
      expect((await takeAll(queue, 1))[0]?.body).to.equal(body);
    });

    it('returns no more messages than requested', async () => {
      await queue.send(messages(5));
      expect((await queue.receive({ max: 2, waitSeconds: 1 })).length).to.be.at.most(2);
    });

    it('hides a delivery from other receivers during the lease', async () => {
      await queue.send(messages(1));
      await takeAll(queue, 1);
      expect(await harness.other.receive({ max: 10, waitSeconds: 0 })).to.have.length(0);
    });

    it('delivers an unsettled message again when its lease expires, with a new receipt and a higher count', async () => {
      await queue.send(messages(1));
      const [first] = await takeAll(queue, 1);
      await harness.pass(queue.leaseSeconds + 1);
      const [second] = await takeAll(harness.other, 1);
      expect(second?.body).to.equal(first?.body);
      expect(second?.receiveCount).to.equal(2);
      expect(second?.receipt).to.not.equal(first?.receipt);
    });

    it('never delivers an acked message again', async () => {
      await queue.send(messages(12));
      await queue.ack(receiptsOf(await takeAll(queue, 12)));
      await harness.pass(queue.leaseSeconds + 1);
      expect(await queue.receive({ max: 10, waitSeconds: 0 })).to.have.length(0);
      await untilBacklog(queue, { visible: 0, leased: 0, delayed: 0, dead: 0 });
    });

    it('settles nothing with a stale receipt', async () => {
      await queue.send(messages(3));
      const stale = await takeAll(queue, 3);
      await harness.pass(queue.leaseSeconds + 1);
      const fresh = await takeAll(harness.other, 3);
      expect(await queue.extend(receiptsOf(stale))).to.deep.equal(['lost', 'lost', 'lost']);
      // A stale receipt may be refused, or ignored.
      const ignoreRefusal = (): void => undefined;
      await queue.ack(receiptsOf(stale.slice(0, 1))).catch(ignoreRefusal);
      await queue.release(releasesOf(stale.slice(1, 2))).catch(ignoreRefusal);
      await queue.bury(burialsOf(stale.slice(2))).catch(ignoreRefusal);
      expect(await queue.receive({ max: 10, waitSeconds: 0 })).to.have.length(0);
      expect(await harness.other.extend(receiptsOf(fresh))).to.deep.equal(['extended', 'extended', 'extended']);
    });

    it('keeps extended leases, and reports them in the order of the receipts', async () => {
      await queue.send(messages(2));
      const held = await takeAll(queue, 2);
      await harness.pass(queue.leaseSeconds * 0.7);
      expect(await queue.extend(receiptsOf(held.slice(1)))).to.deep.equal(['extended']);
      await harness.pass(queue.leaseSeconds * 0.6);
      const again = await takeAll(harness.other, 1);
      expect(bodiesOf(again)).to.deep.equal(bodiesOf(held.slice(0, 1)));
      expect(await queue.extend(receiptsOf(held))).to.deep.equal(['lost', 'extended']);
    });

    it('makes a release without delay receivable at once', async () => {
      await queue.send(messages(1));
      const received = await takeAll(queue, 1);
      await queue.release(releasesOf(received));
      const [again] = await takeAll(harness.other, 1);
      expect(again?.receiveCount).to.equal(2);
    });

    it('hides a release for its delay', async () => {
      await queue.send(messages(1));
      const received = await takeAll(queue, 1);
      await queue.release(releasesOf(received, 60));
      expect(await queue.receive({ max: 1, waitSeconds: 0 })).to.have.length(0);
      await harness.pass(61);
      expect(await takeAll(queue, 1)).to.have.length(1);
    });

    it('hides a message sent with a delay until it is due', async () => {
      await queue.send([{ body: 'later', tenant: 'job-a', delay: 60 }]);
      expect(await queue.receive({ max: 1, waitSeconds: 0 })).to.have.length(0);
      await harness.pass(61);
      expect((await takeAll(queue, 1))[0]?.body).to.equal('later');
    });

    it('buries with a reason, and redrives matching messages as new ones', async () => {
      await queue.send(messages(3));
      const received = await takeAll(queue, 3);
      await queue.bury(received.map((delivery) => ({ delivery, reason: `bad ${delivery.body}` })));
      await untilBacklog(queue, { visible: 0, leased: 0, delayed: 0, dead: 3 });
      const letters = (await collect(queue.dead())).map(({ body, reason }) => `${body}: ${reason}`);
      expect(letters.sort()).to.deep.equal([0, 1, 2].map((n) => `message ${n}: bad message ${n}`));
      await harness.pass(queue.leaseSeconds + 1);
      expect(await queue.redrive({ match: (body) => body === 'message 1' })).to.equal(1);
      const back = await takeAll(queue, 1);
      expect(back.map(({ body, receiveCount }) => [body, receiveCount])).to.deep.equal([['message 1', 1]]);
      await untilBacklog(queue, { visible: 0, leased: 1, delayed: 0, dead: 2 });
    });

    it('counts visible, leased and delayed messages', async () => {
      await queue.send([...messages(4), { body: 'later', tenant: 'job-b', delay: 60 }]);
      await untilBacklog(queue, { visible: 4, leased: 0, delayed: 1, dead: 0 });
      await takeAll(queue, 4);
      await untilBacklog(queue, { visible: 0, leased: 4, delayed: 1, dead: 0 });
    });

    it('purges waiting messages', async () => {
      await queue.send(messages(4));
      await queue.purge({});
      await untilBacklog(queue, { visible: 0, leased: 0, delayed: 0, dead: 0 });
    });

    it('ends an empty wait when the signal is aborted', async () => {
      const abort = new AbortController();
      // Without the signal, it would outlast the test's time limit.
      const waiting = queue.receive({ max: 1, waitSeconds: 3_600, signal: abort.signal });
      setImmediate(() => abort.abort());
      expect(await waiting).to.have.length(0);
    });

    it('ends a wait when another process sends', async () => {
      const waiting = queue.receive({ max: 1, waitSeconds: 3_600 });
      await harness.other.send(messages(1));
      expect(await waiting).to.have.length(1);
    });

    it('accepts empty batches', async () => {
      await queue.send([]);
      await queue.ack([]);
      await queue.release([]);
      await queue.bury([]);
      expect(await queue.extend([])).to.deep.equal([]);
    });
  });
}

/** Receives this many messages. An empty receive doesn't prove an empty queue, so it tries again for a while. */
async function takeAll(queue: TaskQueue, count: number): Promise<Delivery[]> {
  const received: Delivery[] = [];
  await until(`${count} messages are received`, async () => {
    received.push(...(await queue.receive({ max: Math.min(10, count - received.length), waitSeconds: 0 })));
    return received.length >= count;
  });
  expect(received).to.have.length(count);
  return received;
}

/** Counts are approximate and may lag: waits until they have these values. */
async function untilBacklog(queue: TaskQueue, expected: Omit<Backlog, 'oldestSeconds'>): Promise<void> {
  await until(`the backlog is ${JSON.stringify(expected)}`, async () => {
    const { oldestSeconds: _, ...found } = await queue.backlog();
    return isDeepStrictEqual(found, expected);
  });
}
