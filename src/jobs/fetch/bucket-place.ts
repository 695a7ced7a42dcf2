import { Readable } from 'node:stream';
import { isKind } from '../../errors.ts';
import type { OutputFile } from '../../model/output.ts';
import type { Bucket } from '../../ports/bucket.ts';
import { dataChecksum, dataMetadata } from '../data-key.ts';
import type { Place } from './place.ts';
import { checkFound, type OutputSource, verifiedBytes, verifiedChunks } from './verified.ts';

/** Put in one request up to this size; a larger one as an upload that can be taken up again. */
const AT_ONCE = 8 * 2 ** 20;

/**
 * A prefix of a bucket. Objects of a store in S3 are copied there by S3 itself: pinned, and of the published size, but
 * not read. From any other store the bytes pass through here, and are compared. Each carries its SHA-256 as metadata.
 */
export class BucketPlace implements Place {
  readonly text: string;
  readonly #bucket: Bucket;
  readonly #prefix: string;
  readonly #source: OutputSource;

  /** `prefix`: empty, or with a slash at its end. */
  constructor(text: string, bucket: Bucket, prefix: string, source: OutputSource) {
    this.text = text;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#source = source;
  }

  async isEmpty(): Promise<boolean> {
    for await (const _ of this.#bucket.list(this.#prefix)) return false;
    return true;
  }

  read(name: string): Promise<Uint8Array | null> {
    return this.#bucket.read(this.#prefix + name);
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length <= AT_ONCE) await this.#bucket.put(this.#prefix + name, bytes);
    else await this.#bucket.uploadStream(this.#prefix + name, bytes.length, () => Readable.from([bytes]));
  }

  remove(name: string): Promise<void> {
    return this.#bucket.delete([this.#prefix + name]);
  }

  async holds(name: string, file: Pick<OutputFile, 'size' | 'checksum'>): Promise<boolean> {
    const there = await this.#bucket.head(this.#prefix + name);
    return there !== null && there.size === file.size && dataChecksum(there.metadata) === file.checksum;
  }

  async put(name: string, task: number, file: OutputFile, signal: AbortSignal): Promise<void> {
    const key = this.#prefix + name;
    const metadata = dataMetadata(file.checksum);
    const as = { size: file.size, metadata, signal };
    const copied = await this.#bucket.copyFromStore(file.key, key, as).catch((error: unknown) => {
      if (isKind(error, 'changed')) checkFound(this.#source, task, file, error.message);
      throw error;
    });
    if (copied !== null) return;
    if (file.size <= AT_ONCE) {
      await this.#bucket.put(key, await verifiedBytes(this.#source, task, file), { metadata });
    } else {
      const open = () => verifiedChunks(this.#source, task, file, signal);
      await this.#bucket.uploadStream(key, file.size, open, { metadata, signal });
    }
  }
}
