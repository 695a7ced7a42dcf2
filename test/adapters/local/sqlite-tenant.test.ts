// Protects: `why` knows how many tasks of a job wait, run or are delayed in the local queue, and until when.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openSqliteQueue, type SqliteQueue } from '../../../src/adapters/local/sqlite-queue.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe("a tenant's messages in the SQLite queue", () => {
  let root: string;
  let clock: FakeClock;
  let queue: SqliteQueue;
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'batchctl-tenant-'));
    clock = new FakeClock(1_000_000);
    queue = await openSqliteQueue({ root, group: 'default', holder: 'w-1', clock, leaseSeconds: 10 });
  });
  afterEach(async () => {
    await queue.close();
    rmSync(root, { recursive: true });
  });
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
      ...{ visible: 2, leased: 0, leaseEnd: null, delayed: 2 },
      ...{ nextDue: 1_030_000, lastDue: 1_060_000, delayedBodies: ['4', '3'] },
    });
    expect(await queue.ofTenant('b')).to.deep.equal({ ...NONE, visible: 1 });
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
