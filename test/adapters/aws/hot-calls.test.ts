// Protects: calls that bypass the SDK send the same requests as the SDK, fail in the same way and are retried as often.

import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { authorization } from '../../../src/adapters/aws/signature.ts';
import { openClients } from '../../support/aws-clients.ts';
import { CREDENTIALS } from '../../support/aws-keys.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { readText } from '../../support/read-text.ts';
import { failsWith } from '../../support/rejection.ts';
import { serve } from '../../support/servers/listen.ts';
import { REGION, sdkSigner, storeOf } from './s3-bench.ts';

interface Received {
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const ENTRY = (key: string): string =>
  `<Contents>\n  <Key>${key}</Key><LastModified>2026-11-26T10:00:00.123Z</LastModified><ETag>&quot;0a&quot;</ETag><Size>7</Size></Contents>`;
const LISTING = `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><IsTruncated>true</IsTruncated><KeyCount>3</KeyCount>
${['a%20b', '&lt;&amp;&#x41;&#66;&apos;', 'plain'].map(ENTRY).join('')}<NextContinuationToken>1/+=&amp;x</NextContinuationToken></ListBucketResult>`;
const OBJECT = {
  etag: '"0a"',
  'last-modified': 'Thu, 26 Nov 2026 10:00:00 GMT',
  'content-length': '3',
  'x-amz-meta-output': '{"a":1}',
  'x-amz-checksum-crc32': 'NSRBwg==',
};
const MESSAGES = { Messages: [{ MessageId: 'm', ReceiptHandle: 'r', Body: 'ü', Attributes: { SentTimestamp: '1' } }] };

describe('hot calls to S3 and SQS', () => {
  const server = forSuite(() =>
    serve(async (request, answer) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      received.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
      const { status, headers = {}, body: content } = answers.shift() ?? defaultAnswer(request);
      answer.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : content);
    }),
  );
  const cleanup = forEachTest(() => new Cleanup());
  const clients = forSuite(() => openClients({ s3: server.url, sqs: server.url }, { region: REGION }));
  const received: Received[] = [];
  let answers: Answer[] = [];

  beforeEach(() => {
    received.splice(0);
    answers = [];
  });

  function defaultAnswer({ method, url: path = '', headers }: IncomingMessage): Answer {
    const target = headers['x-amz-target'];
    if (target === 'AmazonSQS.ReceiveMessage') return { status: 200, body: JSON.stringify(MESSAGES) };
    if (target !== undefined) return { status: 200, body: '{"Successful":[{"Id":"0"}],"Failed":[]}' };
    if (path.includes('list-type=2')) return { status: 200, body: LISTING };
    if (method === 'PUT') return { status: 200, headers: { etag: '"0a"' } };
    return { status: 200, headers: OBJECT, body: 'abc' };
  }

  const TIMED = /^(x-amz-date|authorization|amz-sdk-invocation-id|connection)$/;
  const comparable = ({ line, headers, body }: Received): object => ({
    line: line.split(/[?&]/).sort(),
    // The SDK adds the checksum of no bytes to a GET.
    headers: Object.fromEntries(
      Object.entries(headers).filter(([name, value]) => !TIMED.test(name) && value !== 'AAAAAA=='),
    ),
    body: body === '' ? '' : body.startsWith('{') ? JSON.parse(body) : body,
  });

