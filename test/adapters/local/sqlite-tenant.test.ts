// Protects: `why` knows how many tasks of a job wait, run or are delayed in the local queue, and until when.

import { expect } from 'chai';
import { openSqliteQueue } from '../../../src/adapters/local/sqlite-queue.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { Scratch } from '../../support/scratch.ts';

describe("a tenant's messages in the SQLite queue", () => {
  const scratch = forEachTest(() => new Scratch());
  const clock = forEachTest(() => new FakeClock(1_000_000));
  const queue = forEachTest(() =>
    openSqliteQueue({ root: scratch.directory, group: 'default', holder: 'w-1', clock, leaseSeconds: 10 }),
  );
  const NONE = { visible: 0, leased: 0, leaseEnd: null, delayed: 0, nextDue: null, lastDue: null, delayedBodies: [] };

  it('are none for a tenant that never sent any', async () => {
    expect(await queue.ofTenant('a')).to.deep.equal(NONE);
  });

  it('are counted separately from those of others, as visible, leased or delayed and until when', async () => {
    await queue.send([
      { body: '1', tenant: 'a' },
      { body: '2', tenant: 'a' },
      { body: '3', tenant: 'a', delay: 60 },
      { body: '4', tenant: 'a', delay: 30 },
      { body: '5', tenant: 'b' },
    ]);
    expect(await queue.ofTenant('a')).to.deep.equal({
      visible: 2,
      leased: 0,
      leaseEnd: null,
      delayed: 2,
      nextDue: 1_030_000,
      lastDue: 1_060_000,
      delayedBodies: ['4', '3'],
    });
    expect(await queue.ofTenant('b')).to.deep.equal({ ...NONE, visible: 1 });
  });

  it('show the bodies of those that are due first, of many', async () => {
    const delays = Array.from({ length: 30 }, (_, n) => ((n * 7) % 30) + 1);
    await queue.send(delays.map((delay) => ({ body: `${delay}`, tenant: 'a', delay })));
    const { delayedBodies } = await queue.ofTenant('a');
    expect(delayedBodies).to.deep.equal(Array.from({ length: 20 }, (_, n) => `${n + 1}`));
  });

  it('count as visible again once their lease expired or their delay is over', async () => {
    await queue.send([
      { body: '1', tenant: 'a' },
      { body: '2', tenant: 'a', delay: 5 },
    ]);
    await queue.receive({ max: 5, waitSeconds: 0 });
    expect(await queue.ofTenant('a')).to.include({ visible: 0, leased: 1, leaseEnd: 1_010_000, delayed: 1 });
    clock.pass(6);
    expect(await queue.ofTenant('a')).to.include({ visible: 1, leased: 1, delayed: 0, nextDue: null });
    clock.pass(6);
    expect(await queue.ofTenant('a')).to.include({ visible: 2, leased: 0, leaseEnd: null });
  });
});
