// Protects: jobs read exactly the versions that they pinned, and copy, upload and pay only where they may.

import type { RequestListener } from 'node:http';
import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { base64Crc } from '../../../src/adapters/aws/crc32.ts';
import { findBucketRegion, S3Buckets } from '../../../src/adapters/aws/s3-buckets.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import { randomId } from '../../../src/lib/id.ts';
import type { Bucket } from '../../../src/ports/bucket.ts';
import { clientsOptions } from '../../support/aws-clients.ts';
import { AwsWorkspace } from '../../support/aws-workspace.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { readText } from '../../support/read-text.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { RawBucket } from '../../support/s3-bucket.ts';
import { FaultProxy, type SeenRequest } from '../../support/servers/fault-proxy.ts';
import { serve } from '../../support/servers/listen.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { until } from '../../support/until.ts';
import { openBench } from './s3-bench.ts';

const optionsOf = (url: string, account: string | null = null) => clientsOptions({ s3: url }, { account });

describe('buckets named by s3:// addresses', () => {
  const MIB = 2 ** 20;
  const OWNER = '123456789012';
  const moto = forSuite(() => sharedMoto());
  const bench = forSuite(() => openBench(moto.url));
  const proxy = forSuite(() => FaultProxy.start(moto.url));
  const cleanup = forEachTest(() => new Cleanup());
  const buckets = forSuite(() => {
    const own = { name: bench.bucket, owner: OWNER, store: bench.store };
    return new S3Buckets({ clients: optionsOf(proxy.url), own, copies: { largest: 6 * MIB, slice: 5 * MIB } });
  });

  /** The number of chunks that were sent. Part 10,000 marks an upload. */
  const countChunks = (): number =>
    proxy.count(({ method, url }) => method === 'PUT' && /partNumber=\d{1,4}(&|$)/.test(url));
  const bytesOf = (bytes: string | Buffer) => {
    const body = Buffer.from(bytes);
    return { size: body.length, checksum: bytesChecksum(body) };
  };
  const isCopy = ({ headers }: SeenRequest): boolean => 'x-amz-copy-source' in headers;
  const isRead = ({ method, url }: SeenRequest): boolean => method === 'GET' && !url.includes('list-type');
  const copiesSince = (before: number): number => proxy.seen.slice(before).filter(isCopy).length;
  const countReads = (before: number): number => proxy.seen.slice(before).filter(isRead).length;
  /** The next copies are answered as by a server that computes no checksums. */
  const withoutSha256 = (times: number): void => {
    const body = (text: string) => text.replace(/<ChecksumSHA256>[^<]*<\/ChecksumSHA256>/, '');
    proxy.fail(times, { kind: 'edit', body }, isCopy);
  };
  const createBucket = async (versions = false): Promise<string> =>
    (await RawBucket.make(moto.url, { versions, name: `other-${randomId(8)}` })).name;
  const openNew = async (versions = false): Promise<Bucket> => buckets.open(await createBucket(versions));
  /** Buckets whose store is not in S3. */
  const foreign = (options: Partial<ConstructorParameters<typeof S3Buckets>[0]> = {}): S3Buckets =>
    cleanup.use(new S3Buckets({ clients: optionsOf(moto.url), own: null, ...options }));
  const serveAlways = async (answer: RequestListener): Promise<string> => cleanup.use(await serve(answer)).url;

  it('pin a version in a versioned bucket: a later write changes nothing for a reader', async () => {
    const bucket = await openNew(true);
    await bucket.put('in/a.csv', 'first');
    const pinned = await bucket.head('in/a.csv');
    expect(pinned?.version).to.be.a('string').with.length.above(5);
    const version = pinned?.version ?? null;
    await bucket.put('in/a.csv', 'second');
    const { etag = '' } = pinned ?? {};
    expect(await readText(bucket, 'in/a.csv', { version, etag })).to.equal('first');
    expect(await readText(bucket, 'in/a.csv', { version, etag, range: { offset: 1, length: 2 } })).to.equal('ir');
    expect(await readText(bucket, 'in/a.csv', { version, etag, range: { offset: 0, length: 0 } })).to.equal('');
    expect(await readText(bucket, 'in/a.csv')).to.equal('second');
    expect((await bucket.head('in/a.csv', version))?.etag).to.equal(etag);
  });

  it('report no version in an unversioned bucket, and null for an object that does not exist', async () => {
    const bucket = await openNew();
    await bucket.put('a', 'x');
    expect(await bucket.head('a')).to.include({ size: 1, version: null, checksum: null });
    expect(await bucket.head('b')).to.equal(null);
    expect(await bucket.read('b')).to.equal(null);
    expect(bucket.location).to.match(/^s3:\/\/other-/);
  });

  it('copy from the store within S3, whole and in slices, with their own metadata', async () => {
    const bucket = await openNew();
    const large = Buffer.alloc(11 * MIB, 'abc');
    await bench.store.put('jobs/one', 'body', { metadata: { batchctl: 'as published' } });
    await bench.store.put('jobs/large', large);
    const metadata = { sha256: 'f00d' };
    const before = proxy.seen.length;
    await bucket.copyFromStore('jobs/one', 'to/one', { ...bytesOf('body'), metadata });
    const [of4] = proxy.seen.slice(before).filter(({ method }) => method === 'PUT');
    expect(of4?.headers, 'S3 compares its copy').to.include({ 'x-amz-checksum-algorithm': 'SHA256' });
    expect(countReads(before), 'nothing is read').to.equal(0);
    await bucket.copyFromStore('jobs/large', 'to/large', { ...bytesOf(large), metadata });
    const completed = proxy.seen.slice(before).find(({ method, url }) => method === 'POST' && /uploadId=/.test(url));
    expect(completed?.headers, 'S3 compares the whole with what was read').to.include({
      'x-amz-checksum-crc32': base64Crc(crc32(large)),
      'x-amz-checksum-type': 'FULL_OBJECT',
    });
    expect((await bucket.head('to/one'))?.checksum).to.equal(bytesOf('body').checksum);
    expect(await readText(bucket, 'to/one')).to.equal('body');
    expect(Buffer.compare(Buffer.from((await bucket.read('to/large')) ?? []), large)).to.equal(0);
    for (const key of ['to/one', 'to/large']) expect((await bucket.head(key))?.metadata).to.deep.equal(metadata);
    const { checksum } = bytesOf('body');
    await failsWith('changed', bucket.copyFromStore('jobs/one', 'to/one', { size: 5, checksum, metadata }));
    await failsWith('notFound', bucket.copyFromStore('jobs/none', 'to/one', { size: 4, checksum, metadata }));
  });

  it('leave no copy with another SHA-256, whether S3 states it, or S3 does not, or the copy is made in slices', async () => {
    const large = Buffer.alloc(11 * MIB, 'abc');
    await bench.store.put('jobs/altered', 'altered!');
    await bench.store.put('jobs/long-altered', large);
    const copy = async (bucket: Bucket, from: string, size: number) => {
      const as = { size, checksum: bytesOf('original').checksum, metadata: {}, ifAbsent: true };
      const error = await failsWith('changed', bucket.copyFromStore(from, 'to/x', as));
      expect(error.message).to.include(as.checksum);
      expect(await bucket.head('to/x')).to.equal(null);
    };
    const stating = await openNew();
    await copy(stating, 'jobs/altered', 8);
    await copy(stating, 'jobs/long-altered', large.length);
    expect(await stating.copyFromStore('jobs/altered', 'to/x', { ...bytesOf('altered!'), metadata: {} })).not.to.equal(
      null,
    );
    const silent = await openNew();
    withoutSha256(2);
    await copy(silent, 'jobs/altered', 8);
    const before = proxy.seen.length;
    await copy(silent, 'jobs/altered', 8);
    expect(copiesSince(before), 'later ones are read before anything is copied').to.equal(0);
    expect(await silent.copyFromStore('jobs/altered', 'to/x', { ...bytesOf('altered!'), metadata: {} })).not.to.equal(
      null,
    );
    expect(await readText(silent, 'to/x')).to.equal('altered!');
  });

  it('read a copy back if S3 does not state its SHA-256, and read first if the endpoint takes no checksums', async () => {
    await bench.store.put('jobs/plain', 'body');
    withoutSha256(1);
    const bucket = await openNew();
    const before = proxy.seen.length;
    await bucket.copyFromStore('jobs/plain', 'to/plain', { ...bytesOf('body'), metadata: {} });
    const read = proxy.seen.slice(before).filter(isRead);
    expect(read.map(({ url }) => url).join(' ')).to.match(/^\S*to\/plain\S*$/);
    expect(await readText(bucket, 'to/plain')).to.equal('body');
    cleanup.setEnv({ AWS_REQUEST_CHECKSUM_CALCULATION: 'WHEN_REQUIRED' });
    const own = { name: bench.bucket, owner: OWNER, store: bench.store };
    const plain = cleanup.use(new S3Buckets({ clients: optionsOf(proxy.url), own }));
    const target = await plain.open(await createBucket());
    const since = proxy.seen.length;
    await target.copyFromStore('jobs/plain', 'to/plain', { ...bytesOf('body'), metadata: {} });
    expect(copiesSince(since)).to.equal(1);
    const sent = proxy.seen.slice(since).filter(({ headers }) => 'x-amz-checksum-algorithm' in headers);
    expect(sent).to.deep.equal([]);
    const wrong = { size: 4, checksum: bytesOf('BODY').checksum, metadata: {} };
    await failsWith('changed', target.copyFromStore('jobs/plain', 'to/other', wrong));
    expect(await target.head('to/other')).to.equal(null);
  });

  it('spare an object that another process stored in place of a wrong copy', async () => {
    await bench.store.put('jobs/other', 'altered!');
    const bucket = await openNew();
    const isDelete = ({ method }: SeenRequest) => method === 'DELETE';
    proxy.fail(1, { kind: 'answer', status: 412, code: 'PreconditionFailed' }, isDelete);
    const as = { size: 8, checksum: bytesOf('original').checksum, metadata: {}, ifAbsent: true };
    const before = proxy.seen.length;
    await failsWith('changed', bucket.copyFromStore('jobs/other', 'to/x', as));
    const [removed] = proxy.seen.slice(before).filter(isDelete);
    expect(removed?.headers['if-match']).to.equal(`"${(await bucket.head('to/x'))?.etag}"`);
  });

  it('copy create-if-absent, whole and in slices; and within a bucket, replacing an existing object', async () => {
    const bucket = await openNew();
    const large = Buffer.alloc(11 * MIB, 'abc');
    await bench.store.put('jobs/small', 'body');
    await bench.store.put('jobs/long', large);
    for (const [key, bytes] of Object.entries({ small: 'body', long: large })) {
      const copy = () =>
        bucket.copyFromStore(`jobs/${key}`, `once/${key}`, { ...bytesOf(bytes), metadata: {}, ifAbsent: true });
      expect(await copy()).to.include({ created: true });
      await bucket.put(`once/${key}`, 'foreign');
      expect(await copy()).to.include({ created: false });
      expect(await readText(bucket, `once/${key}`)).to.equal('foreign');
    }
    await bucket.put('from', 'new');
    await bucket.copy('from', 'once/small');
    expect(await readText(bucket, 'once/small')).to.equal('new');
    await failsWith('notFound', bucket.copy('none', 'once/small'));
    expect(await readText(bucket, 'once/small')).to.equal('new');
  });

  it('pin the source of a copy, and report it as changed where a copy would replace an object', async () => {
    await bench.store.put('jobs/pinned', 'body');
    const bucket = await openNew();
    await bucket.put('to/pinned', 'standing');
    const pinned = `"${(await bench.store.head('jobs/pinned'))?.etag}"`;
    // S3's answer if the source was replaced since; the emulator compares no condition on a source.
    const isPinned = (seen: SeenRequest) => isCopy(seen) && seen.headers['x-amz-copy-source-if-match'] === pinned;
    proxy.fail(1, { kind: 'answer', status: 412, code: 'PreconditionFailed' }, isPinned);
    await failsWith('changed', bucket.copyFromStore('jobs/pinned', 'to/pinned', { ...bytesOf('body'), metadata: {} }));
    expect(await readText(bucket, 'to/pinned')).to.equal('standing');
  });

  it('upload a stream in chunks, and resume an interrupted upload', async () => {
    const bucket = await openNew();
    const bytes = Buffer.alloc(40 * MIB);
    for (let at = 0; at < bytes.length; at += 4_096) bytes.writeUInt32LE(at, at);
    const pieces = async function* (end: number) {
      for (let at = 0; at < end; at += 300_001) yield bytes.subarray(at, Math.min(end, at + 300_001));
      if (end === bytes.length) return;
      await until('four chunks are safe', () => safe >= 32 * MIB);
      throw new Error('interrupted');
    };
    let safe = 0;
    const onProgress = (now: number): void => {
      safe = now;
    };
    const upload = (end: number) => bucket.uploadStream('big', bytes.length, () => pieces(end), { onProgress });
    expect((await rejection(upload(36 * MIB))).message).to.include('interrupted');
    expect(await bucket.head('big')).to.equal(null);
    const before = countChunks();
    await upload(bytes.length);
    expect(Buffer.compare(Buffer.from((await bucket.read('big')) ?? []), bytes)).to.equal(0);
    expect(countChunks() - before, 'four of five chunks exist').to.equal(1);
    await bucket.uploadStream('small', 6, async function* () {
      yield Buffer.from('one');
      yield Buffer.from('two');
    });
    expect(await readText(bucket, 'small')).to.equal('onetwo');
    for (const size of [5, 7]) {
      const wrong = bucket.uploadStream('wrong', size, async function* () {
        yield Buffer.from('sixsix');
      });
      await failsWith('changed', wrong);
    }
    expect(await bucket.head('wrong')).to.equal(null);
  });

  it('return null for a copy if the store is not in S3', async () => {
    const bucket = await foreign().open(await createBucket());
    expect(await bucket.copyFromStore('jobs/one', 'to/one', { ...bytesOf('body'), metadata: {} })).to.equal(null);
  });

  it('ask for permission before writing, and write nothing when refused', async () => {
    const allowed = () => Promise.reject(new Error('another account'));
    const bucket = await foreign({ allowed }).open(await createBucket());
    for (const write of [bucket.put('a', 'x'), bucket.delete(['a']), bucket.uploadFile('/dev/null', 'a')]) {
      expect(await rejection(write)).to.have.property('message', 'another account');
    }
    expect(await bucket.head('a')).to.equal(null);
  });

  it('accept the charge in every request to buckets with Requester Pays, and in no others', async () => {
    const [charging, free] = [await createBucket(), await createBucket()];
    const profile = { requesterPays: [charging] };
    const workspace = await AwsWorkspace.make({ s3: proxy.url, sqs: moto.url, sts: moto.url, profile });
    cleanup.defer(() => workspace.remove());
    const platform = await workspace.platform();
    const requestsTo = (name: string) => proxy.seen.filter(({ url }) => url.startsWith(`/${name}`));
    for (const name of [charging, free]) {
      const bucket = await platform.bucket(name);
      await bucket.put('in/a', 'abc');
      expect(await readText(bucket, 'in/a')).to.equal('abc');
      expect(await bucket.head('in/b')).to.equal(null);
      for await (const { key } of bucket.list('in/')) expect(key).to.equal('in/a');
      await bucket.delete(['in/a']);
    }
    const payers = (name: string) => new Set(requestsTo(name).map(({ headers }) => headers['x-amz-request-payer']));
    expect(requestsTo(charging).map(({ method }) => method)).to.include.members(['PUT', 'GET', 'HEAD', 'DELETE']);
    expect([...payers(charging)]).to.deep.equal(['requester']);
    expect([...payers(free)]).to.deep.equal([undefined]);
  });

  it('name the action and the object that another account does not allow', async () => {
    const url = await serveAlways((request, answer) => {
      const code = request.method === 'HEAD' ? '' : '<Error><Code>AccessDenied</Code><Message>no</Message></Error>';
      answer.writeHead(403, { 'content-type': 'application/xml' }).end(code);
    });
    const bucket = await foreign({ clients: optionsOf(url, OWNER) }).open('their-data');
    const error = await failsWith('credentials', bucket.head('in/a.csv'));
    expect(error).to.have.property('hint').that.includes('allow s3:GetObject on arn:aws:s3:::their-data/in/a.csv');
    expect(error).to.have.property('hint').that.includes('add their-data to `requesterPays`');
    const ofVersion = await rejection(bucket.read('in/a.csv', { version: 'v1' }));
    expect(ofVersion).to.have.property('hint').that.includes('s3:GetObjectVersion on arn:aws:s3:::their-data/in/a.csv');
  });

  it('reject an archived object, and say how to restore it', async () => {
    const url = await serveAlways((_, answer) => {
      answer.writeHead(200, { 'x-amz-storage-class': 'DEEP_ARCHIVE', etag: '"e"', 'content-length': '5' }).end();
    });
    const bucket = await foreign({ clients: optionsOf(url) }).open('old-data');
    const error = await failsWith('refused', bucket.head('2019.csv'));
    expect(error).to.have.property('hint').that.includes('aws s3api restore-object --bucket old-data');
  });

  for (const status of [200, 301, 403]) {
    it(`find a bucket's region in an answer of ${status}`, async () => {
      const url = await serveAlways((_, answer) => {
        answer.writeHead(status, { 'x-amz-bucket-region': 'eu-central-1' }).end();
      });
      const clients = cleanup.use(new AwsClients(optionsOf(url)));
      expect(await findBucketRegion(clients, 'elsewhere')).to.equal('eu-central-1');
    });
  }

  it('report a bucket that does not exist', async () => {
    await failsWith('notFound', findBucketRegion(bench.clients, `none-${randomId(8)}`));
  });
});
