// Protects: a job's history is correct when kept as objects: the store ledger keeps the ledger contract.

import { openStoreLedger } from '../../../src/adapters/store/store-ledger.ts';
import { ledgerContract } from '../../contracts/ledger.ts';
import { ledgerPlace } from '../../contracts/ledger-place.ts';
import { MemoryStore } from '../../support/memory-store.ts';

ledgerContract('objects of a store', async () => {
  const store = new MemoryStore();
  return ledgerPlace((options) => openStoreLedger({ store, ...options }));
});
