// Protects: a job's history is correct on SQLite: it keeps the ledger contract.

import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import { ledgerContract } from '../../contracts/ledger.ts';
import { ledgerPlace } from '../../contracts/ledger-place.ts';
import { Scratch } from '../../support/scratch.ts';

ledgerContract('SQLite', async () => {
  const scratch = new Scratch();
  const file = scratch.path('sub', 'ledger.db');
  return ledgerPlace(
    (options) => openSqlLedger({ dialect: 'sqlite', file, durability: 'process', ...options }),
    () => scratch.remove(),
  );
});
