// Protects: a resumed upload never re-sends or corrupts chunks that already arrived.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';
import { FaultProxy, type SeenRequest } from '../../support/servers/fault-proxy.ts';
import { startMoto } from '../../support/servers/moto.ts';
import { until } from '../../support/until.ts';
import { fixtureProgram } from '../child-programs.ts';
import { distinctBytes, openBench, type S3Bench, s3Fault, storeOf } from './s3-bench.ts';

const MIB = 1024 * 1024;
/** The minimum that S3 allows, so that a test's file has several chunks. */
const CHUNKS = { from: 5 * MIB, smallest: 5 * MIB };
const UPLOADER = fixtureProgram(import.meta.dirname, 's3-uploader');
const run = promisify(execFile);

const numberOf = ({ method, url }: SeenRequest): number =>
  method === 'PUT' ? Number(/[?&]partNumber=(\d+)/.exec(url)?.[1] ?? 0) : 0;
const isChunk = (seen: SeenRequest): boolean => numberOf(seen) > 0 && numberOf(seen) < 10_000;
const isCreate = ({ method, url }: SeenRequest): boolean => method === 'POST' && /[?&]uploads(=|&|$)/.test(url);
const isPartsList = ({ method, url }: SeenRequest): boolean => method === 'GET' && /[?&]uploadId=/.test(url);
const isUploadsList = ({ method, url }: SeenRequest): boolean => method === 'GET' && /[?&]uploads(=|&|$)/.test(url);
const isComplete = ({ method, url }: SeenRequest): boolean => method === 'POST' && /[?&]uploadId=/.test(url);

/** CRC-32 as S3 writes it. */
function crcText(bytes: Uint8Array): string {
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(bytes));
  return crc.toString('base64');
}

