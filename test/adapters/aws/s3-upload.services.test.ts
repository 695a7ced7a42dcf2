// Protects: a resumed upload never re-sends or corrupts chunks that already arrived.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { forSuite } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { bundled } from '../../support/run/bundled.ts';
import { FaultProxy, type Seen } from '../../support/servers/fault-proxy.ts';
import { startMoto } from '../../support/servers/moto.ts';
import { until } from '../../support/until.ts';
import { openBench, type S3Bench } from './s3-bench.ts';

const MIB = 1024 * 1024;
/** The minimum that S3 allows, so that a test's file has several chunks. */
const CHUNKS = { from: 5 * MIB, smallest: 5 * MIB };
const UPLOADER = new URL('./fixtures/s3-uploader.ts', import.meta.url).pathname;
const run = promisify(execFile);

const numberOf = ({ method, url }: Seen): number =>
  method === 'PUT' ? Number(/[?&]partNumber=(\d+)/.exec(url)?.[1] ?? 0) : 0;
const isChunk = (seen: Seen): boolean => numberOf(seen) > 0 && numberOf(seen) < 10_000;
const isCreate = ({ method, url }: Seen): boolean => method === 'POST' && /[?&]uploads(=|&|$)/.test(url);
const isComplete = ({ method, url }: Seen): boolean => method === 'POST' && /[?&]uploadId=/.test(url);

