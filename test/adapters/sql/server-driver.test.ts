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
import { rejection } from '../../support/rejection.ts';
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
  let opened: FakeConnection[];
  let pool: ConnectionPool;
  const openPool = (options: Partial<PoolOptions> = {}): void => {
    opened = [];
    const connect = async (): Promise<FakeConnection> => {
      const connection = new FakeConnection();
      opened.push(connection);
      return connection;
    };
    pool = new ConnectionPool({ connect, size: 2, idleMs: 60_000, ageMs: 60_000, ...options });
  };
  /** Takes a connection and returns it. */
  const useConnection = async (isBroken = false): Promise<void> => pool.release(await pool.acquire(), isBroken);
  const driverOf = (connection: FakeConnection, answerMs = 60_000): ServerDriver =>
    new ServerDriver({ connect: async () => connection, begin: 'begin', spoils: () => false, answerMs });
  beforeEach(() => openPool());
  afterEach(() => pool.end());

  it('are opened when needed, and reused', async () => {
    await useConnection();
    await useConnection();
    expect(opened).to.have.length(1);
  });

  it('are never more than allowed: later callers wait, and the longest-waiting one is next', async () => {
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
    expect(opened).to.have.length(2);
  });

  it('are closed if they are returned broken, have died, or are too old', async () => {
    await useConnection(true);
    expect(opened[0]?.ended).to.equal(true);
    await useConnection();
    if (opened[1] !== undefined) opened[1].alive = false;
    await useConnection();
    expect(opened).to.have.length(3);
    await pool.end();
    openPool({ ageMs: 0 });
    await useConnection();
    expect(opened[0]?.ended).to.equal(true);
  });

  it('are closed after a long idle time', async () => {
    openPool({ idleMs: 1 });
    await useConnection();
    await until('it is closed', () => opened[0]?.ended);
    await useConnection();
    expect(opened).to.have.length(2);
  });

  it('free their place if connecting fails', async () => {
    let fail = true;
    openPool({
      size: 1,
      connect: async () => {
        if (fail) throw new Error('refused');
        return new FakeConnection();
      },
    });
    const errors = await Promise.all([rejection(pool.acquire()), rejection(pool.acquire())]);
    expect(errors.map(String)).to.deep.equal(['Error: refused', 'Error: refused']);
    fail = false;
    await useConnection();
  });

  it('are closed at the end, those in use when they are returned, and none is opened after it', async () => {
    const [a, b] = [await pool.acquire(), await pool.acquire()];
    pool.release(a, false);
    await pool.end();
    pool.release(b, false);
    expect(opened.map(({ ended }) => ended)).to.deep.equal([true, true]);
    expect((await rejection(pool.acquire())).message).to.contain('closed');
  });

  it('are cut if a statement gets no answer, without a rollback', async () => {
    const silent = new FakeConnection();
    silent.answer = () => new Promise(() => undefined);
    const driver = driverOf(silent, 5);
    const connection = await driver.acquireConnection();
    const error = await rejection(connection.executeQuery(CompiledQuery.raw('select 1')));
    expect(error).to.be.instanceOf(NoAnswerError);
    await driver.rollbackTransaction(connection);
    await driver.releaseConnection(connection);
    expect(silent.ended).to.equal(true);
    await driver.destroy();
  });

  it('are not reused if rolling back fails, and the first error is the one reported', async () => {
    const broken = new FakeConnection();
    broken.answer = async () => {
      throw new Error('broken');
    };
    const driver = driverOf(broken);
    const connection = await driver.acquireConnection();
    await driver.rollbackTransaction(connection);
    await driver.releaseConnection(connection);
    expect(broken.ended).to.equal(true);
    await driver.destroy();
  });
});
