// Protects: jobs behave on S3 as on any other store: S3 keeps the object store contract.

import { objectStoreContract } from '../../contracts/object-store.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forSuite } from '../../support/fixture.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { clientsOf, openBench, PREFIX, storeOf } from './s3-bench.ts';

describe('S3', () => {
  const moto = forSuite(() => sharedMoto());

  objectStoreContract('S3, on moto', async () => {
    const cleanup = new Cleanup();
    const { store, bucket } = cleanup.use(await openBench(moto.url));
    return {
      store,
      reopen: () => storeOf(cleanup.use(clientsOf(moto.url)), bucket, { prefix: PREFIX }),
      close: () => cleanup.close(),
    };
  });
});
