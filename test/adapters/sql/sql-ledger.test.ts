// Protects: a job's history is correct on SQLite: it keeps the ledger contract.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import type { Ledger } from '../../../src/ports/ledger.ts';
import { ledgerContract } from '../../contracts/ledger.ts';

ledgerContract('SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'batchctl-ledger-'));
  const opened: Ledger[] = [];
  return {
    open: async (writer, clock) => {
      const file = join(directory, 'sub', 'ledger.db');
      const ledger = openSqlLedger({ dialect: 'sqlite', file, durability: 'process', writer, ...(clock && { clock }) });
      await ledger.open();
      opened.push(ledger);
      return ledger;
    },
    end: async () => {
      await Promise.all(opened.map((ledger) => ledger.close()));
      await rm(directory, { recursive: true });
    },
  };
});
