// Protects: jobs behave on the local disk as on any other store: the file store keeps the object store contract.

import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { createFsStore } from '../../../src/adapters/local/fs-store.ts';
import { objectStoreContract } from '../../contracts/object-store.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';

for (const durability of ['process', 'power'] as const) {
  objectStoreContract(`fs, ${durability}`, async () => {
    const scratch = new Scratch();
    const reopen = () => createFsStore({ root: scratch.directory, durability });
    return { store: await reopen(), reopen, close: async () => scratch.remove() };
  });
}

describe('scanning objects of the file store', () => {
  const scratch = forEachTest(() => new Scratch());

  /** A store with an object of each size. */
  async function storeOf(...sizes: readonly number[]) {
    const store = await createFsStore({ root: scratch.path('root'), durability: 'process' });
    const hashes: string[] = [];
    for (const [n, size] of sizes.entries()) {
      const bytes = Buffer.alloc(size, `${n} and some more bytes, `);
      hashes.push(createHash('sha256').update(bytes).digest('hex'));
      writeFileSync(scratch.path('source'), bytes);
      await store.uploadFile(scratch.path('source'), `k${n}`);
    }
    return { store, hashes };
  }

  it('passes all bytes of large ones in order, several at the same time, with turns for other work', async () => {
    const sizes = [40 * 2 ** 20 + 1, 33 * 2 ** 20];
    const { store, hashes } = await storeOf(...sizes);
    let open = 0;
    const found = await Promise.all(
      sizes.map(async (size, n) => {
        const hash = createHash('sha256');
        open += 1;
        expect(await store.scan(`k${n}`, {}, (bytes) => void hash.update(bytes))).to.equal(size);
        expect(open, 'the other began before this one ended').to.equal(2);
        return hash.digest('hex');
      }),
    );
    expect(found).to.deep.equal(hashes);
  });

  it('ends when the signal is aborted', async () => {
    const { store } = await storeOf(40 * 2 ** 20);
    const ended = new AbortController();
    let passed = 0;
    const scanning = store.scan('k0', { signal: ended.signal }, (bytes) => {
      passed += bytes.length;
      ended.abort();
    });
    expect(await rejection(scanning)).to.have.property('name', 'AbortError');
    expect(passed).to.be.below(40 * 2 ** 20);
  });
});
