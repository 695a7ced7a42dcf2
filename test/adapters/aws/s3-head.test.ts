// Protects: an expired session is reported as such, even where S3's answer has no words.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { expect } from 'chai';
import { createS3Store } from '../../../src/adapters/aws/s3-store.ts';
import { isKind } from '../../../src/errors.ts';
import { clientsOf } from './s3-bench.ts';

/** Answers each request as S3 does when the session has expired; the answer to a HEAD has no body (S3API/ErrorResponses). */
function startExpired(): Server {
  return createServer((request, answer) => {
    answer.writeHead(400, { 'content-type': 'application/xml' });
    const said = '<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>';
    answer.end(request.method === 'HEAD' ? undefined : said);
  }).listen(0, '127.0.0.1');
}

describe('looking at an object with a session that has expired', () => {
  let server: Server;
  before(async () => {
    server = startExpired();
    await once(server, 'listening');
  });
  after(() => server.close());

  it('says that the credentials have ended, as reading it does', async () => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the server has no port');
    const clients = clientsOf(`http://127.0.0.1:${address.port}`);
    try {
      const store = await createS3Store({ clients, bucket: 'bucket', prefix: '', kmsKey: null });
      for (const look of ['head', 'read'] as const) {
        const error: unknown = await store[look]('jobs/j/job.json').then(
          () => null,
          (thrown: unknown) => thrown,
        );
        expect(isKind(error, 'credentials'), String(error)).to.equal(true);
        expect(String(error)).to.include('the credentials have ended (ExpiredToken)');
      }
    } finally {
      await clients.close();
    }
  });
});
