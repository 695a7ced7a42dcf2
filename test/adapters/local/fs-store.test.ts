// Protects: jobs behave on the local disk as on any other store: the file store keeps the object store contract.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFsStore } from '../../../src/adapters/local/fs-store.ts';
import { objectStoreContract } from '../../contracts/object-store.ts';

for (const durability of ['process', 'power'] as const) {
  objectStoreContract(`fs, ${durability}`, async () => {
    const root = mkdtempSync(join(tmpdir(), 'batchctl-fs-'));
    return {
      store: await createFsStore({ root, durability }),
      reopen: () => createFsStore({ root, durability }),
      close: async () => rmSync(root, { recursive: true, force: true }),
    };
  });
}
