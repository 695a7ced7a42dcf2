// Protects: a worker that serves two groups never stops taking tasks from one because of the other.
import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { Delivery, TaskQueue } from '../../src/ports/task-queue.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { deliveryOf, makeClient, makeContext, makeDeparture, makeDispatcher, makeIntake } from './worker-context.ts';

describe('a worker of two groups', () => {
  const place = forEachTest(openPlace);

  it('keeps polling one group if the message that the other was admitting is not run', async () => {
    const view = await submitJob(place, JSON.stringify(rangeJob('claims', 3, { name: 'price', run: ['cat'] })), {});
    // Reading the journal of the other job, which does not exist, takes as long as the test wants.
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const read: ObjectStore['read'] = async (key, options) => {
      if (key.includes('missing')) await held;
      return place.platform.store.read(key, options);
    };
    const platform = { ...place.platform, store: wrapStore(place.platform.store, { read }) };
    const settled: string[] = [];
    const dispatcher = makeDispatcher(makeContext(platform, { scratch: place.directory }), {
      settle: (item) => settled.push(item.outcome.kind),
    });
    const messageOf = (job: string): Delivery => deliveryOf({ job, step: 'price', task: 0, round: 0 });
    const messages = new Map([
      ['a', [messageOf('missing')]],
      ['b', [messageOf(view.record.job)]],
    ]);
    // b's first receive comes back empty, like a long poll that ends; its message comes right afterwards.
    let polls = 0;
    let hasPolled = false;
    const received: string[] = [];
    const receiveFrom =
      (group: string): TaskQueue['receive'] =>
      async ({ signal }) => {
        if (group === 'b' && polls++ === 0) {
          await until('a is admitting', () => dispatcher.busy);
          hasPolled = true;
          return [];
        }
        const deliveries = messages.get(group)?.splice(0) ?? [];
        if (deliveries.length > 0) received.push(group);
        else await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }));
        return deliveries;
      };
    const departure = makeDeparture(platform);
    const intake = makeIntake(platform, dispatcher, {
      options: { groups: ['a', 'b'], untilEmpty: false, idleExit: null },
      client: async (group) => makeClient({ group, receive: receiveFrom(group) }),
      departure,
    });
    dispatcher.on('room', () => intake.wake());
    const run = intake.run();
    await until('b has polled', () => hasPolled);
    await setImmediate(); // b's loop finds no free slot, and waits at the gate.
    release();
    try {
      await until('b is polled again', () => received.includes('b'));
    } finally {
      departure.leave('asked to drain');
      await run;
    }
    expect(settled[0]).to.equal('declined');
  });
});
