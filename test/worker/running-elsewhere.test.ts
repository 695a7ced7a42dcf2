// Protects: a copy of a message whose task a live worker runs starts no second attempt, and the task of a dead worker waits
// for no one.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { tryKey } from '../../src/model/keys.ts';
import type { AttemptEvent, LedgerWorker } from '../../src/model/ledger/records.ts';
import type { Ledger } from '../../src/ports/ledger.ts';
import type { Receipt } from '../../src/ports/task-queue.ts';
import { RunningElsewhere } from '../../src/worker/running-elsewhere.ts';
import type { SettleItem } from '../../src/worker/settle.ts';
import { event, T0, worker } from '../contracts/ledger-events.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { withMethods } from '../support/with-methods.ts';
import { deliveryOf, makeClient, makeContext, makeDispatcher } from './worker-context.ts';

const LEASE = 120;
const MESSAGE = { job: 'claims-1', step: 'price', task: 7, round: 1 };

describe('whether another worker runs a task that is delivered again', () => {
  const place = forEachTest(openPlace);

  /** What worker w1 finds `seconds` after the last heartbeat of w2, which ran the task in round 1. */
  async function finds(
    seconds: number,
    sign: Partial<LedgerWorker> = {},
    attempt: Partial<AttemptEvent> = {},
    self = 'w1',
  ): Promise<boolean> {
    const ledger = await place.platform.ledger();
    await ledger.record([event('running', 7, { round: 1, worker: 'w2', ...attempt })]);
    await ledger.heartbeat(worker({ worker: 'w2', state: 'busy', busy: ['claims-1/price/7'], seenAt: T0, ...sign }));
    const clock = { now: () => T0 + seconds * 1_000 };
    const options = { ledger: async () => ledger, clock, leaseSeconds: LEASE, worker: self };
    return new RunningElsewhere(options).has(MESSAGE);
  }

  it('is answered by its last heartbeat while that is younger than half a lease', async () => {
    expect(await finds(0)).to.equal(true);
    expect(await finds(59)).to.equal(true);
  });

  it('is denied once the worker is dead: then its lease has expired, and its last heartbeat is older', async () => {
    expect(await finds(60)).to.equal(false);
    expect(await finds(0.6 * LEASE)).to.equal(false);
  });

  it('is denied if the clock of the other worker is wrong', async () => {
    expect(await finds(-19)).to.equal(true);
    expect(await finds(-20)).to.equal(false);
  });

  for (const [what, sign, attempt, self] of [
    ['has gone', { state: 'gone' }, {}, 'w1'],
    ['is this one', {}, {}, 'w2'],
    ['runs another task', { busy: ['claims-1/price/70'] }, {}, 'w1'],
    ['has returned it since its heartbeat', {}, { outcome: 'interrupted', endedAt: T0 }, 'w1'],
    ['ran it in another round', {}, { round: 0 }, 'w1'],
    ['is not the one whose attempt the ledger knows', {}, { worker: 'w3' }, 'w1'],
  ] as const)
    it(`is denied if the worker ${what}`, async () => {
      expect(await finds(0, sign, attempt, self)).to.equal(false);
    });

  it('is denied while the ledger is away', async () => {
    const away = async (): Promise<never> => {
      throw new BatchctlError('unavailable', 'the ledger is away');
    };
    const options = { ledger: away, clock: { now: () => T0 }, leaseSeconds: LEASE, worker: 'w1' };
    expect(await new RunningElsewhere(options).has(MESSAGE)).to.equal(false);
  });

  it('is read once for many tasks that return at the same time, and again ten seconds later', async () => {
    const ledger = await place.platform.ledger();
    await ledger.heartbeat(worker({ worker: 'w2', state: 'busy', busy: ['claims-1/price/7'], seenAt: T0 }));
    let [reads, now] = [0, T0];
    const workers: Ledger['workers'] = async (filter) => {
      reads += 1;
      return ledger.workers(filter);
    };
    const counted = withMethods(ledger, { workers });
    const options = { ledger: async () => counted, clock: { now: () => now }, leaseSeconds: LEASE, worker: 'w1' };
    const elsewhere = new RunningElsewhere(options);
    for (let task = 0; task < 20; task += 1) await elsewhere.has({ ...MESSAGE, task });
    expect(reads).to.equal(1);
    now += 9_999;
    await elsewhere.has(MESSAGE);
    expect(reads).to.equal(1);
    now += 1;
    await elsewhere.has(MESSAGE);
    expect(reads).to.equal(2);
  });
});

describe('a delivery of a task that another worker runs', () => {
  const place = forEachTest(openPlace);

  it('is returned for a third of a lease; a first one, and a retry, ask nothing', async () => {
    const view = await submitJob(place, JSON.stringify(rangeJob('claims', 2, { name: 'price', run: 'cat' })), {});
    const { job } = view.record;
    const settled: SettleItem[] = [];
    let asked = 0;
    const dispatcher = makeDispatcher(makeContext(place.platform, { total: { slots: 0, memory: 1e9, disk: 1e9 } }), {
      settle: (item) => settled.push(item),
      leaseSeconds: LEASE,
      runsElsewhere: async () => {
        asked += 1;
        return true;
      },
    });
    const deliver = (receiveCount: number, task = 0) =>
      dispatcher.offer(makeClient(), [
        deliveryOf(
          { job, step: 'price', task, round: 0 },
          { receiveCount, receipt: `${task}.${receiveCount}` as Receipt },
        ),
      ]);
    await deliver(2);
    expect(settled.map(({ outcome }) => outcome)).to.deep.equal([{ kind: 'declined', why: 'busy', delay: 40 }]);
    expect(asked).to.equal(1);
    await deliver(1);
    const failed = { format: 1, number: 1, reason: 'exit', exitCode: 1, error: null, worker: 'w2' };
    await place.platform.store.put(tryKey(job, 'price', 1, 0, 'a'), JSON.stringify(failed));
    await deliver(2, 1);
    expect(asked, 'a first delivery, and a retry').to.equal(1);
    await deliver(3, 1);
    expect(asked, 'one delivery more than failed attempts').to.equal(2);
  });
});
