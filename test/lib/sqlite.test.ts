// Protects: both drivers of SQLite behave in the same way. test/bin/install.services.test.ts runs this with every Node that
// batchctl supports, and thus with both.
import { expect } from 'chai';
import { isSqliteBusy, openSqlite, type Sqlite, sqliteCode } from '../../src/lib/sqlite.ts';
import { forEachTest } from '../support/fixture.ts';
import { Scratch } from '../support/scratch.ts';

describe('SQLite, with either driver', () => {
  const scratch = forEachTest(() => new Scratch());
  const connections: Sqlite[] = [];
  let db: Sqlite;
  beforeEach(() => {
    db = connect();
    db.exec('PRAGMA journal_mode = WAL; CREATE TABLE numbers (n INTEGER PRIMARY KEY, name TEXT)');
  });
  afterEach(() => {
    for (const connection of connections.splice(0)) connection.close();
  });

  function connect(options: Partial<Parameters<typeof openSqlite>[1]> = {}): Sqlite {
    const connection = openSqlite(scratch.path('numbers.db'), { busyMs: 0, ...options });
    connections.push(connection);
    return connection;
  }

  function errorOf(work: () => unknown): unknown {
    try {
      work();
    } catch (error) {
      return error;
    }
    return expect.fail('no error was thrown');
  }

  it('returns rows, single values and counts of changes in the same way', () => {
    const insert = db.prepare<[number, string | null]>('INSERT INTO numbers VALUES (?, ?)');
    expect(insert.run(1, 'one').changes).to.equal(1);
    expect(insert.run(2 ** 53 - 1, null)).to.include({ changes: 1, lastInsertRowid: 2 ** 53 - 1 });
    const named = db.prepare<[{ least: number; other?: string }], { n: number }>(
      'SELECT n, name FROM numbers WHERE n >= @least ORDER BY n',
    );
    expect(named.all({ least: 0 }).map((row) => ({ ...row }))).to.deep.equal([
      { n: 1, name: 'one' },
      { n: 2 ** 53 - 1, name: null },
    ]);
    const name = db.prepare<[number], string | null>('SELECT name FROM numbers WHERE n = ?').pluck();
    expect([name.get(1), name.get(2 ** 53 - 1), name.get(3)]).to.deep.equal(['one', null, undefined]);
    const updated = db.prepare<[], number>("UPDATE numbers SET name = 'it' RETURNING n").pluck();
    expect(updated.all()).to.have.members([1, 2 ** 53 - 1]);
    expect(db.pragma('journal_mode')).to.equal('wal');
  });

  it('knows which statements return rows', () => {
    const readers = [
      'SELECT 1',
      'with a as (select 1) select * from a',
      'PRAGMA user_version',
      'delete from numbers returning n',
    ];
    for (const text of readers) expect(db.prepare(text).reader, text).to.equal(true);
    for (const text of ['begin', 'delete from numbers', 'update numbers set n = 1', 'create table more (a)'])
      expect(db.prepare(text).reader, text).to.equal(false);
  });

  it('keeps all of a transaction or nothing of it, even if its commit fails', () => {
    db.transaction('immediate', () => db.exec('INSERT INTO numbers VALUES (1, null)'));
    const error = errorOf(() =>
      db.transaction('immediate', () => {
        db.exec('INSERT INTO numbers VALUES (2, null)');
        throw new Error('no more');
      }),
    );
    expect(error).to.include({ message: 'no more' });
    db.exec('CREATE TABLE parts (n INTEGER REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)');
    const violation = errorOf(() => db.transaction('deferred', () => db.exec('INSERT INTO parts VALUES (9)')));
    expect(sqliteCode(violation)).to.match(/^SQLITE_CONSTRAINT/);
    db.rollback();
    const count = db.prepare('SELECT (SELECT count(*) FROM numbers) + (SELECT count(*) FROM parts)').pluck();
    expect(count.get()).to.equal(1);
  });

  it('is busy at once or after its timeout while another connection writes, and reads meanwhile', () => {
    const other = connect({ busyMs: 100 });
    db.exec('BEGIN IMMEDIATE; INSERT INTO numbers VALUES (1, null)');
    const start = performance.now();
    const busy = errorOf(() => other.transaction('immediate', () => undefined));
    expect(performance.now() - start).to.be.at.least(90);
    expect([isSqliteBusy(busy), sqliteCode(busy)]).to.deep.equal([true, 'SQLITE_BUSY']);
    expect(other.prepare('SELECT count(*) FROM numbers').pluck().get()).to.equal(0);
    db.close();
    expect(db.open).to.equal(false);
    expect(other.transaction('immediate', () => 'free')).to.equal('free');
  });

  it('opens a file that another connection has locked, and is busy only when it reads it', () => {
    db.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
    const other = connect();
    expect(isSqliteBusy(errorOf(() => other.exec('BEGIN EXCLUSIVE')))).to.equal(true);
    db.rollback();
    other.exec('BEGIN EXCLUSIVE');
  });

  it("reports errors by SQLite's names", () => {
    db.exec('PRAGMA max_page_count = 3');
    const fill = () => db.prepare<[string]>('INSERT INTO numbers VALUES (null, ?)').run('x'.repeat(100_000));
    expect(sqliteCode(errorOf(fill))).to.equal('SQLITE_FULL');
    const reader = connect({ readOnly: true });
    expect(sqliteCode(errorOf(() => reader.exec('DELETE FROM numbers')))).to.equal('SQLITE_READONLY');
    expect(sqliteCode(errorOf(() => db.prepare('SELEC')))).to.equal('SQLITE_ERROR');
    expect(sqliteCode(new Error('SQLITE_BUSY'))).to.equal('');
  });
});
