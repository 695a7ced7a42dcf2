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

describe('the facts of an object', () => {
  let headers: Readonly<Record<string, string>> = {};
  const server = forSuite(() =>
    serve((_, answer) => {
      answer.writeHead(200, { etag: '"e"', 'content-length': '5', ...headers }).end();
    }),
  );
  const clients = forSuite(() => clientsOf(server.url));
  const factsOf = async (of: Readonly<Record<string, string>>) => {
    headers = of;
    return (await storeOf(clients, 'bucket')).facts('2019.csv', null);
  };
  const stored = (storageClass: string, more: Readonly<Record<string, string>> = {}) => ({
    'x-amz-storage-class': storageClass,
    ...more,
  });
  const RESTORING = { 'x-amz-restore': 'ongoing-request="true"' };
  const RESTORED = { 'x-amz-restore': 'ongoing-request="false", expiry-date="Fri, 25 Dec 2026 00:00:00 GMT"' };

  for (const [what, of, request] of [
    ['in GLACIER', stored('GLACIER'), 'Days=7'],
    ['in DEEP_ARCHIVE', stored('DEEP_ARCHIVE'), 'Days=7'],
    ['that is still being restored', stored('GLACIER', RESTORING), 'Days=7'],
    [
      'that Intelligent-Tiering has archived',
      stored('INTELLIGENT_TIERING', { 'x-amz-archive-status': 'ARCHIVE_ACCESS' }),
      '{}',
    ],
  ] as const) {
    it(`refuse one ${what}, and name the request that restores it`, async () => {
      const { hint } = await failsWith('refused', factsOf(of));
      expect(hint).to.include(`--key '2019.csv' --restore-request ${request},`);
    });
  }

  for (const [what, of] of [
    ['in STANDARD', {}],
    ['in GLACIER_IR', stored('GLACIER_IR')],
    ['in a class of Intelligent-Tiering', stored('INTELLIGENT_TIERING')],
    ['that was restored', stored('DEEP_ARCHIVE', RESTORED)],
  ] as const) {
    it(`tell of one ${what}, which can be read`, async () => {
      expect(await factsOf(of)).to.include({ size: 5, etag: 'e' });
    });
  }

  it('have its version and its SHA-256, unless the version is none or the checksum is one of chunks', async () => {
    const sum = Buffer.alloc(32, 1);
    for (const [of, version, checksum] of [
      [{ 'x-amz-version-id': 'v1' }, 'v1', null],
      [{ 'x-amz-version-id': 'null' }, null, null],
      [{ 'x-amz-checksum-sha256': sum.toString('base64') }, null, `sha256:${sum.toString('hex')}`],
      [{ 'x-amz-checksum-sha256': `${sum.toString('base64')}-5` }, null, null],
    ] as const)
      expect(await factsOf(of)).to.include({ version, checksum });
  });
});
