// Protects: figures on worker memory, disk and machines survive ledger upgrades, and older versions can still write.

import { expect } from 'chai';
import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import { openSqlite } from '../../../src/lib/sqlite.ts';
import type { Ledger } from '../../../src/ports/ledger.ts';
import { T0, worker } from '../../contracts/ledger-events.ts';
import { forEachTest } from '../../support/fixture.ts';
import { Scratch } from '../../support/scratch.ts';

describe("a worker's memory, disk, machine and slot-seconds in the SQL ledger", () => {
  const scratch = forEachTest(() => new Scratch());

  const withLedger = async <T>(use: (ledger: Ledger) => Promise<T>): Promise<T> => {
    const file = scratch.path('ledger.db');
    const ledger = openSqlLedger({ dialect: 'sqlite', file, durability: 'process', writer: 'w' });
    try {
      await ledger.open();
      return await use(ledger);
    } finally {
      await ledger.close();
    }
  };
  const execute = (statements: string): void => {
    const db = openSqlite(scratch.path('ledger.db'), { busyMs: 5_000 });
    db.exec(statements);
    db.close();
  };
  const FIGURES = {
    memory: 64e9,
    disk: 2e12,
    spent: { 'job-a': 12.5, '': 3 },
    machine: { type: 'c7g.large', zone: 'us-east-1a', lifeCycle: 'spot' },
  } as const;
  /** Changes the tables back to schema version 1. */
  const DOWNGRADE = `${['memory', 'disk', 'machine', 'spent'].map((name) => `alter table workers drop column ${name}`).join(';')};
    delete from ledger_schema where version > 1`;

  it('are stored as reported, and absent if not reported', async () => {
    await withLedger(async (ledger) => {
      const reports = [worker(FIGURES), worker({ worker: 'w2' })];
      for (const report of reports) await ledger.heartbeat(report);
      expect(await ledger.workers({})).to.have.deep.members(reports);
    });
  });

  it('are added to a ledger of schema version 1, which keeps its data', async () => {
    await withLedger((ledger) => ledger.heartbeat(worker()));
    execute(DOWNGRADE);
    await withLedger(async (ledger) => {
      expect(await ledger.workers({})).to.deep.equal([worker()]);
      const later = worker({ ...FIGURES, seenAt: T0 + 1 });
      await ledger.heartbeat(later);
      expect(await ledger.workers({})).to.deep.equal([later]);
    });
  });

  it('are ignored by older code, which can still write to the new tables', async () => {
    await withLedger((ledger) => ledger.heartbeat(worker({ memory: 5 })));
    execute(`insert into workers (worker, group_name, host, pid, version, state, slots, busy, done, failed, started_at, seen_at)
      values ('w-old', 'default', 'h', 1, '0', 'idle', 1, '[]', 0, 0, 1, ${T0 + 1})`);
    await withLedger(async (ledger) => {
      expect((await ledger.workers({})).map((seen) => [seen.worker, seen.memory])).to.deep.equal([
        ['w-old', undefined],
        ['w1', 5],
      ]);
    });
  });
});
