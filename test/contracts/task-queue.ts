import { expect } from 'chai';
import type { Delivery, Receipt, TaskQueue } from '../../src/ports/task-queue.ts';
import { forEachTest } from '../support/fixture.ts';

/** One empty queue for one test. */
export interface QueueHarness {
  readonly queue: TaskQueue;
  /** The same queue as seen by another process. */
  readonly other: TaskQueue;
  /** Lets this many seconds pass for the queue: moves its clock, or waits. */
  readonly pass: (seconds: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

/**
 * The laws of src/ports/task-queue.ts, for any adapter. The factory creates queues whose leases are short, or whose
 * clock it controls. The suite asserts no order, and a receive may return fewer messages than there are.
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
      await queue.send(bodies(25));
      const taken = await takeAll(queue, 25);
      expect(taken.map(({ body }) => body).sort()).to.deep.equal(
        bodies(25)
          .map(({ body }) => body)
          .sort(),
      );
      for (const { receiveCount, sentAt } of taken) {
        expect(receiveCount).to.equal(1);
        expect(sentAt).to.be.within(before, Date.now() + 5_000);
      }
    });

    it('preserves bodies with any text', async () => {
      const body = JSON.stringify({ text: '{"ü": "日本 🎉 \\" \' <&>"}', lines: 'a\n\tb' });
      await queue.send([{ body, tenant: 'job-a' }]);
      expect((await takeAll(queue, 1))[0]?.body).to.equal(body);
    });

    it('returns no more than was asked for', async () => {
      await queue.send(bodies(5));
      expect((await queue.receive({ max: 2, waitSeconds: 1 })).length).to.be.at.most(2);
    });

    it('hides a delivery from everyone during the lease', async () => {
      await queue.send(bodies(1));
      await takeAll(queue, 1);
      expect(await harness.other.receive({ max: 10, waitSeconds: 0 })).to.have.length(0);
    });

    it('delivers an unsettled message again when its lease expires, with a new receipt and a higher count', async () => {
      await queue.send(bodies(1));
      const [first] = await takeAll(queue, 1);
      await harness.pass(queue.leaseSeconds + 1);
      const [second] = await takeAll(harness.other, 1);
      expect(second?.body).to.equal(first?.body);
      expect(second?.receiveCount).to.equal(2);
      expect(second?.receipt).to.not.equal(first?.receipt);
    });

    it('never delivers again what was acked', async () => {
      await queue.send(bodies(12));
      await queue.ack(receipts(await takeAll(queue, 12)));
      await harness.pass(queue.leaseSeconds + 1);
      expect(await queue.receive({ max: 10, waitSeconds: 0 })).to.have.length(0);
      await settled(queue, { visible: 0, leased: 0, delayed: 0, dead: 0 });
    });

    it('settles nothing with a stale receipt', async () => {
      await queue.send(bodies(3));
      const stale = await takeAll(queue, 3);
      await harness.pass(queue.leaseSeconds + 1);
      const fresh = await takeAll(harness.other, 3);
      expect(await queue.extend(receipts(stale))).to.deep.equal(['lost', 'lost', 'lost']);
      const [a, b, c] = stale;
      await quietly(() => queue.ack(receipts([a])));
      await quietly(() => queue.release(receipts([b]).map((receipt) => ({ receipt, delay: 0 }))));
      await quietly(() => queue.bury(c === undefined ? [] : [{ delivery: c, reason: 'late' }]));
      expect(await queue.receive({ max: 10, waitSeconds: 0 })).to.have.length(0);
      expect(await harness.other.extend(receipts(fresh))).to.deep.equal(['extended', 'extended', 'extended']);
    });

    it('keeps extended leases, and reports them in the order of the receipts', async () => {
      await queue.send(bodies(2));
      const [kept, left] = await takeAll(queue, 2);
      await harness.pass(queue.leaseSeconds * 0.7);
      expect(await queue.extend(receipts([kept]))).to.deep.equal(['extended']);
      await harness.pass(queue.leaseSeconds * 0.6);
      const again = await takeAll(harness.other, 1);
      expect(again.map(({ body }) => body)).to.deep.equal([left?.body]);
      expect(await queue.extend(receipts([left, kept]))).to.deep.equal(['lost', 'extended']);
    });

    it('makes a release without delay receivable at once', async () => {
      await queue.send(bodies(1));
      const [taken] = await takeAll(queue, 1);
      await queue.release(receipts([taken]).map((receipt) => ({ receipt, delay: 0 })));
      const [again] = await takeAll(harness.other, 1);
      expect(again?.receiveCount).to.equal(2);
    });

    it('hides a release for its delay', async () => {
      await queue.send(bodies(1));
      const [taken] = await takeAll(queue, 1);
      await queue.release(receipts([taken]).map((receipt) => ({ receipt, delay: 60 })));
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
      await queue.send(bodies(3));
      const taken = await takeAll(queue, 3);
      await queue.bury(taken.map((delivery) => ({ delivery, reason: `bad ${delivery.body}` })));
      await settled(queue, { visible: 0, leased: 0, delayed: 0, dead: 3 });
      const dead = new Map<string, string>();
      for await (const letter of queue.dead()) dead.set(letter.body, letter.reason);
      expect([...dead].sort()).to.deep.equal([0, 1, 2].map((n) => [`message ${n}`, `bad message ${n}`]));
      await harness.pass(queue.leaseSeconds + 1);
      expect(await queue.redrive({ match: (body) => body === 'message 1' })).to.equal(1);
      const back = await takeAll(queue, 1);
      expect(back.map(({ body, receiveCount }) => [body, receiveCount])).to.deep.equal([['message 1', 1]]);
      await settled(queue, { visible: 0, leased: 1, delayed: 0, dead: 2 });
    });

    it('counts visible, leased and delayed messages', async () => {
      await queue.send([...bodies(4), { body: 'later', tenant: 'job-b', delay: 60 }]);
      await settled(queue, { visible: 4, leased: 0, delayed: 1, dead: 0 });
      await takeAll(queue, 4);
      await settled(queue, { visible: 0, leased: 4, delayed: 1, dead: 0 });
    });

    it('purges waiting messages', async () => {
      await queue.send(bodies(4));
      await queue.purge({});
      await settled(queue, { visible: 0, leased: 0, delayed: 0, dead: 0 });
    });

    it('ends an empty wait when the signal is aborted', async () => {
      const abort = new AbortController();
      const start = performance.now();
      const waiting = queue.receive({ max: 1, waitSeconds: 20, signal: abort.signal });
      setImmediate(() => abort.abort());
      expect(await waiting).to.have.length(0);
      expect(performance.now() - start).to.be.below(15_000);
    });

    it('ends a wait when another process sends', async () => {
      const waiting = queue.receive({ max: 1, waitSeconds: 20 });
      await harness.other.send(bodies(1));
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

function bodies(count: number): { body: string; tenant: string }[] {
  return Array.from({ length: count }, (_, n) => ({ body: `message ${n}`, tenant: 'job-a' }));
}

function receipts(deliveries: readonly (Delivery | undefined)[]): Receipt[] {
  return deliveries.flatMap((delivery) => (delivery === undefined ? [] : [delivery.receipt]));
}

/** Milliseconds to wait for what comes eventually, on a busy machine too. */
const PATIENCE = 60_000;

/** Receives this many messages. An empty receive doesn't prove an empty queue, so it tries again for a while. */
async function takeAll(queue: TaskQueue, count: number): Promise<Delivery[]> {
  const taken: Delivery[] = [];
  const start = performance.now();
  while (taken.length < count && performance.now() - start < PATIENCE) {
    taken.push(...(await queue.receive({ max: Math.min(10, count - taken.length), waitSeconds: 0 })));
  }
  expect(taken, 'what could be received').to.have.length(count);
  return taken;
}

/** Counts are approximate and may lag: they must reach these values eventually. */
async function settled(
  queue: TaskQueue,
  counts: { visible: number; leased: number; delayed: number; dead: number },
): Promise<void> {
  const start = performance.now();
  for (;;) {
    const { oldestSeconds: _, ...found } = await queue.backlog();
    const same = JSON.stringify(found) === JSON.stringify(counts);
    if (same || performance.now() - start > PATIENCE) {
      expect(found).to.deep.equal(counts);
      return;
    }
  }
}

/** A stale receipt may be refused, or ignored: both are allowed. */
async function quietly(work: () => Promise<void>): Promise<void> {
  await work().catch(() => undefined);
}
