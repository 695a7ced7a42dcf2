import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { BatchctlError, hasCode } from '../../../errors.ts';
import { EXPANDS_TOO_MUCH, LARGEST_ARCHIVE, LARGEST_CODE, SHIP_LESS } from '../../../jobs/code-archive.ts';
import { dataChecksum, dataMetadata, shownKey } from '../../../jobs/data-key.ts';
import { findOpenReaders, inUseError } from '../../../jobs/open-jobs.ts';
import { randomId } from '../../../lib/id.ts';
import { formatSize } from '../../../lib/units.ts';
import { API, type PartsAsked, type PartUrls, type UploadAsked, type UploadWay } from '../../../model/api.ts';
import { requireWritable } from '../../../model/object-access.ts';
import type { DirectUploads, PutResult } from '../../../ports/object-store.ts';
import type { Platform } from '../../../ports/platform.ts';
import { Refusal } from '../error-answers.ts';
import { LIMITS } from '../limits.ts';

/** How long a URL is valid, seconds: enough for a part at 100 KB/s. */
const URL_SECONDS = 3_600;
/** The largest upload through the manager if the store signs URLs, bytes. */
const LARGEST_THROUGH = 64 * 2 ** 20;

type UploadRequest = Required<UploadAsked>;

interface Uploader {
  /** The token's id. */
  readonly token: string;
  readonly signal: AbortSignal;
}

type Place = Pick<Platform, 'store' | 'scratch' | 'who'>;

/** Uploads by callers, who send the bytes to the store if it signs URLs, and otherwise to the manager. */
export class Uploads {
  readonly #platform: Place;
  readonly #room = new StagingSpace();

  constructor(platform: Place) {
    this.#platform = platform;
  }

  /** Throws `usage`, `refused` for keys that callers may not put, and for one that an open job reads. */
  async begin(asked: UploadRequest): Promise<UploadWay> {
    const { store } = this.#platform;
    const { key, size, sha256, ifAbsent } = asked;
    const kind = requireWritable(key, sha256);
    const { direct } = store;
    const etag = kind === 'data' ? await this.#existingEtag(asked) : null;
    if (etag !== null) return { way: 'present', etag };
    if (kind === 'code' || direct === undefined) {
      const query = new URLSearchParams({ key, size: String(size), sha256, ifAbsent: String(ifAbsent) });
      const headers = { 'content-type': 'application/octet-stream' };
      return { way: 'put', url: `${API}/objects?${query}`, headers, token: true };
    }
    const metadata = dataMetadata(`sha256:${sha256}`);
    const partSize = direct.partSize(size);
    if (partSize !== null) return { way: 'parts', upload: await direct.begin(key, { metadata }), partSize };
    const signed = await direct.put(key, { size, sha256, metadata, ifAbsent, seconds: URL_SECONDS });
    return { way: 'put', ...signed, token: false };
  }

  async parts({ key, upload, parts }: PartsAsked): Promise<PartUrls> {
    const direct = this.#direct(key);
    const items = await Promise.all(
      parts.map(async (part) => ({
        number: part.number,
        ...(await direct.part(key, upload, { ...part, seconds: URL_SECONDS })),
      })),
    );
    return { items };
  }

