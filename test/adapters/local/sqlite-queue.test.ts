// Protects: the local queue delivers tasks fairly, loses none, and reports a locked, damaged or newer file.

import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import {
  openSqliteQueue,
  type SqliteQueue,
  type SqliteQueueOptions,
} from '../../../src/adapters/local/sqlite-queue.ts';
import { openSqlite, type Sqlite } from '../../../src/lib/sqlite.ts';
import type { Delivery } from '../../../src/ports/task-queue.ts';
import { bodiesOf, burialsOf, messages, receiptsOf } from '../../contracts/queue-messages.ts';
import { taskQueueContract } from '../../contracts/task-queue.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { collect } from '../../support/collect.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';

taskQueueContract('sqlite', async () => {
  const scratch = new Scratch();
  const clock = new FakeClock();
  const open = (holder: string) => openSqliteQueue({ root: scratch.directory, group: 'default', holder, clock });
  const [queue, other] = [await open('w-1'), await open('w-2')];
  return {
    queue,
    other,
    pass: async (seconds) => clock.pass(seconds),
    close: async () => {
      await queue.close();
      await other.close();
      scratch.remove();
    },
  };
});

describe('the SQLite queue', () => {
  const scratch = forEachTest(() => new Scratch());
  const clock = forEachTest(() => new FakeClock());
  const cleanup = forEachTest(() => new Cleanup());

  const open = async (options: Partial<SqliteQueueOptions> = {}): Promise<SqliteQueue> =>
    cleanup.use(await openSqliteQueue({ root: scratch.directory, group: 'default', holder: 'w-1', clock, ...options }));
  const openRaw = (): Sqlite => cleanup.use(openSqlite(scratch.path('queue.db'), { busyMs: 5_000 }));
  const send = (queue: SqliteQueue, tenant: string, count: number) => queue.send(messages(count, tenant, tenant));
  const take = (queue: SqliteQueue, max: number) => queue.receive({ max, waitSeconds: 0 });
  const takeOne = async (queue: SqliteQueue): Promise<Delivery> => {
    const [delivery] = await take(queue, 1);
    return delivery ?? expect.fail('no message was received');
  };
  const tenantsOf = (deliveries: readonly Delivery[]) => bodiesOf(deliveries).map((body) => body.split(' ')[0]);
  const bury = (queue: SqliteQueue, deliveries: readonly Delivery[]) => queue.bury(burialsOf(deliveries));
  const deadBodies = async (queue: SqliteQueue, limit = 10_000) =>
    (await collect(queue.dead({ limit }))).map(({ body }) => body);

  it('gives tenants equal shares of one receive, however many messages each has waiting', async () => {
    const queue = await open();
    await send(queue, 'big', 3000);
    await send(queue, 'small', 3);
    await send(queue, 'middle', 50);
    const shares = ['big', 'middle', 'small'].flatMap((tenant) => Array(3).fill(tenant));
    expect(tenantsOf(await take(queue, 9))).to.deep.equal(shares);
    expect(tenantsOf(await take(queue, 10)).filter((tenant) => tenant === 'big')).to.have.length(5);
  });

  it('alternates tenants from receive to receive', async () => {
    const queue = await open();
    await send(queue, 'a', 100);
    await send(queue, 'b', 100);
    await send(queue, 'c', 100);
    const received = [];
    for (let n = 0; n < 6; n += 1) received.push(await takeOne(queue));
    expect(tenantsOf(received)).to.deep.equal(['a', 'a', 'b', 'b', 'c', 'c']);
  });

  it('fills a receive from tenants that have more when others have little', async () => {
    const queue = await open();
    await send(queue, 'a', 1);
    await send(queue, 'b', 200);
    expect(await take(queue, 100)).to.have.length(100);
  });

  it('delivers messages of a dead worker before those that never ran', async () => {
    const queue = await open();
    await send(queue, 'a', 1000);
    const held = await take(queue, 5);
    clock.pass(16);
    const again = await take(queue, 5);
    expect(bodiesOf(again)).to.deep.equal(bodiesOf(held));
  });

  it('releases at once all messages of one holder, and none of others', async () => {
    const queue = await open();
    const other = await open({ holder: 'w-2' });
    await send(queue, 'a', 10);
    const dead = await take(queue, 4);
    const alive = await take(other, 3);
    expect(await other.releaseHeldBy('w-1')).to.equal(4);
    expect(await other.backlog()).to.include({ visible: 7, leased: 3 });
    expect(await queue.extend(receiptsOf(dead))).to.deep.equal(Array(4).fill('lost'));
    expect(await other.extend(receiptsOf(alive))).to.deep.equal(Array(3).fill('extended'));
    expect(await take(other, 10)).to.have.length(7);
  });

  it('keeps groups apart in one file', async () => {
    const queue = await open();
    const gpu = await open({ group: 'gpu' });
    await send(queue, 'a', 2);
    await send(gpu, 'a', 3);
    expect(await take(gpu, 10)).to.have.length(3);
    expect((await queue.backlog()).visible).to.equal(2);
    expect(await gpu.purge({})).to.equal(0);
    expect(await queue.purge({})).to.equal(2);
  });

  it('never accepts the receipt of a deleted message for a later one', async () => {
    const queue = await open();
    await send(queue, 'a', 1);
    const first = await takeOne(queue);
    await queue.ack([first.receipt]);
    await send(queue, 'b', 1);
    const later = await takeOne(queue);
    await queue.ack([first.receipt]);
    expect(await queue.extend([later.receipt])).to.deep.equal(['extended']);
  });

  it('hides no undelayed message when the wall clock steps back', async () => {
    const queue = await open();
    await send(queue, 'a', 2);
    const { receipt } = await takeOne(queue);
    clock.set(clock.now() - 3_600_000);
    await queue.release([{ receipt, delay: 0 }]);
    expect(await take(queue, 5)).to.have.length(2);
  });

  it('purges matching messages, including delayed ones, and leaves leased ones', async () => {
    const queue = await open();
    await send(queue, 'a', 2500);
    await send(queue, 'b', 10);
    await queue.send([{ body: 'a later', tenant: 'a', delay: 60 }]);
    await take(queue, 6);
    const purged = await queue.purge({ match: (body) => body.startsWith('a ') });
    expect(purged).to.equal(2500 + 1 - 3);
    expect(await queue.backlog()).to.include({ visible: 7, leased: 6, delayed: 0, dead: 0 });
  });

  it('purges messages whose lease expired, and nothing that was sent after the purge began', async () => {
    const queue = await open();
    await send(queue, 'a', 3);
    await take(queue, 1);
    clock.pass(15);
    let sends = 0;
    const match = (): boolean => {
      // Sent at once: SQLite's calls don't wait.
      if (sends === 0) void queue.send([{ body: 'late', tenant: 'a' }]);
      sends += 1;
      return true;
    };
    expect(await queue.purge({ match })).to.equal(3);
    expect(bodiesOf(await take(queue, 9))).to.deep.equal(['late']);
  });

  it('redrives no letter that was buried after it began, so that one that fails again does not loop', async () => {
    const queue = await open();
    await send(queue, 'a', 1_002);
    const last = await takeOne(queue);
    await bury(queue, await take(queue, 1_001));
    let isBuried = false;
    const match = (): boolean => {
      if (!isBuried) void bury(queue, [last]);
      isBuried = true;
      return true;
    };
    // These are more than a page, so that the last letter would be on the next one.
    expect(await queue.redrive({ match })).to.equal(1_001);
    expect((await queue.backlog()).dead).to.equal(1);
  });

  it('applies the limit of a redrive to all pages together, and sends no letter that another process has already sent', async () => {
    const queue = await open();
    await send(queue, 'a', 1_002);
    await bury(queue, await take(queue, 1_002));
    let seen = 0;
    // Matches one letter of the first page, and two of the next.
    const match = (): boolean => {
      seen += 1;
      return seen === 1 || seen > 1_000;
    };
    expect(await queue.redrive({ match, limit: 2 })).to.equal(2);
    const another = openRaw();
    const deleteFirst = (): boolean => {
      another.prepare('DELETE FROM dead WHERE id = (SELECT min(id) FROM dead)').run();
      return true;
    };
    let calls = 0;
    expect(await queue.redrive({ match: () => calls++ === 0 && deleteFirst() })).to.equal(0);
    expect((await queue.backlog()).visible).to.equal(2);
    const left = await deadBodies(queue);
    expect([left.length, new Set(left).size]).to.deep.equal([999, 999]);
  });

  it('forgets a job whose messages are gone', async () => {
    const queue = await open();
    await send(queue, 'a', 2);
    await queue.ack(receiptsOf(await take(queue, 2)));
    expect(openRaw().prepare('SELECT count(*) AS lanes FROM lanes').get()).to.deep.equal({ lanes: 0 });
  });

  it('buries nothing with a stale receipt: the worker that now has the message settles it', async () => {
    const queue = await open();
    await send(queue, 'a', 1);
    const stale = await takeOne(queue);
    clock.pass(15);
    expect(await queue.backlog(), 'its lease has expired').to.include({ visible: 1, leased: 0 });
    const held = await takeOne(queue);
    await bury(queue, [stale]);
    expect(await queue.backlog()).to.include({ dead: 0, leased: 1 });
    await bury(queue, [held]);
    expect(await queue.backlog()).to.include({ dead: 1, leased: 0, visible: 0 });
  });

  it('redrives at most the limit, oldest first', async () => {
    const queue = await open();
    await send(queue, 'a', 5);
    for (const delivery of await take(queue, 5)) await bury(queue, [delivery]);
    expect(await queue.redrive({ limit: 2 })).to.equal(2);
    expect(bodiesOf(await take(queue, 5))).to.deep.equal(['a 0', 'a 1']);
    expect(await deadBodies(queue, 2)).to.deep.equal(['a 2', 'a 3']);
  });

  it('reports the age of the oldest waiting message', async () => {
    const queue = await open();
    expect((await queue.backlog()).oldestSeconds).to.equal(null);
    await send(queue, 'a', 1);
    clock.pass(90);
    await send(queue, 'b', 1);
    expect((await queue.backlog()).oldestSeconds).to.equal(90);
  });

  it('wakes a waiting receive when a lease expires', async () => {
    const queue = await open();
    await send(queue, 'a', 1);
    await take(queue, 1);
    const waiting = queue.receive({ max: 1, waitSeconds: 20 });
    clock.pass(16);
    expect(await waiting).to.have.length(1);
  });

  it('reports a database that stays locked as unavailable, and continues when it is free', async () => {
    const queue = await open({ lockWaitMs: 50 });
    const locker = openRaw();
    locker.exec('BEGIN IMMEDIATE');
    await failsWith('unavailable', queue.receive({ max: 1, waitSeconds: 0 }));
    await failsWith('unavailable', send(queue, 'a', 1));
    locker.exec('ROLLBACK');
    await send(queue, 'a', 1);
    expect(await take(queue, 5)).to.have.length(1);
  });

  it('refuses a file of a later version', async () => {
    await send(await open(), 'a', 1);
    openRaw().exec('PRAGMA user_version = 2');
    await failsWith('newer', open());
  });

  it('reports a file that is not a database as corrupt', async () => {
    writeFileSync(scratch.path('queue.db'), 'not a database, but long enough to be read'.repeat(100));
    await failsWith('corrupt', open());
  });

  it("is unavailable if its directory can't be created", async () => {
    writeFileSync(scratch.path('file'), '');
    await failsWith('unavailable', open({ root: scratch.path('file', 'below') }));
  });

  it('keeps its messages with durability power', async () => {
    await send(await open({ durability: 'power' }), 'a', 3);
    expect(await take(await open(), 5)).to.have.length(3);
  });

  it('returns a released message after its delay in seconds, and not before', async () => {
    const queue = await open({ leaseSeconds: 3_600 });
    await send(queue, 'a', 1);
    await queue.release([{ receipt: (await takeOne(queue)).receipt, delay: 90 }]);
    clock.pass(89.9);
    expect(await take(queue, 1)).to.deep.equal([]);
    clock.pass(0.1);
    const { receipt } = await takeOne(queue);
    await queue.release([{ receipt, delay: 0 }]);
    expect(await take(queue, 1)).to.have.length(1);
  });

  it('rejects a delay that SQS would reject', async () => {
    const queue = await open();
    for (const delay of [901, -1, Number.NaN])
      await failsWith('unexpected', queue.send([{ body: 'x', tenant: 'a', delay }]));
    await queue.send([{ body: 'x', tenant: 'a', delay: 900 }]);
  });

  it('delivers nothing once it is closed, and ends a waiting receive', async () => {
    const queue = await open();
    const waiting = queue.receive({ max: 1, waitSeconds: 20 });
    await queue.close();
    expect(await waiting).to.have.length(0);
  });
});