describe('uploading a large file to S3', () => {
  const moto = forSuite(() => startMoto());
  const proxy = forSuite(() => FaultProxy.start(moto.url));
  let at: S3Bench;
  let scratch: string;
  let path: string;
  beforeEach(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'batchctl-s3-'));
    path = join(scratch, 'file');
    at = await openBench(moto.url, proxy.url, { prefix: '', chunks: CHUNKS });
    proxy.heal();
  });
  afterEach(async () => {
    rmSync(scratch, { recursive: true, force: true });
    await at.clients.close();
  });

  /** A file of this size in which no two chunks are equal. */
  function fileOf(size: number): Buffer {
    const bytes = Buffer.alloc(size);
    for (let index = 0; index + 4 <= size; index += 4_093) bytes.writeUInt32LE(index, index);
    writeFileSync(path, bytes);
    return bytes;
  }

  const sentChunks = (): number[] =>
    proxy.seen
      .filter(isChunk)
      .map(numberOf)
      .sort((one, other) => one - other);
  const isThere = async (bytes: Buffer, key = 'big'): Promise<boolean> =>
    Buffer.compare((await at.store.read(key)) ?? Buffer.of(), bytes) === 0;

  /** Aborts an upload after its first chunks, as a signal does. */
  async function interrupted(chunks: number, metadata: Record<string, string> = {}): Promise<void> {
    const abort = new AbortController();
    const onProgress = (safe: number): void => {
      if (safe >= chunks * 5 * MIB) abort.abort();
    };
    proxy.fail(99, { kind: 'hang' }, (seen) => isChunk(seen) && numberOf(seen) > chunks);
    const upload = at.store.uploadFile(path, 'big', { metadata, signal: abort.signal, onProgress });
    expect(await rejection(upload)).to.have.property('name', 'AbortError');
    expect(await at.store.head('big'), 'nothing is half visible').to.equal(null);
    proxy.heal();
  }

  it('resumes the upload of a process that was killed midway, and sends only what is missing', async () => {
    // The child has the production limits: five chunks of 8 MiB.
    const own = await openBench(moto.url, proxy.url, { prefix: '' });
    const bytes = fileOf(5 * 8 * MIB);
    proxy.fail(99, { kind: 'hang' }, (seen) => isChunk(seen) && numberOf(seen) > 2);
    const args = [bundled(UPLOADER), proxy.url, own.bucket, 'up', path, 'big'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await until('two chunks are safe', () => said.includes(`safe ${2 * 8 * MIB}`));
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await own.store.head('big')).to.equal(null);
    proxy.heal();

    const progress: number[] = [];
    const metadata = { sha256: 'x' };
    const result = await own.store.uploadFile(path, 'big', { metadata, onProgress: (safe) => progress.push(safe) });
    expect(result.created).to.equal(true);
    expect(sentChunks()).to.deep.equal([3, 4, 5]);
    expect(proxy.count(isCreate)).to.equal(0);
    expect(progress.at(-1)).to.equal(bytes.length);
    expect(await own.store.head('big')).to.deep.include({ size: bytes.length, metadata });
    expect(Buffer.compare((await own.store.read('big')) ?? Buffer.of(), bytes)).to.equal(0);
    await own.clients.close();
  });

  it('resumes an upload that a signal ended', async () => {
    const bytes = fileOf(4 * 5 * MIB + 17);
    await interrupted(2);
    await at.store.uploadFile(path, 'big');
    expect(sentChunks()).to.deep.equal([3, 4, 5]);
    expect(await isThere(bytes)).to.equal(true);
  });

  it('re-sends a chunk that no longer matches the file', async () => {
    const bytes = fileOf(4 * 5 * MIB);
    await interrupted(3);
    bytes.writeUInt8(1 ^ bytes.readUInt8(6 * MIB), 6 * MIB);
    writeFileSync(path, bytes);
    await at.store.uploadFile(path, 'big');
    expect(sentChunks()).to.deep.equal([2, 4]);
    expect(await isThere(bytes)).to.equal(true);
  });

  it("starts over when the metadata changed, because an unfinished upload's is fixed", async () => {
    const bytes = fileOf(3 * 5 * MIB);
    await interrupted(2, { sha256: 'old' });
    await at.store.uploadFile(path, 'big', { metadata: { sha256: 'new' } });
    expect(sentChunks()).to.deep.equal([1, 2, 3]);
    expect((await at.store.head('big'))?.metadata).to.deep.equal({ sha256: 'new' });
    expect(await isThere(bytes)).to.equal(true);
  });

  it('starts over if listing unfinished uploads is denied', async () => {
    const bytes = fileOf(3 * 5 * MIB);
    await interrupted(2);
    proxy.fail(1, { kind: 'answer', status: 403, code: 'AccessDenied' }, ({ method }) => method === 'GET');
    await at.store.uploadFile(path, 'big');
    expect(sentChunks()).to.deep.equal([1, 2, 3]);
    expect(await isThere(bytes)).to.equal(true);
  });

  it('sends lost chunks again, with their checksums', async () => {
    const bytes = fileOf(3 * 5 * MIB);
    proxy.fail(1, { kind: 'reset' }, isChunk);
    proxy.fail(1, { kind: 'lost' }, isChunk);
    proxy.fail(1, { kind: 'answer', status: 503, code: 'SlowDown' }, isChunk);
    await at.store.uploadFile(path, 'big');
    expect(sentChunks()).to.have.length(6);
    expect(proxy.seen.find(isChunk)?.headers).to.have.property('x-amz-checksum-crc32');
    expect(await isThere(bytes)).to.equal(true);
  });

  it('recognises its own completion when the answer was lost', async () => {
    const bytes = fileOf(3 * 5 * MIB);
    proxy.fail(1, { kind: 'lost' }, isComplete);
    // S3's answer to the second try.
    proxy.fail(1, { kind: 'answer', status: 404, code: 'NoSuchUpload' }, isComplete);
    const { created, etag } = await at.store.uploadFile(path, 'big');
    expect(created).to.equal(true);
    expect(etag).to.equal((await at.store.head('big'))?.etag);
    expect(sentChunks()).to.have.length(3);
    expect(await isThere(bytes)).to.equal(true);
  });

  it('does not mistake an older object of the same size for its own', async () => {
    const bytes = fileOf(2 * 5 * MIB);
    await at.store.uploadFile(path, 'big');
    bytes.writeUInt8(7, 3);
    writeFileSync(path, bytes);
    proxy.fail(1, { kind: 'answer', status: 404, code: 'NoSuchUpload' }, isComplete);
    await at.store.uploadFile(path, 'big');
    expect(await isThere(bytes)).to.equal(true);
  });

  it('starts a new upload if someone aborted its own', async () => {
    const bytes = fileOf(3 * 5 * MIB);
    proxy.fail(1, { kind: 'answer', status: 404, code: 'NoSuchUpload' }, isChunk);
    await at.store.uploadFile(path, 'big');
    expect(proxy.count(isCreate)).to.equal(2);
    expect(await isThere(bytes)).to.equal(true);
  });

  it('sends every chunk again in a new upload if the completion met another write', async () => {
    const bytes = fileOf(2 * 5 * MIB);
    proxy.fail(1, { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' }, isComplete);
    expect((await at.store.uploadFile(path, 'big', { ifAbsent: true })).created).to.equal(true);
    expect(sentChunks()).to.deep.equal([1, 1, 2, 2]);
    expect(proxy.seen.filter(isComplete).every(({ headers }) => headers['if-none-match'] === '*')).to.equal(true);
    expect(await isThere(bytes)).to.equal(true);
  });

  it('leaves the object and the file alone if another writer was first, at any moment', async () => {
    fileOf(2 * 5 * MIB);
    await at.store.put('big', 'first');
    const options = { ifAbsent: true, consume: true };
    expect((await at.store.uploadFile(path, 'big', options)).created).to.equal(false);
    expect(sentChunks(), 'known before a byte was sent').to.deep.equal([]);
    await at.store.delete(['big']);
    proxy.fail(1, { kind: 'answer', status: 412, code: 'PreconditionFailed' }, isComplete);
    expect((await at.store.uploadFile(path, 'big', options)).created).to.equal(false);
    expect(existsSync(path)).to.equal(true);
  });

  it('publishes nothing when the file changes during the upload', async () => {
    const bytes = fileOf(2 * 5 * MIB);
    const onProgress = (): void => writeFileSync(path, Buffer.concat([bytes, Buffer.of(1)]));
    await failsWith('changed', at.store.uploadFile(path, 'big', { onProgress }));
    expect(await at.store.head('big')).to.equal(null);
  });

  it("says that the file changed if S3 refuses a chunk's new bytes", async () => {
    const bytes = fileOf(2 * 5 * MIB);
    proxy.fail(1, { kind: 'answer', status: 400, code: 'BadDigest' }, (seen) => {
      if (!isChunk(seen)) return false;
      writeFileSync(path, bytes.fill(7));
      return true;
    });
    await failsWith('changed', at.store.uploadFile(path, 'big'));
    expect(await at.store.head('big')).to.equal(null);
  });

  it('ends without waiting for bytes that are gone when the file is cut off while a chunk is sent', async () => {
    fileOf(5 * MIB);
    proxy.fail(1, { kind: 'answer', status: 503, code: 'SlowDown' }, (seen) => {
      if (!isChunk(seen)) return false;
      truncateSync(path, 3 * MIB);
      return true;
    });
    await failsWith('changed', at.store.uploadFile(path, 'big'));
    expect(await at.store.head('big')).to.equal(null);
  });

  it('deletes a file that it consumes once its chunks have arrived', async () => {
    const bytes = fileOf(15 * MIB + 3);
    await at.store.uploadFile(path, 'big', { consume: true });
    expect(await isThere(bytes)).to.equal(true);
    expect(existsSync(path)).to.equal(false);
  });

  it('copies an object that is too large for one copy in slices, including metadata', async () => {
    const copies = { largest: 5 * MIB, slice: 5 * MIB };
    const own = await openBench(moto.url, proxy.url, { prefix: 'p/', copies });
    const bytes = fileOf(11 * MIB);
    await own.store.put('from é+', bytes, { metadata: { a: 'b' } });
    expect((await own.store.copy('from é+', 'to', { ifAbsent: true })).created).to.equal(true);
    expect(Buffer.compare((await own.store.read('to')) ?? Buffer.of(), bytes)).to.equal(0);
    expect((await own.store.head('to'))?.metadata).to.deep.equal({ a: 'b' });
    expect(proxy.count((seen) => 'x-amz-copy-source-range' in seen.headers)).to.equal(3);
    expect((await own.store.copy('from é+', 'to', { ifAbsent: true })).created).to.equal(false);
    proxy.fail(1, { kind: 'answer', status: 412, code: 'PreconditionFailed' }, isComplete);
    await failsWith('changed', own.store.copy('from é+', 'to2'));
    await own.clients.close();
  });

  it('holds no chunk in memory, whatever the size; nor does reading', async () => {
    writeFileSync(path, 'begin');
    truncateSync(path, 256 * MIB);
    const measure = async (what: string): Promise<{ bytes: number; grown: number }> => {
      const args = [bundled(UPLOADER), moto.url, at.bucket, what, path, 'big'];
      return JSON.parse((await run(process.execPath, args)).stdout);
    };
    expect((await measure('up')).grown, 'uploading').to.be.below(60 * MIB);
    const { bytes, grown } = await measure('down');
    expect(bytes).to.equal(256 * MIB);
    expect(grown, 'reading').to.be.below(150 * MIB);
    expect(readFileSync(path).length).to.equal(bytes);
  });
});
