// Protects: an expired session is reported as such, even if S3's answer has no body.
import { expect } from 'chai';
import { createS3Store } from '../../../src/adapters/aws/s3-store.ts';
import { forSuite } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { serve } from '../../support/servers/listen.ts';
import { clientsOf } from './s3-bench.ts';

/** Answers each request like S3 for an expired session; the answer to a HEAD has no body (S3API/ErrorResponses). */
const startExpired = () =>
  serve((request, answer) => {
    answer.writeHead(400, { 'content-type': 'application/xml' });
    const said = '<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>';
    answer.end(request.method === 'HEAD' ? undefined : said);
  });

describe('a HEAD request while the clock is wrong', () => {
  let asked = 0;
  const server = forSuite(() =>
    serve(({ method, url = '' }, answer) => {
      const lists = url.includes('list-type');
      if (!lists) asked += 1;
      const date = new Date(Date.now() + 600_000).toUTCString();
      answer.writeHead(lists ? 200 : 404, { 'content-type': 'application/xml', date });
      const missing = '<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>';
      answer.end(method === 'HEAD' ? undefined : lists ? '<ListBucketResult/>' : missing);
    }),
  );
  const clients = forSuite(() => clientsOf(server.url));

  it('is sent once for a missing object', async () => {
    const store = await createS3Store({ clients, bucket: 'bucket', prefix: '', kmsKey: null });
    expect(await store.read('jobs/j/job.json')).to.equal(null);
    expect(await store.head('jobs/j/job.json')).to.equal(null);
    expect(asked).to.equal(2);
  });
});

describe('a HEAD request with an expired session', () => {
  const server = forSuite(startExpired);
  const clients = forSuite(() => clientsOf(server.url));

  it('says that the credentials have expired, as a read does', async () => {
    const store = await createS3Store({ clients, bucket: 'bucket', prefix: '', kmsKey: null });
    for (const look of ['head', 'read'] as const) {
      const error = await failsWith('credentials', store[look]('jobs/j/job.json'));
      expect(error.message).to.include('the credentials have expired (ExpiredToken)');
    }
  });
});
