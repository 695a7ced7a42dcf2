// Protects: a worker gives back what arrives as its machine goes to standby, and stays for tasks that only the counts show.
import { expect } from 'chai';
import type { Delivery, Receipt, TaskQueue } from '../../src/ports/task-queue.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { until } from '../support/until.ts';
import {
  deliveryOf,
  makeClient,
  makeContext,
  makeDeparture,
  makeDispatcher,
  makeIntake,
  makePlatform,
  makeQueue,
} from './worker-context.ts';

const LEASE = 15;
const delivery = (receipt: string): Delivery =>
  deliveryOf({ job: 'claims', step: 'price', task: 0, round: 0 }, { receipt: receipt as Receipt });

describe('the intake of a worker', () => {
  /** Without messages, a poll lasts until the worker leaves. */
  const endless: TaskQueue['receive'] = ({ signal }) =>
    new Promise((resolve) => {
      signal?.addEventListener('abort', () => resolve([]));
    });

  it('releases at once what a poll brings that ends in standby, and offers nothing of it', async () => {
    const released: (readonly [Receipt, number])[] = [];
    let [standby, offered] = [false, 0];
    const polls = [
      async (): Promise<readonly Delivery[]> => {
        standby = true;
        return [delivery('a'), delivery('b')];
      },
    ];
    const client = makeClient({
      receive: (options) => (polls.shift() ?? (() => endless(options)))(),
      release: async (releases) => {
        for (const { receipt, delay } of releases) released.push([receipt, delay]);
      },
    });
    const platform = makePlatform();
    const departure = makeDeparture(platform);
    const dispatcher = makeDispatcher(makeContext(platform));
    dispatcher.offer = async () => {
      offered += 1;
      return false;
    };
    const intake = makeIntake(platform, dispatcher, {
      client: async () => client,
      departure,
      isInStandby: () => standby,
    });
    const running = intake.run();
    await until('both are released', () => released.length === 2);
    departure.leave('asked to drain');
    await running;
    expect(released).to.deep.equal([
      ['a', 0],
      ['b', 0],
    ]);
    expect(offered).to.equal(0);
  });

  it('stays for one lease while the store is done and the counts, which may lag, are not zero', async () => {
    const clock = new FakeClock();
    let visible = 1;
    const queue = makeQueue({ readCounts: async () => ({ visible, leased: 0, delayed: 0 }) });
    const platform = makePlatform({ clock, leaseSeconds: LEASE, queue: async () => queue });
    const leavesAfter = async (...seconds: readonly number[]): Promise<readonly boolean[]> => {
      const intake = makeIntake(platform, makeDispatcher(makeContext(platform)), {
        options: { groups: ['default'], untilEmpty: true, idleExit: null },
        client: async () => makeClient({ receive: endless }),
      });
      let isLeft = false;
      void intake.run().then(() => {
        isLeft = true;
      });
      const seen: boolean[] = [];
      for (const each of seconds) {
        clock.pass(each);
        await intake.considerLeaving();
        await new Promise(setImmediate);
        seen.push(isLeft);
      }
      return seen;
    };
    expect(await leavesAfter(2, LEASE - 1, 1.5)).to.deep.equal([false, false, true]);
    visible = 0;
    expect(await leavesAfter(2)).to.deep.equal([true]);
  });
});
