// Protects: the local queue delivers tasks fairly, loses none, and reports a locked, damaged or newer file.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  openSqliteQueue,
  type SqliteQueue,
  type SqliteQueueOptions,
} from '../../../src/adapters/local/sqlite-queue.ts';
import { isKind } from '../../../src/errors.ts';
import { openSqlite } from '../../../src/lib/sqlite.ts';
import { taskQueueContract } from '../../contracts/task-queue.ts';
import { FakeClock } from '../../support/fake-clock.ts';

taskQueueContract('sqlite', async () => {
  const root = mkdtempSync(join(tmpdir(), 'batchctl-queue-'));
  const clock = new FakeClock();
  const queue = await openSqliteQueue({ root, group: 'default', holder: 'w-1', clock });
  const other = await openSqliteQueue({ root, group: 'default', holder: 'w-2', clock });
  return {
    queue,
    other,
    pass: async (seconds) => clock.pass(seconds),
    close: async () => {
      await queue.close();
      await other.close();
      rmSync(root, { recursive: true });
    },
  };
});

describe('the SQLite queue', () => {
  let root: string;
  let clock: FakeClock;
  let opened: SqliteQueue[];

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'batchctl-queue-'));
    clock = new FakeClock();
    opened = [];
  });
  afterEach(async () => {
    for (const queue of opened) await queue.close();
    rmSync(root, { recursive: true });
  });

  async function open(options: Partial<SqliteQueueOptions> = {}): Promise<SqliteQueue> {
    const queue = await openSqliteQueue({ root, group: 'default', holder: 'w-1', clock, ...options });
    opened.push(queue);
    return queue;
  }

  const messages = (tenant: string, count: number) =>
    Array.from({ length: count }, (_, n) => ({ body: `${tenant} ${n}`, tenant }));
  const take = async (queue: SqliteQueue, max: number) => await queue.receive({ max, waitSeconds: 0 });
  const tenants = (deliveries: readonly { readonly body: string }[]) =>
    deliveries.map(({ body }) => body.split(' ')[0]).sort();
  const kindOf = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    return isKind(error, 'unavailable', 'newer', 'corrupt', 'full', 'unexpected') ? error.kind : error;
  };

  it('gives tenants equal shares of one receive, however many messages each has waiting', async () => {
    const queue = await open();
    await queue.send(messages('big', 3000));
    await queue.send(messages('small', 3));
    await queue.send(messages('middle', 50));
    expect(tenants(await take(queue, 9))).to.deep.equal([
      ...['big', 'big', 'big', 'middle', 'middle', 'middle'],
      ...['small', 'small', 'small'],
    ]);
    expect(tenants(await take(queue, 10)).filter((tenant) => tenant === 'big')).to.have.length(5);
  });

  it('alternates tenants from receive to receive', async () => {
    const queue = await open();
    await queue.send(messages('a', 100));
    await queue.send(messages('b', 100));
    await queue.send(messages('c', 100));
    const taken = [];
    for (let n = 0; n < 6; n += 1) taken.push(...(await take(queue, 1)));
    expect(tenants(taken)).to.deep.equal(['a', 'a', 'b', 'b', 'c', 'c']);
  });

  it('fills a receive from tenants that have more when others have little', async () => {
    const queue = await open();
    await queue.send(messages('a', 1));
    await queue.send(messages('b', 200));
    expect(await take(queue, 100)).to.have.length(100);
  });

  it('delivers messages of a dead worker before those that never ran', async () => {
    const queue = await open();
    await queue.send(messages('a', 1000));
    const held = await take(queue, 5);
    clock.pass(16);
    const again = await take(queue, 5);
    expect(again.map(({ body }) => body).sort()).to.deep.equal(held.map(({ body }) => body).sort());
  });

  it('releases at once all messages of one holder, and none of others', async () => {
    const queue = await open();
    const other = await open({ holder: 'w-2' });
    await queue.send(messages('a', 10));
    const dead = await take(queue, 4);
    const alive = await take(other, 3);
    expect(await other.releaseHeldBy('w-1')).to.equal(4);
    expect(await other.backlog()).to.include({ visible: 7, leased: 3 });
    expect(await queue.extend(dead.map(({ receipt }) => receipt))).to.deep.equal(Array(4).fill('lost'));
    expect(await other.extend(alive.map(({ receipt }) => receipt))).to.deep.equal(Array(3).fill('extended'));
    expect(await take(other, 10)).to.have.length(7);
  });

  it('keeps groups apart in one file', async () => {
    const queue = await open();
    const gpu = await open({ group: 'gpu' });
    await queue.send(messages('a', 2));
    await gpu.send(messages('a', 3));
    expect(await take(gpu, 10)).to.have.length(3);
    expect((await queue.backlog()).visible).to.equal(2);
    expect(await gpu.purge({})).to.equal(0);
    expect(await queue.purge({})).to.equal(2);
  });

  it('never accepts the receipt of a deleted message for a later one', async () => {
    const queue = await open();
    await queue.send(messages('a', 1));
    const [gone] = await take(queue, 1);
    await queue.ack(gone === undefined ? [] : [gone.receipt]);
    await queue.send(messages('b', 1));
    const [later] = await take(queue, 1);
    await queue.ack(gone === undefined ? [] : [gone.receipt]);
    expect(await queue.extend(later === undefined ? [] : [later.receipt])).to.deep.equal(['extended']);
  });

  it('hides no undelayed message when the wall clock steps back', async () => {
    const queue = await open();
    await queue.send(messages('a', 2));
    const [first] = await take(queue, 1);
    clock.set(clock.now() - 3_600_000);
    await queue.release(first === undefined ? [] : [{ receipt: first.receipt, delay: 0 }]);
    expect(await take(queue, 5)).to.have.length(2);
  });

  it('purges matching messages, delayed ones too, and leaves leased ones', async () => {
    const queue = await open();
    await queue.send(messages('a', 2500));
    await queue.send(messages('b', 10));
    await queue.send([{ body: 'a later', tenant: 'a', delay: 60 }]);
    await take(queue, 6);
    const purged = await queue.purge({ match: (body) => body.startsWith('a ') });
    expect(purged).to.equal(2500 + 1 - 3);
    const { oldestSeconds: _, ...counts } = await queue.backlog();
    expect(counts).to.deep.equal({ visible: 7, leased: 6, delayed: 0, dead: 0 });
  });

  it('purges messages whose lease expired, and nothing that was sent after the purge began', async () => {
    const queue = await open();
    await queue.send(messages('a', 3));
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
    expect((await take(queue, 9)).map(({ body }) => body)).to.deep.equal(['late']);
  });

  it('redrives nothing that was buried after it began, so that a letter that fails again does not loop', async () => {
    const queue = await open();
    await queue.send(messages('a', 1_002));
    const [last, ...dead] = await take(queue, 1_002);
    if (last === undefined) return expect.fail('nothing came');
    await queue.bury(dead.map((delivery) => ({ delivery, reason: 'x' })));
    let buried = false;
    const match = (): boolean => {
      if (!buried) void queue.bury([{ delivery: last, reason: 'again' }]);
      buried = true;
      return true;
    };
    // More than a page, so that the last one comes after that.
    expect(await queue.redrive({ match })).to.equal(1_001);
    expect((await queue.backlog()).dead).to.equal(1);
  });

  it('applies the limit of a redrive over all pages, and sends no letter twice that another process has sent back', async () => {
    const queue = await open();
    await queue.send(messages('a', 1_002));
    await queue.bury((await take(queue, 1_002)).map((delivery) => ({ delivery, reason: 'x' })));
    let seen = 0;
    // One of the first page, and two of the next.
    const match = (): boolean => {
      seen += 1;
      return seen === 1 || seen > 1_000;
    };
    expect(await queue.redrive({ match, limit: 2 })).to.equal(2);
    const another = openSqlite(join(root, 'queue.db'), { busyMs: 5_000 });
    const taken = (): boolean => {
      another.prepare('DELETE FROM dead WHERE id = (SELECT min(id) FROM dead)').run();
      return true;
    };
    let asked = 0;
    expect(await queue.redrive({ match: () => asked++ === 0 && taken() })).to.equal(0);
    another.close();
    expect((await queue.backlog()).visible).to.equal(2);
    const left: string[] = [];
    for await (const { body } of queue.dead()) left.push(body);
    expect([left.length, new Set(left).size]).to.deep.equal([999, 999]);
  });

  it('forgets a job whose messages are gone', async () => {
    const queue = await open();
    await queue.send(messages('a', 2));
    await queue.ack((await take(queue, 2)).map(({ receipt }) => receipt));
    const database = openSqlite(join(root, 'queue.db'), { busyMs: 5_000, readOnly: true });
    expect(database.prepare('SELECT count(*) AS lanes FROM lanes').get()).to.deep.equal({ lanes: 0 });
    database.close();
  });

  it('buries nothing with a stale receipt: the worker that now has the message settles it', async () => {
    const queue = await open();
    await queue.send(messages('a', 1));
    const [stale] = await take(queue, 1);
    clock.pass(15);
    expect(await queue.backlog(), 'its lease is over').to.include({ visible: 1, leased: 0 });
    const [held] = await take(queue, 1);
    if (stale === undefined || held === undefined) return expect.fail('nothing came when the lease was over');
    await queue.bury([{ delivery: stale, reason: 'x' }]);
    expect(await queue.backlog()).to.include({ dead: 0, leased: 1 });
    await queue.bury([{ delivery: held, reason: 'x' }]);
    expect(await queue.backlog()).to.include({ dead: 1, leased: 0, visible: 0 });
  });

  it('redrives at most the limit, oldest first', async () => {
    const queue = await open();
    await queue.send(messages('a', 5));
    for (const delivery of await take(queue, 5)) await queue.bury([{ delivery, reason: 'bad' }]);
    expect(await queue.redrive({ limit: 2 })).to.equal(2);
    expect((await take(queue, 5)).map(({ body }) => body).sort()).to.deep.equal(['a 0', 'a 1']);
    const left = [];
    for await (const letter of queue.dead({ limit: 2 })) left.push(letter.body);
    expect(left).to.deep.equal(['a 2', 'a 3']);
  });

  it('reports the age of the oldest waiting message', async () => {
    const queue = await open();
    expect((await queue.backlog()).oldestSeconds).to.equal(null);
    await queue.send(messages('a', 1));
    clock.pass(90);
    await queue.send(messages('b', 1));
    expect((await queue.backlog()).oldestSeconds).to.equal(90);
  });

  it('wakes a waiting receive when a lease expires', async () => {
    const queue = await open();
    await queue.send(messages('a', 1));
    await take(queue, 1);
    const waiting = queue.receive({ max: 1, waitSeconds: 20 });
    clock.pass(16);
    expect(await waiting).to.have.length(1);
  });

  it('reports a database that stays locked as unavailable, and continues when it is free', async () => {
    const queue = await open({ lockWaitMs: 50 });
    const locker = openSqlite(join(root, 'queue.db'), { busyMs: 5_000 });
    locker.exec('BEGIN IMMEDIATE');
    expect(await kindOf(queue.send(messages('a', 1)))).to.equal('unavailable');
    locker.exec('ROLLBACK');
    locker.close();
    await queue.send(messages('a', 1));
    expect(await take(queue, 5)).to.have.length(1);
  });

  it('refuses a file of a later version', async () => {
    await (await open()).send(messages('a', 1));
    const db = openSqlite(join(root, 'queue.db'), { busyMs: 5_000 });
    db.exec('PRAGMA user_version = 2');
    db.close();
    expect(await kindOf(open())).to.equal('newer');
  });

  it('reports a file that is not a database as corrupt', async () => {
    writeFileSync(join(root, 'queue.db'), 'not a database, but long enough to be looked at'.repeat(100));
    expect(await kindOf(open())).to.equal('corrupt');
  });

  it("is unavailable if its directory can't be created", async () => {
    writeFileSync(join(root, 'file'), '');
    expect(await kindOf(open({ root: join(root, 'file', 'below') }))).to.equal('unavailable');
  });

  it('keeps its messages when opened to survive a loss of power', async () => {
    await (await open({ durability: 'power' })).send(messages('a', 3));
    expect(await take(await open(), 5)).to.have.length(3);
  });

  it('rejects a delay that SQS would reject', async () => {
    const queue = await open();
    expect(await kindOf(queue.send([{ body: 'x', tenant: 'a', delay: 901 }]))).to.equal('unexpected');
  });

  it('delivers nothing once it is closed, and ends a waiting receive', async () => {
    const queue = await open();
    const waiting = queue.receive({ max: 1, waitSeconds: 20 });
    await queue.close();
    expect(await waiting).to.have.length(0);
  });
});
