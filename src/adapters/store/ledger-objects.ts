import type { ObjectStore } from '../../ports/object-store.ts';

/** What the ledger asks of a store: whole puts, reads, listings in the order of keys. Items of SimpleDB give that too. */
export type LedgerObjects = Pick<ObjectStore, 'put' | 'read' | 'list' | 'keys' | 'delete'>;
