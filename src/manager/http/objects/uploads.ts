import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { BatchctlError } from '../../../errors.ts';
import { dataChecksum, dataMetadata, shownKey } from '../../../jobs/data-key.ts';
import { openReaders, refuseRead } from '../../../jobs/open-readers.ts';
import { randomId } from '../../../lib/id.ts';
import { API } from '../../../model/api.ts';
import { requireWritable } from '../../../model/object-access.ts';
import type { PartsAsked, PartUrls, UploadAsked, UploadWay } from '../../../model/uploads.ts';
import type { DirectUploads } from '../../../ports/direct-uploads.ts';
import type { PutResult } from '../../../ports/object-store.ts';
import type { Platform } from '../../../ports/platform.ts';
import { archiveHash, stage, wrong } from './staged-upload.ts';
import { StagingRoom } from './staging-room.ts';

/** How long a URL is good, seconds: a part at 100 KB/s. */
const GOOD_FOR = 3_600;
/** The most that is put through the manager where the store signs URLs: bytes, and those of an archive. */
const [LARGEST_THROUGH, LARGEST_CODE] = [64 * 2 ** 20, 256 * 2 ** 20];

type Asked = Required<UploadAsked>;

/** Who puts, and for how long. */
interface By {
  /** The token's id. */
  readonly token: string;
  readonly signal: AbortSignal;
}

type Place = Pick<Platform, 'store' | 'scratch' | 'who'>;

/** Puts raw data and code for callers, who send the bytes to the store where it signs URLs, and else here. */
export class Uploads {
  readonly #platform: Place;
  readonly #room = new StagingRoom();

  constructor(platform: Place) {
    this.#platform = platform;
  }

  /** Throws `usage`, `refused` for keys that callers don't put, and for one that an open job reads. */
  async begin(asked: Asked): Promise<UploadWay> {
    const { store } = this.#platform;
    const { key, size, sha256, ifAbsent } = asked;
    const kind = requireWritable(key, sha256);
    const { direct } = store;
    if (kind === 'code' || direct === undefined) {
      if (kind === 'data') {
        const etag = await this.#present(asked);
        if (etag !== null) return { way: 'present', etag };
      }
      const query = new URLSearchParams({ key, size: String(size), sha256, ifAbsent: String(ifAbsent) });
      const headers = { 'content-type': 'application/octet-stream' };
      return { way: 'put', url: `${API}/objects?${query}`, headers, token: true };
    }
    const etag = await this.#present(asked);
    if (etag !== null) return { way: 'present', etag };
    const metadata = dataMetadata(`sha256:${sha256}`);
    const partSize = direct.partSize(size);
    if (partSize !== null) return { way: 'parts', upload: await direct.begin(key, { metadata }), partSize };
    const signed = await direct.put(key, { size, sha256, metadata, ifAbsent, seconds: GOOD_FOR });
    return { way: 'put', ...signed, token: false };
  }

  /** URLs for parts. */
  async parts({ key, upload, parts }: PartsAsked): Promise<PartUrls> {
    const direct = this.#direct(key);
    const items = await Promise.all(
      parts.map(async (part) => ({
        number: part.number,
        ...(await direct.part(key, upload, { ...part, seconds: GOOD_FOR })),
      })),
    );
    return { items };
  }

  /** Throws `notFound`, `changed`, and `refused` for a key that an open job has begun to read. */
  async complete(key: string, upload: string, as: Parameters<DirectUploads['complete']>[2]): Promise<PutResult> {
    const direct = this.#direct(key);
    if (!as.ifAbsent && (await this.#platform.store.head(key)) !== null) await this.#refuseWhatIsRead(key);
    return direct.complete(key, upload, as);
  }

  abort(key: string, upload: string): Promise<void> {
    return this.#direct(key).abort(key, upload);
  }

  /** Puts a body that comes here. It is seen once all of it is there, with the checksum that it was said to have. */
  async through({ key, size, sha256, ifAbsent }: Asked, body: Readable, { token, signal }: By): Promise<PutResult> {
    const { store, scratch } = this.#platform;
    const kind = requireWritable(key, sha256);
    const largest = kind === 'code' ? LARGEST_CODE : store.direct === undefined ? size : LARGEST_THROUGH;
    if (size > largest) {
      throw new BatchctlError('refused', `the manager accepts uploads of at most ${largest} bytes, found ${size}`, {
        hint: `POST ${API}/uploads returns how to upload more`,
      });
    }
    // Data becomes a file of a store on this disk: that has its own bounds.
    const isPassing = kind === 'code' || store.direct !== undefined;
    const path = join(await scratch.call(this.#platform, 'manager'), `upload-${randomId(16)}`);
    const leave = isPassing ? this.#room.take(token, size) : () => {};
    try {
      const hash = await stage(body, path, size, signal);
      const found = kind === 'code' ? await archiveHash(path) : hash;
      if (found !== sha256) throw wrong(`the SHA-256 ${sha256}`, found);
      signal.throwIfAborted();
      if (kind === 'code') return await store.uploadFile(path, key, { consume: true });
      if (!ifAbsent && (await store.head(key)) !== null) await this.#refuseWhatIsRead(key);
      return await store.uploadFile(path, key, { consume: true, ifAbsent, metadata: dataMetadata(`sha256:${sha256}`) });
    } finally {
      await rm(path, { force: true });
      leave();
    }
  }

  /** The entity tag of what makes it needless to send: the same bytes, or with `ifAbsent` any. Else null. */
  async #present({ key, size, sha256, ifAbsent }: Asked): Promise<string | null> {
    const there = await this.#platform.store.head(key);
    if (there === null) return null;
    if (ifAbsent || (there.size === size && dataChecksum(there.metadata) === `sha256:${sha256}`)) return there.etag;
    await this.#refuseWhatIsRead(key);
    return null;
  }

  async #refuseWhatIsRead(key: string): Promise<void> {
    const { store } = this.#platform;
    const job = (await openReaders(store, (read) => read === key)).get(key);
    if (job !== undefined) throw refuseRead(shownKey(key), job, 'replace');
  }

  #direct(key: string): DirectUploads {
    const { direct } = this.#platform.store;
    if (direct !== undefined && key.startsWith('data/')) {
      // The checksum is no matter here: of a key below inputs/ it is what the key says.
      requireWritable(key, /^data\/inputs\/([0-9a-f]{64})\//.exec(key)?.[1] ?? '');
      return direct;
    }
    throw new BatchctlError('refused', `${key} can't be uploaded in parts here`, {
      hint: `POST ${API}/uploads returns how to upload it`,
    });
  }
}
