// Protects: a running task keeps its SQS lease, and a worker notices when a lease is lost.

import { expect } from 'chai';
import { openSqsHeartbeat } from '../../../src/adapters/aws/sqs-heartbeat.ts';
import type { Receipt } from '../../../src/ports/task-queue.ts';
import { HeldLeases } from '../../../src/worker/held-leases.ts';
import { messages, receiptsOf } from '../../contracts/queue-messages.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { isAction, sqsFault } from '../../support/sqs.ts';
import { until } from '../../support/until.ts';
import { SqsBench, takeAll, takeOne, takeTwo } from './sqs-bench.ts';

describe('heartbeats on SQS', () => {
  const bench = forSuite(() => SqsBench.start());
  const cleanup = forEachTest(() => new Cleanup());
  afterEach(() => bench.closeQueues());

  it('extend leases in tens, and distinguish a lost lease from an extended one', async () => {
    const { queue, options } = await bench.open();
    await queue.send(messages(25));
    const receipts = receiptsOf(await takeAll(queue));
    await queue.ack(receipts.slice(20, 21));
    const heartbeat = await openSqsHeartbeat(options);
    bench.proxy.heal();
    const verdicts = await heartbeat.extend(receipts);
    await heartbeat.close();
    expect(verdicts.flatMap((verdict, index) => (verdict === 'lost' ? [index] : []))).to.deep.equal([20]);
    expect(bench.proxy.count(isAction('ChangeMessageVisibilityBatch'))).to.equal(3);
  });

  it('fail early enough to try the next heartbeat', async () => {
    const { queue, options } = await bench.open();
    const { receipt } = await takeOne(queue);
    const heartbeat = cleanup.use(await openSqsHeartbeat({ ...options, leaseSeconds: 18 }));
    let elapsed = 0;
    // Each request takes a second.
    bench.proxy.fail(1_000, sqsFault(400, 'KmsThrottled'), () => {
      elapsed += 1_000;
      return true;
    });
    cleanup.replace(performance, 'now', () => elapsed);
    await failsWith('unavailable', heartbeat.extend([receipt]));
    // The next one is due after a third of the lease.
    expect(elapsed).to.be.within(3_000, 5_000);
  });

  it('run in their own thread, which opens the queue by itself', async () => {
    // The thread must start within a third of the lease, even on a busy machine.
    const leaseSeconds = 20;
    const { queue, options } = await bench.open({ leaseSeconds });
    const { onWarning: _, ...plain } = options;
    const lost: Receipt[] = [];
    const leases = new HeldLeases({
      queue: {
        module: new URL('../../../src/adapters/aws/sqs-heartbeat.ts', import.meta.url).href,
        exportName: 'openSqsHeartbeat',
        options: plain,
      },
      leaseSeconds,
      onLost: (receipt) => lost.push(receipt),
    });
    const [{ receipt: kept }, { receipt: acked }] = await takeTwo(queue);
    await queue.ack([acked]);
    bench.proxy.heal();
    leases.hold([kept, acked]);
    await until('a lease is refused', () => lost.length > 0);
    expect(lost).to.deep.equal([acked]);
    expect(bench.proxy.count(isAction('ChangeMessageVisibilityBatch'))).to.be.greaterThan(0);
    await leases.close();
  });
});
