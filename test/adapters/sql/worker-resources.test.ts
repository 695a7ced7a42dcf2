// Protects: figures on worker memory, disk and machines survive ledger upgrades, and older versions can still write.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import { openSqlite } from '../../../src/lib/sqlite.ts';
import type { Ledger, LedgerWorker } from '../../../src/ports/ledger.ts';

describe("a worker's memory, disk, machine and slot-seconds in the SQL ledger", () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'batchctl-resources-'));
    file = join(directory, 'ledger.db');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const within = async <T>(use: (ledger: Ledger) => Promise<T>): Promise<T> => {
    const ledger = openSqlLedger({ dialect: 'sqlite', file, durability: 'process', writer: 'w' });
    try {
      await ledger.open();
      return await use(ledger);
    } finally {
      await ledger.close();
    }
  };
  const raw = (statements: string): void => {
    const db = openSqlite(file, { busyMs: 5_000 });
    db.exec(statements);
    db.close();
  };
  const worker: LedgerWorker = {
    ...{ worker: 'w-1', group: 'default', host: 'h', pid: 1, version: '1', state: 'idle', slots: 2, busy: [] },
    ...{ done: 0, failed: 0, startedAt: 1, seenAt: 1 },
  };
  const said = {
    ...{ memory: 64e9, disk: 2e12, spent: { 'job-a': 12.5, '': 3 } },
    machine: { type: 'c7g.large', zone: 'us-east-1a', lifeCycle: 'spot' as const },
  };
  /** The tables as schema version 1 had them. */
  const BACK = `${['memory', 'disk', 'machine', 'spent'].map((name) => `alter table workers drop column ${name}`).join(';')};
    delete from ledger_schema where version > 1`;

  it('are stored as reported, and absent if not reported', async () => {
    await within(async (ledger) => {
      await ledger.heartbeat({ ...worker, ...said });
      await ledger.heartbeat({ ...worker, worker: 'w-2' });
      const [one, two] = [...(await ledger.workers({}))].sort((a, b) => (a.worker < b.worker ? -1 : 1));
      expect(one).to.deep.equal({ ...worker, ...said });
      expect(two).to.deep.equal({ ...worker, worker: 'w-2' });
    });
  });

  it('are added to a ledger of schema version 1, which keeps its data', async () => {
    await within((ledger) => ledger.heartbeat(worker));
    raw(BACK);
    await within(async (ledger) => {
      expect(await ledger.workers({})).to.deep.equal([worker]);
      await ledger.heartbeat({ ...worker, ...said, seenAt: 2 });
      expect(await ledger.workers({})).to.deep.equal([{ ...worker, ...said, seenAt: 2 }]);
    });
  });

  it('are ignored by older code, which can still write to the new tables', async () => {
    await within((ledger) => ledger.heartbeat({ ...worker, memory: 5 }));
    raw(`insert into workers (worker, group_name, host, pid, version, state, slots, busy, done, failed, started_at, seen_at)
      values ('w-old', 'default', 'h', 1, '0', 'idle', 1, '[]', 0, 0, 1, 3)`);
    await within(async (ledger) => {
      expect((await ledger.workers({})).map((seen) => [seen.worker, seen.memory])).to.deep.equal([
        ['w-old', undefined],
        ['w-1', 5],
      ]);
    });
  });
});
