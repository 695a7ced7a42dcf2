// Protects: an upload by signed URLs that was aborted can never be completed, and aborting it twice is harmless.

import { forSuite } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { sharedFauxqs } from '../../support/servers/fauxqs.ts';
import { openBench } from './s3-bench.ts';

describe('uploads to S3 by signed URLs', () => {
  const server = forSuite(() => sharedFauxqs());
  const bench = forSuite(() => openBench(server.url));

  it("can't be completed after they were aborted, and can be aborted twice", async () => {
    const { direct } = bench.store;
    const upload = await direct.begin('data/gone', { metadata: {} });
    await direct.abort('data/gone', upload);
    await direct.abort('data/gone', upload);
    const completion = {
      size: 1,
      ifAbsent: false,
      parts: [{ number: 1, etag: 'a'.repeat(32), sha256: 'a'.repeat(64) }],
    };
    await failsWith('notFound', direct.complete('data/gone', upload, completion));
  });
});