  /** Throws `notFound`, `changed`, and `refused` for a key that an open job has begun to read. */
  async complete(key: string, upload: string, as: Parameters<DirectUploads['complete']>[2]): Promise<PutResult> {
    const direct = this.#direct(key);
    if (!as.ifAbsent && (await this.#platform.store.head(key)) !== null) await this.#refuseIfRead(key, null);
    return direct.complete(key, upload, as);
  }

  abort(key: string, upload: string): Promise<void> {
    return this.#direct(key).abort(key, upload);
  }

  /** Puts a body sent to the manager. The object appears once all of it has arrived with the announced checksum. */
  async receive(
    { key, size, sha256, ifAbsent }: UploadRequest,
    body: Readable,
    { token, signal }: Uploader,
  ): Promise<PutResult> {
    const { store, scratch } = this.#platform;
    const kind = requireWritable(key, sha256);
    const largest = kind === 'code' ? LARGEST_CODE : store.direct === undefined ? size : LARGEST_THROUGH;
    if (size > largest) {
      const limit = `the manager accepts uploads of at most ${formatSize(largest)}, found ${formatSize(size)}`;
      throw new BatchctlError('refused', limit, {
        hint: kind === 'code' ? SHIP_LESS : `POST ${API}/uploads returns how to upload more`,
      });
    }
    // Data becomes a file of the store on this disk, which has its own limits.
    const isPassing = kind === 'code' || store.direct !== undefined;
    const path = join(await scratch.call(this.#platform, 'manager'), `upload-${randomId(16)}`);
    const release = isPassing ? this.#room.take(token, size) : () => {};
    try {
      const hash = await stage(body, path, size, signal);
      const found = kind === 'code' ? await archiveHash(path) : hash;
      if (found !== sha256) throw mismatchError(`the SHA-256 ${sha256}`, found);
      signal.throwIfAborted();
      if (kind === 'code') return await store.uploadFile(path, key, { consume: true });
      if (!ifAbsent && (await store.head(key)) !== null) await this.#refuseIfRead(key, sha256);
      return await store.uploadFile(path, key, { consume: true, ifAbsent, metadata: dataMetadata(`sha256:${sha256}`) });
    } finally {
      await rm(path, { force: true });
      release();
    }
  }

  /** The etag of an object that makes the upload unnecessary: the same bytes, or with `ifAbsent` any; else null. */
  async #existingEtag({ key, size, sha256, ifAbsent }: UploadRequest): Promise<string | null> {
    const there = await this.#platform.store.head(key);
    if (there === null) return null;
    if (ifAbsent || (there.size === size && dataChecksum(there.metadata) === `sha256:${sha256}`)) return there.etag;
    await this.#refuseIfRead(key, sha256);
    return null;
  }

  /** Except for the bytes that the job was accepted with, which restore its input. */
  async #refuseIfRead(key: string, sha256: string | null): Promise<void> {
    const { store } = this.#platform;
    const isOther = (accepted: string | null): boolean => sha256 === null || accepted !== `sha256:${sha256}`;
    const job = (await findOpenReaders(store, (read, accepted) => read === key && isOther(accepted))).get(key);
    if (job !== undefined) throw inUseError(shownKey(key), job, 'replace');
  }

  #direct(key: string): DirectUploads {
    const { direct } = this.#platform.store;
    if (direct !== undefined && key.startsWith('data/')) {
      // Takes the checksum from a key below inputs/, because the caller's doesn't matter here.
      requireWritable(key, /^data\/inputs\/([0-9a-f]{64})\//.exec(key)?.[1] ?? '');
      return direct;
    }
    throw new BatchctlError('refused', `${key} can't be uploaded in parts here`, {
      hint: `POST ${API}/uploads returns how to upload it`,
    });
  }
}

/** Writes a body to a file, and removes it unless its size is right. Returns its SHA-256. */
async function stage(body: Readable, path: string, size: number, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  let count = 0;
  const counted = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      count += chunk.length;
      if (count > size) throw mismatchError(`${size} bytes`, 'more');
      hash.update(chunk);
      yield chunk;
    }
  };
  try {
    await pipeline(body, counted, createWriteStream(path, { flags: 'wx', mode: 0o600 }), { signal });
    if (count < size) throw mismatchError(`${size} bytes`, String(count));
    return hash.digest('hex');
  } catch (error) {
    await rm(path, { force: true });
    if (!hasCode(error, 'ENOSPC', 'EDQUOT')) throw error;
    throw new Refusal(507, 'full', 'the manager has no disk space for so many bytes', {
      hint: "free disk space on the manager's host",
    });
  }
}

/** The SHA-256 of an archive before compression, which is in its key. Throws `Refusal` if it isn't gzip. */
async function archiveHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  let count = 0;
  const into = new Writable({
    write: (chunk: Buffer, _, done) => {
      count += chunk.length;
      hash.update(chunk);
      done(count > LARGEST_ARCHIVE ? tooLargeError() : null);
    },
  });
  try {
    await pipeline(createReadStream(path), createGunzip(), into);
  } catch (error) {
    if (hasCode(error, 'Z_DATA_ERROR', 'Z_BUF_ERROR'))
      throw mismatchError('an archive compressed by gzip', 'other data');
    throw error;
  }
  return hash.digest('hex');
}

const tooLargeError = (): Refusal =>
  new Refusal(422, 'refused', `the code archive ${EXPANDS_TOO_MUCH}: nothing was stored`, { hint: SHIP_LESS });

const mismatchError = (expected: string, found: string): Refusal =>
  new Refusal(422, 'changed', `expected ${expected}, found ${found}: nothing was stored`, { hint: 'send it again' });

/** The manager's disk space for bytes in transit: for all callers, and for one token. */
export class StagingSpace {
  readonly #byToken = new Map<string, number>();
  #total = 0;

  /** Reserves bytes until the returned function is called. Throws 503 if none are left, 429 for one token. */
  take(token: string, bytes: number): () => void {
    const own = this.#byToken.get(token) ?? 0;
    if (own + bytes > LIMITS.stagedPerToken.value) throw noRoom(429, `${mib(LIMITS.stagedPerToken.value)} of a token`);
    if (this.#total + bytes > LIMITS.staged.value) throw noRoom(503, mib(LIMITS.staged.value));
    this.#add(token, bytes);
    let isTaken = true;
    return () => {
      if (isTaken) this.#add(token, -bytes);
      isTaken = false;
    };
  }

  #add(token: string, bytes: number): void {
    const own = (this.#byToken.get(token) ?? 0) + bytes;
    this.#total += bytes;
    if (own === 0) this.#byToken.delete(token);
    else this.#byToken.set(token, own);
  }
}

const mib = (bytes: number): string => `${bytes / 2 ** 20} MiB`;
/** Seconds: large uploads take a while. */
const RETRY_AFTER = 10;

const noRoom = (status: 429 | 503, most: string): Refusal =>
  new Refusal(status, 'unavailable', `too many requests: at most ${most} may pass through the manager at a time`, {
    hint: `try again in ${RETRY_AFTER} s`,
    headers: { 'retry-after': String(RETRY_AFTER) },
  });
