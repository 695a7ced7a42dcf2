// Protects: database connections are reused within the limit, and broken or unresponsive ones are closed instead of reused.

import { expect } from 'chai';
import { CompiledQuery } from 'kysely';
import {
  ConnectionPool,
  type HeldConnection,
  NoAnswerError,
  type PoolOptions,
  ServerDriver,
} from '../../../src/adapters/sql/server-driver.ts';
import { until } from '../../support/until.ts';

class FakeConnection {
  alive = true;
  ended = false;
  answer: () => Promise<readonly unknown[]> = async () => [];
  query = (): Promise<readonly unknown[]> => this.answer();
  isAlive = (): boolean => this.alive;
  end = async (): Promise<void> => {
    this.ended = true;
  };
  destroy = (): void => {
    this.alive = false;
    this.ended = true;
  };
}

describe('the connections to a database server', () => {
  let made: FakeConnection[];
  let pool: ConnectionPool;
  const poolOf = (more: Partial<PoolOptions> = {}): ConnectionPool => {
    made = [];
    const connect = async (): Promise<FakeConnection> => {
      const connection = new FakeConnection();
      made.push(connection);
      return connection;
    };
    pool = new ConnectionPool({ connect, size: 2, idleMs: 60_000, ageMs: 60_000, ...more });
    return pool;
  };
  afterEach(() => pool.end());

  it('are opened when needed, and reused', async () => {
    poolOf();
    pool.release(await pool.acquire(), false);
    pool.release(await pool.acquire(), false);
    expect(made).to.have.length(1);
  });

  it('are never more than allowed: later callers wait, and the longest-waiting one is next', async () => {
    poolOf();
    const [a, b] = [await pool.acquire(), await pool.acquire()];
    const order: string[] = [];
    const take = async (name: string): Promise<HeldConnection> => {
      const held = await pool.acquire();
      order.push(name);
      return held;
    };
    const [third, fourth] = [take('third'), take('fourth')];
    pool.release(b, false);
    pool.release(await third, false);
    pool.release(await fourth, false);
    pool.release(a, false);
    expect(order).to.deep.equal(['third', 'fourth']);
    expect(made).to.have.length(2);
  });

  it('are closed if they are returned broken, have died, or are too old', async () => {
    poolOf();
    pool.release(await pool.acquire(), true);
    expect(made[0]?.ended).to.equal(true);
    pool.release(await pool.acquire(), false);
    if (made[1] !== undefined) made[1].alive = false;
    pool.release(await pool.acquire(), false);
    expect(made).to.have.length(3);
    await pool.end();
    poolOf({ ageMs: 0 });
    pool.release(await pool.acquire(), false);
    expect(made[0]?.ended).to.equal(true);
  });

  it('are closed after a long idle time', async () => {
    poolOf({ idleMs: 1 });
    pool.release(await pool.acquire(), false);
    await until('it is closed', () => made[0]?.ended);
    pool.release(await pool.acquire(), false);
    expect(made).to.have.length(2);
  });

  it('free their place if connecting fails', async () => {
    let fail = true;
    poolOf({
      size: 1,
      connect: async () => {
        if (fail) throw new Error('refused');
        return new FakeConnection();
      },
    });
    const both = [pool.acquire(), pool.acquire()].map((each) => each.catch((error: unknown) => error));
    expect((await Promise.all(both)).map(String)).to.deep.equal(['Error: refused', 'Error: refused']);
    fail = false;
    pool.release(await pool.acquire(), false);
  });

  it('are closed at the end, those in use when they are returned, and none is opened after it', async () => {
    poolOf();
    const [a, b] = [await pool.acquire(), await pool.acquire()];
    pool.release(a, false);
    await pool.end();
    pool.release(b, false);
    expect(made.map(({ ended }) => ended)).to.deep.equal([true, true]);
    expect(String(await pool.acquire().catch((error: unknown) => error))).to.contain('closed');
  });

  it('are cut if a statement gets no answer, without a rollback', async () => {
    poolOf();
    const silent = new FakeConnection();
    silent.answer = () => new Promise(() => undefined);
    const driver = new ServerDriver({
      ...{ connect: async () => silent, begin: 'begin', spoils: () => false, answerMs: 5 },
    });
    const connection = await driver.acquireConnection();
    const error = await connection.executeQuery(CompiledQuery.raw('select 1')).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(NoAnswerError);
    await driver.rollbackTransaction(connection);
    await driver.releaseConnection(connection);
    expect(silent.ended).to.equal(true);
    await driver.destroy();
  });

  it('are not reused if rolling back fails, and the first error is the one reported', async () => {
    poolOf();
    const broken = new FakeConnection();
    broken.answer = async () => {
      throw new Error('broken');
    };
    const driver = new ServerDriver({ connect: async () => broken, begin: 'begin', spoils: () => false });
    const connection = await driver.acquireConnection();
    await driver.rollbackTransaction(connection);
    await driver.releaseConnection(connection);
    expect(broken.ended).to.equal(true);
    await driver.destroy();
  });
});