describe('uploading a large file to S3', () => {
  const moto = forSuite(() => startMoto());
  const proxy = forSuite(() => FaultProxy.start(moto.url));
  const bench = forEachTest(() => openBench(moto.url, proxy.url, { prefix: '', chunks: CHUNKS }));
  const scratch = forEachTest(() => new Scratch());
  const cleanup = forEachTest(() => new Cleanup());
  let path: string;
  beforeEach(() => {
    path = scratch.path('file');
    proxy.heal();
  });

  /** Writes a file of this size. */
  function writeBytes(size: number): Buffer {
    const bytes = distinctBytes(size);
    writeFileSync(path, bytes);
    return bytes;
  }

  const sentChunks = (): number[] =>
    proxy.seen
      .filter(isChunk)
      .map(numberOf)
      .sort((one, other) => one - other);
  const expectStored = async (bytes: Buffer, key = 'big', { store }: Pick<S3Bench, 'store'> = bench): Promise<void> => {
    expect(Buffer.compare((await store.read(key)) ?? Buffer.of(), bytes)).to.equal(0);
  };

  /** Starts an upload, and aborts it after this number of chunks. */
  async function interruptUpload(chunks: number, metadata: Record<string, string> = {}): Promise<void> {
    const abort = new AbortController();
    const onProgress = (safe: number): void => {
      if (safe >= chunks * 5 * MIB) abort.abort();
    };
    proxy.fail(99, { kind: 'hang' }, (seen) => isChunk(seen) && numberOf(seen) > chunks);
    const upload = bench.store.uploadFile(path, 'big', { metadata, signal: abort.signal, onProgress });
    expect(await rejection(upload)).to.have.property('name', 'AbortError');
    expect(await bench.store.head('big'), 'no part is visible').to.equal(null);
    proxy.heal();
  }

  it('resumes the upload of a killed process, and sends only the missing chunks', async () => {
    // The child has the production limits: five chunks of 8 MiB.
    const own = await openBench(moto.url, proxy.url, { prefix: '' });
    const bytes = writeBytes(5 * 8 * MIB);
    proxy.fail(99, { kind: 'hang' }, (seen) => isChunk(seen) && numberOf(seen) > 2);
    const args = [UPLOADER, proxy.url, own.bucket, 'up', path, 'big'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await until('two chunks are safe', () => output.includes(`safe ${2 * 8 * MIB}`));
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
    await expectStored(bytes, 'big', own);
    await own.close();
  });

  it('resumes an upload that a signal ended', async () => {
    const bytes = writeBytes(4 * 5 * MIB + 17);
    await interruptUpload(2);
    await bench.store.uploadFile(path, 'big');
    expect(sentChunks()).to.deep.equal([3, 4, 5]);
    await expectStored(bytes);
  });

  it('resumes the newest of several unfinished uploads', async () => {
    const bytes = writeBytes(4 * 5 * MIB + 17);
    await interruptUpload(1);
    // Denied to list, it begins another.
    proxy.fail(1, s3Fault(403, 'AccessDenied'), isUploadsList);
    await interruptUpload(3);
    // The emulator lists them in the order in which they began, as S3 does, but with one time for all.
    let year = 2020;
    const body = (xml: string): string =>
      xml.replaceAll(/<Initiated>\d+/g, () => {
        year += 1;
        return `<Initiated>${year}`;
      });
    proxy.fail(1, { kind: 'edit', body }, isUploadsList);
    await bench.store.uploadFile(path, 'big');
    expect(year, 'two were listed').to.equal(2022);
    expect(sentChunks()).to.deep.equal([4, 5]);
    await expectStored(bytes);
  });

  it('re-sends a chunk that no longer matches the file', async () => {
    const bytes = writeBytes(4 * 5 * MIB);
    await interruptUpload(3);
    bytes.writeUInt8(1 ^ bytes.readUInt8(6 * MIB), 6 * MIB);
    writeFileSync(path, bytes);
    await bench.store.uploadFile(path, 'big');
    expect(sentChunks()).to.deep.equal([2, 4]);
    await expectStored(bytes);
  });

  it('resumes an upload whose chunks S3 lists in several pages', async () => {
    const bytes = writeBytes(4 * 5 * MIB + 17);
    await interruptUpload(3);
    // S3 lists at most a thousand parts a page.
    proxy.fail(99, { kind: 'address', url: (url) => `${url}&max-parts=2` }, isPartsList);
    await bench.store.uploadFile(path, 'big');
    expect(sentChunks()).to.deep.equal([4, 5]);
    await expectStored(bytes);
    expect(proxy.count(isPartsList)).to.be.greaterThan(1);
  });

  it('begins anew if it is to be encrypted with another key', async () => {
    const bytes = writeBytes(4 * 5 * MIB + 17);
    await interruptUpload(3);
    const kmsKey = 'arn:aws:kms:eu-west-1:123456789012:key/1';
    const store = await storeOf(bench.clients, bench.bucket, { kmsKey, chunks: CHUNKS });
    await store.uploadFile(path, 'big');
    expect(sentChunks()).to.deep.equal([1, 2, 3, 4, 5]);
    await expectStored(bytes);
  });

  it('is not completed if its check throws, and leaves its chunks for a later try', async () => {
    const bytes = writeBytes(4 * 5 * MIB + 17);
    const check = () => Promise.reject(new Error('an open job reads it'));
    expect((await rejection(bench.store.uploadFile(path, 'big', { check }))).message).to.include(
      'an open job reads it',
    );
    expect(await bench.store.head('big')).to.equal(null);
    expect(proxy.count(isComplete)).to.equal(0);
    proxy.heal();
    await bench.store.uploadFile(path, 'big');
    expect(sentChunks()).to.deep.equal([]);
    await expectStored(bytes);
  });

  it('re-sends a chunk whose checksum in S3 differs from the file, whatever its entity tag', async () => {
    const bytes = writeBytes(4 * 5 * MIB);
    await interruptUpload(3);
    const crcOf = (number: number): string => {
      const chunk = bytes.subarray((number - 1) * 5 * MIB, number * 5 * MIB);
      return crcText(number === 2 ? chunk.map((byte) => byte ^ 1) : chunk);
    };
    // The emulator lists no checksums.
    const body = (xml: string): string =>
      xml.replaceAll(
        /(<PartNumber>([123])<\/PartNumber>)/g,
        (_, part: string, number: string) => `${part}<ChecksumCRC32>${crcOf(Number(number))}</ChecksumCRC32>`,
      );
    proxy.fail(1, { kind: 'edit', body }, isPartsList);
    await bench.store.uploadFile(path, 'big');
    expect(sentChunks()).to.deep.equal([2, 4]);
    await expectStored(bytes);
  });

  it("completes with the whole file's checksum, with which S3 compares what it holds", async () => {
    const bytes = writeBytes(2 * 5 * MIB + 17);
    await bench.store.uploadFile(path, 'big');
    expect(proxy.seen.find(isCreate)?.headers).to.include({
      'x-amz-checksum-algorithm': 'CRC32',
      'x-amz-checksum-type': 'FULL_OBJECT',
    });
    expect(proxy.seen.find(isComplete)?.headers).to.include({
      'x-amz-checksum-crc32': crcText(bytes),
      'x-amz-checksum-type': 'FULL_OBJECT',
      'x-amz-mp-object-size': String(bytes.length),
    });
  });

  it("starts over when the metadata changed, because an unfinished upload's is fixed", async () => {
    const bytes = writeBytes(3 * 5 * MIB);
    await interruptUpload(2, { sha256: 'old' });
    await bench.store.uploadFile(path, 'big', { metadata: { sha256: 'new' } });
    expect(sentChunks()).to.deep.equal([1, 2, 3]);
    expect((await bench.store.head('big'))?.metadata).to.deep.equal({ sha256: 'new' });
    await expectStored(bytes);
  });

  it('starts over if listing unfinished uploads is denied', async () => {
    const bytes = writeBytes(3 * 5 * MIB);
    await interruptUpload(2);
    proxy.fail(1, s3Fault(403, 'AccessDenied'), ({ method }) => method === 'GET');
    await bench.store.uploadFile(path, 'big');
    expect(sentChunks()).to.deep.equal([1, 2, 3]);
    await expectStored(bytes);
  });

  it('sends lost chunks again, with their checksums', async () => {
    const bytes = writeBytes(3 * 5 * MIB);
    proxy.fail(1, { kind: 'reset' }, isChunk);
    proxy.fail(1, { kind: 'lost' }, isChunk);
    proxy.fail(1, s3Fault(503, 'SlowDown'), isChunk);
    await bench.store.uploadFile(path, 'big');
    expect(sentChunks()).to.have.length(6);
    expect(proxy.seen.find(isChunk)?.headers).to.have.property('x-amz-checksum-crc32');
    await expectStored(bytes);
  });

  it('sends a chunk eight times at most while S3 asks to slow down', async () => {
    const bytes = writeBytes(5 * MIB);
    const { random } = Math;
    // The waits between are random, and would take seconds.
    Math.random = () => 0;
    cleanup.defer(() => {
      Math.random = random;
    });
    proxy.fail(8, s3Fault(503, 'SlowDown'), isChunk);
    await failsWith('unavailable', bench.store.uploadFile(path, 'big'));
    expect(sentChunks()).to.have.length(8);
    expect(await bench.store.head('big')).to.equal(null);
    proxy.heal();
    proxy.fail(7, s3Fault(503, 'SlowDown'), isChunk);
    await bench.store.uploadFile(path, 'big');
    expect(sentChunks()).to.have.length(8);
    await expectStored(bytes);
  });

  it('recognises its own completion when the answer was lost', async () => {
    const bytes = writeBytes(3 * 5 * MIB);
    proxy.fail(1, { kind: 'lost' }, isComplete);
    // S3's answer to the retry.
    proxy.fail(1, s3Fault(404, 'NoSuchUpload'), isComplete);
    const { created, etag } = await bench.store.uploadFile(path, 'big');
    expect(created).to.equal(true);
    expect(etag).to.equal((await bench.store.head('big'))?.etag);
    expect(sentChunks()).to.have.length(3);
    await expectStored(bytes);
  });

  it('does not mistake an older object of the same size for its own', async () => {
    const bytes = writeBytes(2 * 5 * MIB);
    await bench.store.uploadFile(path, 'big');
    bytes.writeUInt8(7, 3);
    writeFileSync(path, bytes);
    proxy.fail(1, s3Fault(404, 'NoSuchUpload'), isComplete);
    await bench.store.uploadFile(path, 'big');
    await expectStored(bytes);
  });

  it('starts a new upload if someone aborted its own', async () => {
    const bytes = writeBytes(3 * 5 * MIB);
    proxy.fail(1, s3Fault(404, 'NoSuchUpload'), isChunk);
    await bench.store.uploadFile(path, 'big');
    expect(proxy.count(isCreate)).to.equal(2);
    await expectStored(bytes);
  });

  it('sends every chunk again in a new upload if the completion conflicts with another write', async () => {
    const bytes = writeBytes(2 * 5 * MIB);
    proxy.fail(1, s3Fault(409, 'ConditionalRequestConflict'), isComplete);
    expect((await bench.store.uploadFile(path, 'big', { ifAbsent: true })).created).to.equal(true);
    expect(sentChunks()).to.deep.equal([1, 1, 2, 2]);
    expect(proxy.seen.filter(isComplete).every(({ headers }) => headers['if-none-match'] === '*')).to.equal(true);
    await expectStored(bytes);
  });

  it('leaves the object and the file unchanged if another writer is first, at any moment', async () => {
    writeBytes(2 * 5 * MIB);
    await bench.store.put('big', 'first');
    const options = { ifAbsent: true, consume: true };
    expect((await bench.store.uploadFile(path, 'big', options)).created).to.equal(false);
    expect(sentChunks(), 'no byte is sent').to.deep.equal([]);
    await bench.store.delete(['big']);
    proxy.fail(1, s3Fault(412, 'PreconditionFailed'), isComplete);
    expect((await bench.store.uploadFile(path, 'big', options)).created).to.equal(false);
    expect(existsSync(path)).to.equal(true);
  });

  it('publishes nothing when the file changes during the upload', async () => {
    const bytes = writeBytes(2 * 5 * MIB);
    const onProgress = (): void => writeFileSync(path, Buffer.concat([bytes, Buffer.of(1)]));
    await failsWith('changed', bench.store.uploadFile(path, 'big', { onProgress }));
    expect(await bench.store.head('big')).to.equal(null);
  });

  it("says that the file changed if S3 refuses a chunk's new bytes", async () => {
    const bytes = writeBytes(2 * 5 * MIB);
    proxy.fail(1, s3Fault(400, 'BadDigest'), (seen) => {
      if (!isChunk(seen)) return false;
      writeFileSync(path, bytes.fill(7));
      return true;
    });
    await failsWith('changed', bench.store.uploadFile(path, 'big'));
    expect(await bench.store.head('big')).to.equal(null);
  });

  it('ends without waiting for missing bytes when the file is truncated while a chunk is sent', async () => {
    writeBytes(5 * MIB);
    proxy.fail(1, s3Fault(503, 'SlowDown'), (seen) => {
      if (!isChunk(seen)) return false;
      truncateSync(path, 3 * MIB);
      return true;
    });
    await failsWith('changed', bench.store.uploadFile(path, 'big'));
    expect(await bench.store.head('big')).to.equal(null);
  });

  it('deletes a file that it consumes once its chunks have arrived', async () => {
    const bytes = writeBytes(15 * MIB + 3);
    await bench.store.uploadFile(path, 'big', { consume: true });
    await expectStored(bytes);
    expect(existsSync(path)).to.equal(false);
  });

  it('copies an object that is too large for one copy in slices, including metadata', async () => {
    const copies = { largest: 5 * MIB, slice: 5 * MIB };
    const own = await openBench(moto.url, proxy.url, { prefix: 'p/', copies });
    const bytes = writeBytes(11 * MIB);
    await own.store.put('from é+', bytes, { metadata: { a: 'b' } });
    expect((await own.store.copy('from é+', 'to', { ifAbsent: true })).created).to.equal(true);
    await expectStored(bytes, 'to', own);
    expect((await own.store.head('to'))?.metadata).to.deep.equal({ a: 'b' });
    expect(proxy.count((seen) => 'x-amz-copy-source-range' in seen.headers)).to.equal(3);
    expect((await own.store.copy('from é+', 'to', { ifAbsent: true })).created).to.equal(false);
    proxy.fail(1, s3Fault(412, 'PreconditionFailed'), isComplete);
    await failsWith('changed', own.store.copy('from é+', 'to2'));
    await own.close();
  });

  it('holds no chunk in memory, even of a large file; nor does reading', async () => {
    writeFileSync(path, 'begin');
    truncateSync(path, 256 * MIB);
    const measure = async (direction: string): Promise<{ bytes: number; grown: number }> => {
      const args = [UPLOADER, moto.url, bench.bucket, direction, path, 'big'];
      return JSON.parse((await run(process.execPath, args)).stdout);
    };
    expect((await measure('up')).grown, 'uploading').to.be.below(60 * MIB);
    const { bytes, grown } = await measure('down');
    expect(bytes).to.equal(256 * MIB);
    expect(grown, 'reading').to.be.below(150 * MIB);
    expect(readFileSync(path).length).to.equal(bytes);
  });
});
