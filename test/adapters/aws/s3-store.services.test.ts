// Protects: jobs behave on S3 as on any other store: S3 keeps the object store contract.

import { createS3Store } from '../../../src/adapters/aws/s3-store.ts';
import { objectStoreContract } from '../../contracts/object-store.ts';
import { forSuite } from '../../support/fixture.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { clientsOf, openBench } from './s3-bench.ts';

describe('S3', () => {
  const moto = forSuite(() => sharedMoto());

  objectStoreContract('S3, on moto', async () => {
    const { store, clients, bucket } = await openBench(moto.url);
    const others = [clients];
    return {
      store,
      reopen: () => {
        const another = clientsOf(moto.url);
        others.push(another);
        return createS3Store({ clients: another, bucket, prefix: 'batchctl/stack/', kmsKey: null });
      },
      close: async () => {
        for (const one of others) await one.close();
      },
    };
  });
});