  /** The signature that the SDK's signer gives this request. */
  async function signatureOf({ line, headers }: Received, service: 's3' | 'sqs', body: string): Promise<string> {
    const signed = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1]?.split(';') ?? [];
    const [, method, path, query] = /^(\S+) ([^?]+)\??(.*)$/.exec(line) ?? [];
    const time = String(headers['x-amz-date']).replace(/^(....)(..)(..T..)(..)/, '$1-$2-$3:$4:');
    const resigned = await (await sdkSigner(clients, service)).sign(
      {
        method,
        protocol: 'http:',
        hostname: '127.0.0.1',
        path,
        body,
        query: Object.fromEntries(new URLSearchParams(query)),
        headers: Object.fromEntries(signed.map((name) => [name, headers[name]])),
      },
      { signingDate: new Date(time), signingService: service, signingRegion: REGION },
    );
    return resigned.headers.authorization ?? '';
  }

  /** Makes the call twice: the first one is made by the SDK. */
  async function expectSame(service: 's3' | 'sqs', call: () => Promise<object>): Promise<void> {
    received.splice(0);
    const [ofSdk, own] = [await call(), await call()];
    expect(received).to.have.length(2);
    const [first, second] = received as [Received, Received];
    expect(comparable(second)).to.deep.equal(comparable(first));
    expect(second.headers.authorization).to.equal(await signatureOf(second, service, second.body));
    const defined = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
    expect(ofSdk).to.deep.include(defined);
  }

  it('are signed like the published examples (S3API/sig-v4-header-based-auth)', () => {
    const common = {
      region: 'us-east-1',
      service: 's3',
      time: '20130524T000000Z',
      method: 'GET',
      credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
    };
    const headers = {
      host: 'examplebucket.s3.amazonaws.com',
      'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      'x-amz-date': '20130524T000000Z',
    };
    const ranged = { ...headers, range: 'bytes=0-9' };
    const object = authorization({ ...common, path: '/test.txt', query: '', headers: ranged });
    expect(object).to.match(/SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, /);
    expect(object).to.match(/Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/);
    const list = authorization({ ...common, path: '/', query: 'max-keys=2&prefix=J', headers });
    expect(list).to.match(/Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7$/);
  });

  it('to S3 have the same headers, bytes, signature and answer as those by the SDK', async () => {
    const sdk = await import('@aws-sdk/client-s3');
    const client = await clients.s3();
    const at = { Bucket: 'bucket', Key: "a b/(ü)+'*!/./x", ExpectedBucketOwner: '111111111111' };
    const put = {
      ...at,
      Body: Buffer.from('abc'),
      ContentLength: 3,
      IfNoneMatch: '*',
      ChecksumCRC32: 'NSRBwg==',
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: 'key',
      BucketKeyEnabled: true,
      Metadata: { output: '{"a":  1}' },
    } as const;
    const list = { Bucket: 'bucket', Prefix: 'ä +%/', StartAfter: 'x&y=1', EncodingType: 'url', MaxKeys: 3 } as const;
    const calls: readonly (() => Promise<object>)[] = [
      () => client.send(new sdk.HeadObjectCommand({ ...at, ChecksumMode: 'ENABLED', RequestPayer: 'requester' })),
      () => client.send(new sdk.PutObjectCommand(put)),
      () => client.send(new sdk.ListObjectsV2Command(list)),
      async () => {
        const input = { ...at, Range: 'bytes=0-2', IfMatch: '"0a"', VersionId: 'v/1' };
        const { Body, ...rest } = await client.send(new sdk.GetObjectCommand(input));
        return { ...rest, body: await text(Body as Readable) };
      },
    ];
    for (const call of calls) await expectSame('s3', call);
    const { Contents = [] } = (await client.send(new sdk.ListObjectsV2Command(list))) as ListObjectsV2CommandOutput;
    expect(Contents.map(({ Key }) => Key)).to.deep.equal(['a%20b', "<&AB'", 'plain']);
  });

  it('to SQS have the same headers, body, signature and answer as those by the SDK', async () => {
    const sdk = await import('@aws-sdk/client-sqs');
    const client = await clients.sqs('control');
    const QueueUrl = `${server.url}/123456789012/tasks`;
    const MessageAttributes = { reason: { DataType: 'String', StringValue: 'why' } };
    const messages = [{ Id: '0', MessageBody: 'ü"\n', DelaySeconds: 1, MessageAttributes }];
    const delivery = { Id: '0', ReceiptHandle: 'r' };
    const releases = [{ ...delivery, VisibilityTimeout: 0 }];
    const calls: readonly (() => Promise<object>)[] = [
      () => client.send(new sdk.SendMessageBatchCommand({ QueueUrl, Entries: messages })),
      () => client.send(new sdk.ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 })),
      () => client.send(new sdk.DeleteMessageBatchCommand({ QueueUrl, Entries: [delivery] })),
      () => client.send(new sdk.ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries: releases })),
    ];
    for (const call of calls) await expectSame('sqs', call);
  });

  it('are retried after a transient failure, and fail at once with an error of the right kind after others', async () => {
    const store = await storeOf(clients, 'kinds');
    expect(await readText(store, 'k')).to.equal('abc');
    received.splice(0);
    answers = [{ status: 503, body: '<Error><Code>SlowDown</Code></Error>' }, { status: 500 }];
    expect(await readText(store, 'k')).to.equal('abc');
    expect(received).to.have.length(3);
    const refusal = (code: string, status: number): Answer => ({
      status,
      headers: { 'content-type': 'application/xml' },
      body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`,
    });
    for (const [code, status, kind] of [
      ['AccessDenied', 403, 'credentials'],
      ['NoSuchBucket', 404, 'notFound'],
      ['ExpiredToken', 400, 'credentials'],
      ['InvalidObjectState', 403, 'refused'],
    ] as const) {
      received.splice(0);
      answers = [refusal(code, status)];
      await failsWith(kind, store.read('k'));
      expect(received, code).to.have.length(1);
    }
    answers = [refusal('NoSuchKey', 404)];
    expect(await store.read('k')).to.equal(null);
  });

  it('are signed with the session token', async () => {
    cleanup.setEnv({ AWS_SESSION_TOKEN: 'one' });
    const store = await storeOf(cleanup.use(openClients({ s3: server.url }, { region: REGION })), 'token');
    await store.put('k', 'x');
    await store.put('k', 'x');
    expect(received.map(({ headers }) => headers['x-amz-security-token'])).to.deep.equal(['one', 'one']);
    for (const { headers } of received) {
      expect(headers.authorization).to.include(`${CREDENTIALS.accessKeyId}/`).and.include(';x-amz-security-token');
    }
  });
});
