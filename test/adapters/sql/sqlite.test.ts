// Protects: the SQLite ledger loses no acknowledged record when processes die, and reports a full, locked or damaged file.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import Big from 'big.js';
import { expect } from 'chai';
import { sql } from 'kysely';
import { SqlDatabase } from '../../../src/adapters/sql/database.ts';
import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import { sqliteDialect } from '../../../src/adapters/sql/sqlite.ts';
import { openSqlite, type Sqlite } from '../../../src/lib/sqlite.ts';
import type { Ledger } from '../../../src/ports/ledger.ts';
import { event, job } from '../../contracts/ledger-events.ts';
import { bundled } from '../../support/run/bundled.ts';

const WRITER = bundled(join(import.meta.dirname, 'fixtures/ledger-writer.ts'));
type Writer = ChildProcessByStdio<Writable, Readable, null>;

describe('the SQLite ledger', () => {
  let directory: string;
  let file: string;
  const ends: (() => unknown)[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'batchctl-sqlite-'));
    file = join(directory, 'ledger.db');
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    rmSync(directory, { recursive: true });
  });

  async function opened(lockWaitMs = 10_000, durability: 'process' | 'power' = 'process'): Promise<Ledger> {
    const ledger = openSqlLedger({ dialect: 'sqlite', file, durability, writer: 'w1', lockWaitMs });
    ends.push(() => ledger.close());
    await ledger.open();
    return ledger;
  }

  function rawDatabase(): Sqlite {
    const database = openSqlite(file, { busyMs: 5_000 });
    ends.push(() => database.close());
    return database;
  }

  function start(mode: 'open' | 'flood', writer: string): Writer {
    const child = spawn(process.execPath, [WRITER, mode, file, writer], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    ends.push(() => child.kill('SIGKILL'));
    return child;
  }

  /** By its field: the test runner may load the errors' module twice, once for lazily imported adapters. */
  const kindOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'none',
      (error: unknown) => (error instanceof Error && 'kind' in error ? String(error.kind) : String(error)),
    );

  it('is created by four processes at once, and none of their records is lost', async () => {
    const children = ['1', '2', '3', '4'].map((writer) => start('open', writer));
    await Promise.all(children.map((child) => once(child.stdout, 'data')));
    const exits = children.map((child) => once(child, 'exit'));
    for (const child of children) child.stdin.write('go\n');
    expect((await Promise.all(exits)).map(([code]) => code)).to.deep.equal([0, 0, 0, 0]);
    expect((await (await opened()).counts('claims-1'))[0]).to.include({ done: 4 });
  });

  it('has sums that agree with its rows, and everything acknowledged, when its writers are killed', async () => {
    const children = ['w8', 'w9'].map((writer) => start('flood', writer));
    const acknowledged = await Promise.all(
      children.map(async (child, index) => {
        let last = 0;
        for await (const line of createInterface({ input: child.stdout })) {
          last = Number(line);
          if (last >= 3000 * (index + 1)) child.kill('SIGKILL');
        }
        return last;
      }),
    );
    const ledger = await opened();
    const tasks = await ledger.tasks('claims-1', { limit: 10_000_000 });
    const done = tasks.filter((task) => task.state === 'done').length;
    expect(tasks.length).to.be.at.least(Math.max(...acknowledged));
    expect(tasks.length % 500).to.equal(0);
    expect(done).to.equal(tasks.length * 0.9);
    expect((await ledger.counts('claims-1'))[0]).to.deep.include({
      running: 0,
      done,
      retried: tasks.length - done,
      bytesIn: done * 3,
      seconds: done,
      counters: { sum: Big(done).div(10).toFixed() },
    });
    expect(rawDatabase().pragma('integrity_check')).to.equal('ok');
  });

  it('computes counts from the sums alone, for any number of tasks', async () => {
    const ledger = await opened();
    await ledger.record(Array.from({ length: 700 }, (_, task) => event('done', task)));
    rawDatabase().exec('delete from tasks; delete from attempts');
    expect((await ledger.counts('claims-1'))[0]).to.include({ done: 700 });
    expect(rawDatabase().prepare('select count(*) from step_counts').pluck().get()).to.equal(1);
  });

  it('records a flush in one transaction, whatever its size and number of steps', async () => {
    const ledger = await opened();
    const reader = rawDatabase();
    const version = (): unknown => reader.pragma('data_version');
    const all = Array.from({ length: 3000 }, (_, task) => event('done', task, { step: `s${task % 7}` }));
    const before = Number(version());
    await ledger.record(all);
    expect(version()).to.equal(before + 1);
    expect(reader.prepare('select count(*) from attempts').pluck().get()).to.equal(3000);
  });

  it('opens tables of a later version only if those say that it can', async () => {
    await (await opened()).close();
    const raw = rawDatabase();
    raw.exec('insert into ledger_schema values (7, 1, 0)');
    expect(await kindOf(opened())).to.equal('none');
    raw.exec('update ledger_schema set compatible = 5 where version = 7');
    expect(await kindOf(opened())).to.equal('newer');
  });

  it('opens an up-to-date file without writing', async () => {
    await (await opened()).close();
    const raw = rawDatabase();
    raw.exec('begin immediate');
    expect(await kindOf(opened(50))).to.equal('none');
    raw.exec('rollback');
  });

  it('reports a file that is not a database as corrupt', async () => {
    writeFileSync(file, 'claims,amount\n'.repeat(1000));
    expect(await kindOf(opened())).to.equal('corrupt');
  });

  it('is unavailable while another process locks it, and works again when it is free', async () => {
    const ledger = await opened(60);
    const raw = rawDatabase();
    raw.exec('begin immediate');
    expect(await kindOf(ledger.record([event('done', 1)]))).to.equal('unavailable');
    expect(await ledger.counts('claims-1')).to.deep.equal([]);
    raw.exec('rollback');
    await ledger.record([event('done', 1)]);
    expect((await ledger.counts('claims-1'))[0]).to.include({ done: 1 });
  });

  it('waits for a writer that finishes soon', async () => {
    const ledger = await opened();
    const raw = rawDatabase();
    raw.exec('begin immediate');
    const recorded = ledger.recordJob(job());
    setImmediate(() => raw.exec('commit'));
    expect(await kindOf(recorded)).to.equal('none');
  });

  it('is full, without keeping part of a transaction, if there is no space, and works again when there is', async () => {
    const database = await SqlDatabase.open(sqliteDialect({ file, durability: 'process' }), 50, 0);
    ends.push(() => database.close());
    const pages = (count: number) => database.read((db) => sql.raw(`pragma max_page_count = ${count}`).execute(db));
    const fill = (size: number) =>
      database.write(async (transaction) => {
        await transaction.insertInto('job_labels').values({ job: 'j', name: 'first', value: '' }).execute();
        await transaction
          .insertInto('job_labels')
          .values({ job: 'j', name: 'a', value: 'x'.repeat(size) })
          .execute();
      });
    await pages(1);
    expect(await kindOf(fill(1_000_000))).to.equal('full');
    await pages(1_000_000);
    expect(await kindOf(fill(1_000_000))).to.equal('none');
  });

  it('waits briefly once a lock has outlasted a full wait, and fully again after a successful write', async () => {
    const ledger = await opened(3_000);
    const locker = rawDatabase();
    const waited = async (): Promise<number> => {
      const start = performance.now();
      expect(await kindOf(ledger.recordJob(job()))).to.equal('unavailable');
      return performance.now() - start;
    };
    locker.exec('begin immediate');
    const [first, second] = [await waited(), await waited()];
    expect(first).to.be.at.least(3_000);
    expect(second).to.be.below(first);
    locker.exec('rollback');
    await ledger.recordJob(job());
    locker.exec('begin immediate');
    expect(await waited()).to.be.at.least(3_000);
  });

  it('syncs each commit only when it must survive a loss of power', async () => {
    for (const [durability, level] of [
      ['process', 1],
      ['power', 2],
    ] as const) {
      const database = await SqlDatabase.open(sqliteDialect({ file, durability }), 50, 0);
      const { rows } = await database.read((db) => sql`pragma synchronous`.execute(db));
      expect(rows).to.deep.equal([{ synchronous: level }]);
      await database.close();
    }
  });

  it('reports use after closing, and may be closed and opened again', async () => {
    const ledger = await opened();
    await ledger.close();
    await ledger.close();
    expect(await kindOf(ledger.counts('claims-1'))).to.equal('unexpected');
    await ledger.open();
    expect(await ledger.counts('claims-1')).to.deep.equal([]);
  });

  it("is unavailable if its directory can't be created", async () => {
    writeFileSync(join(directory, 'taken'), '');
    file = join(directory, 'taken', 'ledger.db');
    expect(await kindOf(opened())).to.equal('unavailable');
  });
});
