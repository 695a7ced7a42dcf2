// Protects: the SQLite ledger loses no acknowledged record when processes die, and reports a full, locked or damaged file.

import { rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import Big from 'big.js';
import { expect } from 'chai';
import { sql } from 'kysely';
import { SqlDatabase } from '../../../src/adapters/sql/database.ts';
import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import { sqliteDialect } from '../../../src/adapters/sql/sqlite.ts';
import { openSqlite, type Sqlite } from '../../../src/lib/sqlite.ts';
import type { Ledger } from '../../../src/ports/ledger.ts';
import { doneEvents, event, job, readCounts } from '../../contracts/ledger-events.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest } from '../../support/fixture.ts';
import { HeldTime } from '../../support/held-time.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';
import { ChildPrograms, exitCodeOf, fixtureProgram } from '../child-programs.ts';

const WRITER = fixtureProgram(import.meta.dirname, 'ledger-writer');

describe('the SQLite ledger', () => {
  const scratch = forEachTest(() => new Scratch());
  const cleanup = forEachTest(() => new Cleanup());
  const programs = forEachTest(() => new ChildPrograms());
  let file: string;
  beforeEach(() => {
    file = scratch.path('ledger.db');
  });

  async function openLedger(lockWaitMs = 10_000): Promise<Ledger> {
    const ledger = cleanup.use(
      openSqlLedger({ dialect: 'sqlite', file, durability: 'process', writer: 'w1', lockWaitMs }),
    );
    await ledger.open();
    return ledger;
  }

  const openRaw = (): Sqlite => cleanup.use(openSqlite(file, { busyMs: 5_000 }));

  it('is created by four processes at once, and none of their records is lost', async () => {
    const writers = ['1', '2', '3', '4'].map((writer) => ['open', file, writer]);
    const children = await programs.startTogether(WRITER, writers);
    for (const child of children) child.stdin.write('go\n');
    expect(await Promise.all(children.map(exitCodeOf))).to.deep.equal([0, 0, 0, 0]);
    expect(await readCounts(await openLedger())).to.include({ done: 4 });
  });

  it('can be opened once what prevented it is gone', async () => {
    file = scratch.path('data', 'ledger.db');
    writeFileSync(scratch.path('data'), 'a file where a directory should be');
    const ledger = cleanup.use(openSqlLedger({ dialect: 'sqlite', file, durability: 'process', writer: 'w1' }));
    await rejection(ledger.open());
    await failsWith('unexpected', ledger.jobs({}));
    rmSync(scratch.path('data'));
    await ledger.open();
    expect(await ledger.jobs({})).to.deep.equal([]);
  });

  it('has all acknowledged records, and sums that agree with them, after its writers were killed', async () => {
    const children = ['w8', 'w9'].map((writer) => programs.start(WRITER, 'flood', file, writer));
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
    const ledger = await openLedger();
    const tasks = await ledger.tasks('claims-1', { limit: 10_000_000 });
    const done = tasks.filter((task) => task.state === 'done').length;
    expect(tasks.length).to.be.at.least(Math.max(...acknowledged));
    expect(tasks.length % 500).to.equal(0);
    expect(done).to.equal(tasks.length * 0.9);
    expect(await readCounts(ledger)).to.deep.include({
      running: 0,
      done,
      retried: tasks.length - done,
      bytesIn: done * 3,
      seconds: done,
      counters: { sum: Big(done).div(10).toFixed() },
    });
    expect(openRaw().pragma('integrity_check')).to.equal('ok');
  });

  it('computes counts from the sums alone, for any number of tasks', async () => {
    const ledger = await openLedger();
    await ledger.record(doneEvents(700));
    openRaw().exec('delete from tasks; delete from attempts');
    expect(await readCounts(ledger)).to.include({ done: 700 });
    expect(openRaw().prepare('select count(*) from step_counts').pluck().get()).to.equal(1);
  });

  it('records a flush in one transaction, whatever its size and number of steps', async () => {
    const ledger = await openLedger();
    const reader = openRaw();
    const version = (): unknown => reader.pragma('data_version');
    const events = doneEvents(3000, (task) => ({ step: `s${task % 7}` }));
    const before = Number(version());
    await ledger.record(events);
    expect(version()).to.equal(before + 1);
    expect(reader.prepare('select count(*) from attempts').pluck().get()).to.equal(3000);
  });

  it('opens tables of a later version only if those say that it can', async () => {
    await (await openLedger()).close();
    const raw = openRaw();
    raw.exec('insert into ledger_schema values (7, 1, 0)');
    await openLedger();
    raw.exec('update ledger_schema set compatible = 5 where version = 7');
    await failsWith('newer', openLedger());
  });

  it('opens an up-to-date file without writing', async () => {
    await (await openLedger()).close();
    const raw = openRaw();
    raw.exec('begin immediate');
    await openLedger(50);
    raw.exec('rollback');
  });

  it('reports a file that is not a database as corrupt', async () => {
    writeFileSync(file, 'claims,amount\n'.repeat(1000));
    await failsWith('corrupt', openLedger());
  });

  it('is unavailable while another process locks it, and works again when it is free', async () => {
    const ledger = await openLedger(60);
    const raw = openRaw();
    raw.exec('begin immediate');
    await failsWith('unavailable', ledger.record([event('done', 1)]));
    expect(await ledger.counts('claims-1')).to.deep.equal([]);
    raw.exec('rollback');
    await ledger.record([event('done', 1)]);
    expect(await readCounts(ledger)).to.include({ done: 1 });
  });

  it('waits for a writer that finishes soon', async () => {
    const ledger = await openLedger();
    const raw = openRaw();
    raw.exec('begin immediate');
    const recorded = ledger.recordJob(job());
    setImmediate(() => raw.exec('commit'));
    await recorded;
  });

  it('is full, without keeping part of a transaction, if there is no space, and works again when there is', async () => {
    const database = cleanup.use(await SqlDatabase.open(sqliteDialect({ file, durability: 'process' }), 50, 0));
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
    await failsWith('full', fill(1_000_000));
    await pages(1_000_000);
    await fill(1_000_000);
  });

  it('waits briefly once a lock has outlasted a full wait, and fully again after a successful write', async () => {
    const ledger = await openLedger(3_000);
    const locker = openRaw();
    locker.exec('begin immediate');
    const time = new HeldTime();
    cleanup.defer(() => time.release());
    cleanup.replace(process, 'uptime', () => time.now() / 1_000);
    const measureWait = async (): Promise<number> => {
      const start = time.now();
      await time.passUntil(failsWith('unavailable', ledger.recordJob(job())));
      return time.now() - start;
    };
    expect(await measureWait()).to.be.within(3_000, 3_100);
    expect(await measureWait()).to.be.within(500, 600);
    locker.exec('rollback');
    await time.passUntil(ledger.recordJob(job()));
    locker.exec('begin immediate');
    expect(await measureWait()).to.be.within(3_000, 3_100);
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
    const ledger = await openLedger();
    await ledger.close();
    await ledger.close();
    await failsWith('unexpected', ledger.counts('claims-1'));
    await ledger.open();
    expect(await ledger.counts('claims-1')).to.deep.equal([]);
  });

  it("is unavailable if its directory can't be created", async () => {
    writeFileSync(scratch.path('file'), '');
    file = scratch.path('file', 'ledger.db');
    await failsWith('unavailable', openLedger());
  });
});
