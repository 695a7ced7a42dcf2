// Protects: an expired session is reported as such, even if S3's answer has no body.
import { expect } from 'chai';
import { forSuite } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { serve } from '../../support/servers/listen.ts';
import { clientsOf, storeOf } from './s3-bench.ts';

describe('a HEAD request while the clock is wrong', () => {
  let requests = 0;
  const server = forSuite(() =>
    serve(({ method, url = '' }, answer) => {
      const lists = url.includes('list-type');
      if (!lists) requests += 1;
      const date = new Date(Date.now() + 600_000).toUTCString();
      answer.writeHead(lists ? 200 : 404, { 'content-type': 'application/xml', date });
      const missing = '<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>';
      answer.end(method === 'HEAD' ? undefined : lists ? '<ListBucketResult/>' : missing);
    }),
  );
  const clients = forSuite(() => clientsOf(server.url));

  it('is sent once for a missing object', async () => {
    const store = await storeOf(clients, 'bucket');
    expect(await store.read('jobs/j/job.json')).to.equal(null);
    expect(await store.head('jobs/j/job.json')).to.equal(null);
    expect(requests).to.equal(2);
  });
});

describe('a HEAD request with an expired session', () => {
  const error = '<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>';
  // The answer to a HEAD has no body (S3API/ErrorResponses).
  const server = forSuite(() =>
    serve(({ method }, answer) => {
      answer.writeHead(400, { 'content-type': 'application/xml' }).end(method === 'HEAD' ? undefined : error);
    }),
  );
  const clients = forSuite(() => clientsOf(server.url));

  it('says that the credentials have expired, as a read does', async () => {
    const store = await storeOf(clients, 'bucket');
    for (const method of ['head', 'read'] as const) {
      const { message } = await failsWith('credentials', store[method]('jobs/j/job.json'));
      expect(message).to.include('the credentials have expired (ExpiredToken)');
    }
  });
});
