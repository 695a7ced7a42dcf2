// Protects: jobs behave on the local disk as on any other store: the file store keeps the object store contract.

import { createFsStore } from '../../../src/adapters/local/fs-store.ts';
import { objectStoreContract } from '../../contracts/object-store.ts';
import { Scratch } from '../../support/scratch.ts';

for (const durability of ['process', 'power'] as const) {
  objectStoreContract(`fs, ${durability}`, async () => {
    const scratch = new Scratch();
    const reopen = () => createFsStore({ root: scratch.directory, durability });
    return { store: await reopen(), reopen, close: async () => scratch.remove() };
  });
}
