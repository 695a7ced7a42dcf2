// Protects: an upload by signed URLs that was aborted can never be completed, and aborting it twice is harmless.

import { expect } from 'chai';
import { createS3Store } from '../../../src/adapters/aws/s3-store.ts';
import type { DirectUploads } from '../../../src/ports/object-store.ts';
import { forSuite } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { sharedFauxqs } from '../../support/servers/fauxqs.ts';
import { clientsOf, makeBucket } from './s3-bench.ts';

describe('uploads to S3 by signed URLs', () => {
  const server = forSuite(() => sharedFauxqs());
  let direct: DirectUploads;

  before(async () => {
    const bucket = await makeBucket(server.url);
    const store = await createS3Store({ clients: clientsOf(server.url), bucket, prefix: 'p/', kmsKey: null });
    direct = store.direct;
  });

  it("can't be completed after they were aborted, and may be aborted twice", async () => {
    const upload = await direct.begin('data/gone', { metadata: {} });
    await direct.abort('data/gone', upload);
    await direct.abort('data/gone', upload);
    const whole = { size: 1, ifAbsent: false, parts: [{ number: 1, etag: 'a'.repeat(32), sha256: 'a'.repeat(64) }] };
    const error = await rejection(direct.complete('data/gone', upload, whole));
    expect(error).to.include({ kind: 'notFound' });
  });
});
