import { expect } from 'chai';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { findBucketRegion, S3Buckets } from '../../../src/adapters/aws/s3-buckets.ts';
import { randomId } from '../../../src/lib/id.ts';
import type { Bucket } from '../../../src/ports/bucket.ts';
import { AwsWorkspace } from '../../support/aws-workspace.ts';
import { forSuite } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { FaultProxy } from '../../support/servers/fault-proxy.ts';
import { serve } from '../../support/servers/listen.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { until } from '../../support/until.ts';
import { openBench } from './s3-bench.ts';

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString());

/** Clients that ask this server. */
const at = (url: string) => ({ region: 'us-east-1', profile: null, account: null, endpoints: { s3: url } });

describe('buckets named by s3:// addresses', () => {
  const MIB = 2 ** 20;
  const OWNER = '123456789012';
  const moto = forSuite(() => sharedMoto());
  const bench = forSuite(() => openBench(moto.url));
  const proxy = forSuite(() => FaultProxy.start(moto.url));
  const buckets = forSuite(() => {
    const own = { name: bench.bucket, owner: OWNER, store: bench.store };
    return new S3Buckets({ clients: at(proxy.url), own, copies: { largest: 6 * MIB, slice: 5 * MIB } });
  });
  after(() => bench.clients.close());

  /** The chunks sent so far; the marked one interrupts an upload. */
  const partsPut = async (): Promise<number> =>
    proxy.seen.filter(({ method, url }) => method === 'PUT' && /partNumber=\d{1,4}(&|$)/.test(url)).length;

  async function make(versions: boolean): Promise<Bucket> {
    const name = `other-${randomId(8)}`;
    const made = await fetch(`${moto.url}/${name}`, { method: 'PUT' });
    expect(made.ok).to.equal(true);
    if (versions) {
      const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
      expect((await fetch(`${moto.url}/${name}?versioning`, { method: 'PUT', body })).ok).to.equal(true);
    }
    return buckets.open(name);
  }

  it('pin a version in a versioned bucket: a later write changes nothing for a reader', async () => {
    const bucket = await make(true);
    await bucket.put('in/a.csv', 'first');
    const pinned = await bucket.head('in/a.csv');
    expect(pinned?.version).to.be.a('string').with.length.above(5);
    const version = pinned?.version ?? null;
    await bucket.put('in/a.csv', 'second');
    const { etag = '' } = pinned ?? {};
    expect(text(await bucket.read('in/a.csv', { version, etag }))).to.equal('first');
    expect(text(await bucket.read('in/a.csv', { version, etag, range: { offset: 1, length: 2 } }))).to.equal('ir');
    expect(text(await bucket.read('in/a.csv'))).to.equal('second');
    expect((await bucket.head('in/a.csv', version))?.etag).to.equal(etag);
  });

  it('report no version in an unversioned bucket, and null for an object that does not exist', async () => {
    const bucket = await make(false);
    await bucket.put('a', 'x');
    expect(await bucket.head('a')).to.include({ size: 1, version: null, checksum: null });
    expect(await bucket.head('b')).to.equal(null);
    expect(await bucket.read('b')).to.equal(null);
    expect(bucket.location).to.match(/^s3:\/\/other-/);
  });

  it('copy from the store within S3, whole and in slices, with their own metadata', async () => {
    const bucket = await make(false);
    const large = Buffer.alloc(11 * MIB, 'abc');
    await bench.store.put('jobs/one', 'body', { metadata: { batchctl: 'as published' } });
    await bench.store.put('jobs/large', large);
    const metadata = { sha256: 'f00d' };
    await bucket.copyFromStore('jobs/one', 'to/one', { size: 4, metadata });
    await bucket.copyFromStore('jobs/large', 'to/large', { size: large.length, metadata });
    expect(text(await bucket.read('to/one'))).to.equal('body');
    expect(Buffer.compare(Buffer.from((await bucket.read('to/large')) ?? []), large)).to.equal(0);
    for (const key of ['to/one', 'to/large']) expect((await bucket.head(key))?.metadata).to.deep.equal(metadata);
    await failsWith('changed', bucket.copyFromStore('jobs/one', 'to/one', { size: 5, metadata }));
    await failsWith('notFound', bucket.copyFromStore('jobs/none', 'to/one', { size: 4, metadata }));
  });

  it('copy create-if-absent, whole and in slices; and within a bucket, replacing an existing object', async () => {
    const bucket = await make(false);
    const large = Buffer.alloc(11 * MIB, 'abc');
    await bench.store.put('jobs/small', 'body');
    await bench.store.put('jobs/long', large);
    for (const [key, size] of [
      ['small', 4],
      ['long', large.length],
    ] as const) {
      const copy = () => bucket.copyFromStore(`jobs/${key}`, `once/${key}`, { size, metadata: {}, ifAbsent: true });
      expect(await copy()).to.include({ created: true });
      await bucket.put(`once/${key}`, 'of another');
      expect(await copy()).to.include({ created: false });
      expect(text(await bucket.read(`once/${key}`))).to.equal('of another');
    }
    await bucket.put('from', 'new');
    await bucket.copy('from', 'once/small');
    expect(text(await bucket.read('once/small'))).to.equal('new');
    expect(await rejection(bucket.copy('none', 'once/small'))).to.include({ kind: 'notFound' });
    expect(text(await bucket.read('once/small'))).to.equal('new');
  });

  it('upload a stream in chunks, and resume an interrupted upload', async () => {
    const bucket = await make(false);
    const bytes = Buffer.alloc(40 * MIB);
    for (let at = 0; at < bytes.length; at += 4_096) bytes.writeUInt32LE(at, at);
    const pieces = async function* (end: number) {
      for (let at = 0; at < end; at += 300_001) yield bytes.subarray(at, Math.min(end, at + 300_001));
      if (end === bytes.length) return;
      await until('four chunks are safe', () => safe >= 32 * MIB);
      throw new Error('broken off');
    };
    let safe = 0;
    const onProgress = (now: number): void => {
      safe = now;
    };
    const upload = (end: number) => bucket.uploadStream('big', bytes.length, () => pieces(end), { onProgress });
    expect((await rejection(upload(36 * MIB))).message).to.include('broken off');
    expect(await bucket.head('big')).to.equal(null);
    const before = await partsPut();
    await upload(bytes.length);
    expect(Buffer.compare(Buffer.from((await bucket.read('big')) ?? []), bytes)).to.equal(0);
    expect((await partsPut()) - before, 'of five chunks four were there').to.equal(1);
    await bucket.uploadStream('small', 6, async function* () {
      yield Buffer.from('one');
      yield Buffer.from('two');
    });
    expect(text(await bucket.read('small'))).to.equal('onetwo');
    for (const size of [5, 7]) {
      const wrong = bucket.uploadStream('wrong', size, async function* () {
        yield Buffer.from('sixsix');
      });
      expect(await rejection(wrong)).to.include({ kind: 'changed' });
    }
    expect(await bucket.head('wrong')).to.equal(null);
  });

  it('return null for a copy if the store is not in S3', async () => {
    const local = new S3Buckets({ clients: at(moto.url), own: null });
    const bucket = await local.open((await make(false)).location.slice('s3://'.length));
    expect(await bucket.copyFromStore('jobs/one', 'to/one', { size: 4, metadata: {} })).to.equal(null);
    await local.close();
  });

  it('ask for permission before writing, and write nothing when refused', async () => {
    const { location } = await make(false);
    const allowed = () => Promise.reject(new Error('another account'));
    const guarded = new S3Buckets({ clients: at(moto.url), own: null, allowed });
    const bucket = await guarded.open(location.slice('s3://'.length));
    for (const act of [bucket.put('a', 'x'), bucket.delete(['a']), bucket.uploadFile('/dev/null', 'a')]) {
      expect(await rejection(act)).to.have.property('message', 'another account');
    }
    expect(await bucket.head('a')).to.equal(null);
    await guarded.close();
  });

  it('accept the charge in every request to buckets with Requester Pays, and in no others', async () => {
    const [theirs, others] = [await make(false), await make(false)].map(({ location }) => location.slice(5));
    if (theirs === undefined || others === undefined) throw new Error('two buckets were made');
    const workspace = await AwsWorkspace.make({
      ...{ s3: proxy.url, sqs: moto.url, sts: moto.url, profile: { requesterPays: [theirs] } },
    });
    const platform = await workspace.platform();
    const of = (name: string) => proxy.seen.filter(({ url }) => url.startsWith(`/${name}`));
    try {
      for (const name of [theirs, others]) {
        const bucket = await platform.bucket(name);
        await bucket.put('in/a', 'abc');
        expect(text(await bucket.read('in/a'))).to.equal('abc');
        expect(await bucket.head('in/b')).to.equal(null);
        for await (const { key } of bucket.list('in/')) expect(key).to.equal('in/a');
        await bucket.delete(['in/a']);
      }
    } finally {
      await workspace.remove();
    }
    const said = (name: string) => [...new Set(of(name).map(({ headers }) => headers['x-amz-request-payer']))];
    expect(of(theirs).map(({ method }) => method)).to.include.members(['PUT', 'GET', 'HEAD', 'DELETE']);
    expect(said(theirs)).to.deep.equal(['requester']);
    expect(said(others)).to.deep.equal([undefined]);
  });

  it('name the action and the object that another account does not allow', async () => {
    const denied = await serve((request, answer) => {
      const code = request.method === 'HEAD' ? '' : '<Error><Code>AccessDenied</Code><Message>no</Message></Error>';
      answer.writeHead(403, { 'content-type': 'application/xml' }).end(code);
    });
    const there = new S3Buckets({ clients: { ...at(denied.url), account: OWNER }, own: null });
    const bucket = await there.open('their-data');
    const error = await rejection(bucket.head('in/a.csv'));
    expect(error).to.include({ kind: 'credentials' });
    expect(error).to.have.property('hint').that.includes('allow s3:GetObject on arn:aws:s3:::their-data/in/a.csv');
    expect(error).to.have.property('hint').that.includes('add their-data to `requesterPays`');
    const ofVersion = await rejection(bucket.read('in/a.csv', { version: 'v1' }));
    expect(ofVersion).to.have.property('hint').that.includes('s3:GetObjectVersion on arn:aws:s3:::their-data/in/a.csv');
    await there.close();
    await denied.close();
  });

  it('reject an archived object, and say how to restore it', async () => {
    const frozen = await serve((_, answer) => {
      answer.writeHead(200, { 'x-amz-storage-class': 'DEEP_ARCHIVE', etag: '"e"', 'content-length': '5' }).end();
    });
    const there = new S3Buckets({ clients: at(frozen.url), own: null });
    const error = await rejection((await there.open('old-data')).head('2019.csv'));
    expect(error).to.include({ kind: 'refused' });
    expect(error).to.have.property('hint').that.includes('aws s3api restore-object --bucket old-data');
    await there.close();
    await frozen.close();
  });

  for (const status of [200, 301, 403]) {
    it(`find a bucket's region in an answer of ${status}`, async () => {
      const server = await serve((_, answer) => {
        answer.writeHead(status, { 'x-amz-bucket-region': 'eu-central-1' }).end();
      });
      const clients = new AwsClients(at(server.url));
      expect(await findBucketRegion(clients, 'elsewhere')).to.equal('eu-central-1');
      await clients.close();
      await server.close();
    });
  }

  it('report a bucket that does not exist', async () => {
    expect(await rejection(findBucketRegion(bench.clients, `none-${randomId(8)}`))).to.include({ kind: 'notFound' });
  });
});
