// Protects: nothing is written to an account before it is known to be the profile's, and an emulator is told from AWS by its
// address alone.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { guardedStore, hasNoAccounts, isMissingFromEmulator } from '../../src/platform/account-guard.ts';
import type { DirectUploads, ObjectStore } from '../../src/ports/object-store.ts';

const AS = { size: 1, sha256: 'x', seconds: 60, metadata: {}, ifAbsent: true };

/** Calls of each method. `scan` is missing: only files have it. */
const CALLS = {
  read: { writes: false, call: (store) => store.read('k', { etag: 'e' }) },
  get: { writes: false, call: (store) => store.get('k', { etag: 'e' }) },
  head: { writes: false, call: (store) => store.head('k') },
  list: { writes: false, call: (store) => store.list('p/', { from: 'p/a' }) },
  keys: { writes: false, call: (store) => store.keys('p/', { to: 'p/b' }) },
  'presign get': { writes: false, call: (store) => store.presign('k', 'get', 60) },
  'presign put': { writes: true, call: (store) => store.presign('k', 'put', 60) },
  put: { writes: true, call: (store) => store.put('k', 'x', { ifAbsent: true }) },
  delete: { writes: true, call: (store) => store.delete(['k']) },
  copy: { writes: true, call: (store) => store.copy('a', 'b', { ifAbsent: true }) },
  uploadFile: { writes: true, call: (store) => store.uploadFile('file', 'k', { ifAbsent: true }) },
  'direct partSize': { writes: false, call: ({ direct }) => direct?.partSize(7) },
  'direct put': { writes: true, call: ({ direct }) => direct?.put('k', AS) },
  'direct begin': { writes: true, call: ({ direct }) => direct?.begin('k', { metadata: {} }) },
  'direct part': { writes: true, call: ({ direct }) => direct?.part('k', 'u', { ...AS, number: 1 }) },
  'direct complete': {
    writes: true,
    call: ({ direct }) => direct?.complete('k', 'u', { size: 1, ifAbsent: true, parts: [] }),
  },
  'direct abort': { writes: true, call: ({ direct }) => direct?.abort('k', 'u') },
} satisfies Record<
  | Exclude<keyof ObjectStore, 'location' | 'scan' | 'presign' | 'direct'>
  | 'presign get'
  | 'presign put'
  | `direct ${keyof DirectUploads}`,
  { readonly writes: boolean; readonly call: (store: ObjectStore) => unknown }
>;

/** A store that records each call with its arguments, and answers its name. */
function recorder(): { readonly store: ObjectStore; readonly calls: unknown[] } {
  const calls: unknown[] = [];
  const recording = (of: string): object =>
    new Proxy(
      {},
      {
        get: (_, name) => {
          if (name === 'location') return 's3://b/';
          if (name === 'direct') return recording('direct ');
          return (...args: unknown[]) => {
            calls.push([`${of}${String(name)}`, ...args]);
            return `${of}${String(name)}`;
          };
        },
      },
    );
  return { store: recording('') as ObjectStore, calls };
}

describe('a store whose account is checked first', () => {
  for (const [name, { writes, call }] of Object.entries(CALLS)) {
    it(`${writes ? 'refuses' : 'allows'} ${name} while the account is another one`, async () => {
      const { store, calls } = recorder();
      const other = new BatchctlError('config', 'expected account 1, found 2');
      const guarded = guardedStore(store, async () => {
        throw other;
      });
      const outcome = await Promise.resolve(call(guarded)).catch((error: unknown) => error);
      expect(outcome).to.equal(writes ? other : name.replace(/^(presign) \w+$/, '$1'));
      expect(calls).to.have.lengthOf(writes ? 0 : 1);
    });

    it(`passes on ${name}${writes ? ', after the check,' : ''} with all that it was given`, async () => {
      const given = recorder();
      await call(given.store);
      const { store, calls } = recorder();
      let checks = 0;
      await call(
        guardedStore(store, async () => {
          await null;
          expect(calls, 'before the check').to.deep.equal([]);
          checks += 1;
        }),
      );
      expect(calls).to.deep.equal(given.calls);
      expect(checks).to.equal(writes ? 1 : 0);
    });
  }
});

describe('a service of an emulated account', () => {
  for (const { endpoints, missing, why } of [
    { endpoints: {}, missing: false, why: 'AWS itself' },
    { endpoints: { s3: 'http://127.0.0.1:5000' }, missing: true, why: 'an emulated store' },
    { endpoints: { s3: 'http://127.0.0.1:5000', sts: 'http://127.0.0.1:5000' }, missing: false, why: 'it is emulated' },
    { endpoints: { sts: 'http://127.0.0.1:5000' }, missing: false, why: 'only it is emulated' },
    {
      endpoints: { s3: 'https://vpce-1.s3.eu-west-1.vpce.amazonaws.com' },
      missing: false,
      why: 'an endpoint in a VPC',
    },
    { endpoints: { s3: 'https://vpce-1.s3.cn-north-1.vpce.amazonaws.com.cn' }, missing: false, why: 'one in China' },
    { endpoints: { s3: 'https://s3.amazonaws.com.example.org' }, missing: true, why: "a stranger's name" },
    { endpoints: { s3: 'https://myamazonaws.com' }, missing: true, why: 'a name that ends alike' },
  ]) {
    it(`is ${missing ? 'missing' : 'asked'}: ${why}`, () => {
      expect(hasNoAccounts({ endpoints })).to.equal(missing);
    });
  }

  it('is missing by itself: others may be emulated', () => {
    const endpoints = { s3: 'http://127.0.0.1:5000', ec2: 'http://127.0.0.1:5000' };
    expect(isMissingFromEmulator({ endpoints }, 'ec2')).to.equal(false);
    expect(isMissingFromEmulator({ endpoints }, 'autoscaling')).to.equal(true);
  });
});
