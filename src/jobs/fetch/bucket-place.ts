import { Readable } from 'node:stream';
import { BatchctlError, isKind } from '../../errors.ts';
import { wait } from '../../lib/wait.ts';
import type { OutputFile } from '../../model/output.ts';
import type { Bucket, BucketObject } from '../../ports/bucket.ts';
import { dataChecksum, dataMetadata } from '../data-key.ts';
import {
  CLAIM,
  CLAIMS,
  type Claim,
  claimName,
  generationOf,
  MANIFEST,
  type Place,
  type PreparedFile,
  type PutFile,
  parseManifest,
  ShutOutError,
} from './place.ts';
import { alteredError, type OutputSource, refuseInput, verifiedBytes, verifiedChunks } from './verified.ts';

/** Files up to this size are put in one request, larger ones as a resumable multipart upload. */
const SINGLE_PUT_BYTES = 8 * 2 ** 20;
/** How long a check of our own claim stays valid, milliseconds. To shut out another delivery takes twice as long. */
const CLAIM_CHECK_MS = 500;
/** Attempts for one file that another process keeps overwriting. */
const TRIES = 5;

/**
 * A prefix of a bucket. If the store is in S3, S3 itself copies the objects, and computes the SHA-256 of each copy, which
 * is compared with the published one. From any other store the bytes pass through this process and are compared. Each
 * object has its SHA-256 as metadata.
 *
 * A delivery consists of the objects below `_delivery/<generation>/`. It creates files only with create-if-absent, so
 * it never replaces a file of a later delivery. Manifest and marker are copied by S3 from objects that were put with
 * the claim: shutting out a delivery deletes those objects, and its copies fail.
 */
export class BucketPlace implements Place {
  readonly text: string;
  readonly allowsLateWrites = true;
  readonly #bucket: Bucket;
  readonly #prefix: string;
  readonly #source: OutputSource;
  #generation = 0;
  /** When this delivery last saw its own claim. Wall time too, as the monotonic clock stops while a machine sleeps. */
  #claimSeenAt = { monotonic: Number.NEGATIVE_INFINITY, wall: 0 };

  /** `prefix`: empty, or ending in a slash. */
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

  async has(name: string): Promise<boolean> {
    return (await this.#bucket.head(this.#prefix + name)) !== null;
  }

  async holds(name: string, file: Pick<OutputFile, 'size' | 'checksum'>): Promise<boolean> {
    return isThis(await this.#bucket.head(this.#prefix + name), file);
  }

  async claims(): Promise<readonly Claim[]> {
    for (;;) {
      const keys = (await this.#keys()).filter(({ rest }) => rest === CLAIM);
      const read = async ({ key, generation }: (typeof keys)[number]) => ({
        generation,
        bytes: await this.#bucket.read(key),
      });
      const found = (await Promise.all(keys.map(read))).flatMap(({ generation, bytes }) =>
        bytes === null ? [] : [{ generation, bytes }],
      );
      // A claim was removed meanwhile; the next listing shows which.
      if (found.length === keys.length) return found.sort((a, b) => a.generation - b.generation);
    }
  }

  async claim(generation: number, manifest: Uint8Array): Promise<boolean> {
    this.#generation = generation;
    const key = this.#keyOf(generation, CLAIM);
    if (!(await this.#write(key, manifest, { ifAbsent: true }))) {
      const there = await this.#bucket.read(key);
      // The object may be from our own first try.
      if (there === null || Buffer.compare(there, manifest) !== 0) return false;
    }
    await this.#write(this.#keyOf(generation, 'manifest'), manifest);
    await this.#write(this.#keyOf(generation, 'marker'), new Uint8Array());
    return true;
  }

  async shutOut(generation: number): Promise<void> {
    await this.#bucket.delete([this.#keyOf(generation, 'marker'), this.#keyOf(generation, 'manifest')]);
    await wait(2 * CLAIM_CHECK_MS);
  }

  async removeClaims(from: number, to: number): Promise<void> {
    const keys = await this.#keys();
    const old = keys.filter(({ generation }) => generation >= from && generation <= to).map(({ key }) => key);
    if (old.length > 0) await this.#bucket.delete(old);
  }

  async ensure(...[name, task, file, { fresh, before, signal }]: Parameters<Place['ensure']>): Promise<boolean> {
    const key = this.#prefix + name;
    for (let tries = 0; tries < TRIES; tries += 1) {
      const there = fresh && tries === 0 ? null : await this.#bucket.head(key);
      if (isThis(there, file)) return tries === 0;
      await before();
      if (there !== null) await this.remove(name);
      const created = await this.#put(key, task, file, signal);
      await this.#checkPut(name, created);
      if (created) return false;
    }
    throw new BatchctlError('unavailable', `another process keeps writing ${this.#bucket.location}/${key}`, {
      hint: 'end that process or choose another target, then run the same command again',
    });
  }

  refuseInput(name: string): Promise<void> {
    return refuseInput(this.#source, `${this.#bucket.location}/${this.#prefix}${name}`);
  }

  async remove(name: string): Promise<void> {
    this.#claimSeenAt = { monotonic: Number.NEGATIVE_INFINITY, wall: 0 };
    if (!(await this.#hasClaim())) throw new ShutOutError();
    await this.#bucket.delete([this.#prefix + name]);
  }

  async publish(draft: PreparedFile, name: string): Promise<void> {
    try {
      await this.#bucket.copy(this.#keyOf(this.#generation, draft), this.#prefix + name);
    } catch (error) {
      throw isKind(error, 'notFound', 'changed') ? new ShutOutError() : error;
    }
  }

  /** False if `ifAbsent` is set and another object exists. */
  async #write(key: string, bytes: Uint8Array, options: { readonly ifAbsent?: true } = {}): Promise<boolean> {
    const put =
      bytes.length <= SINGLE_PUT_BYTES
        ? this.#bucket.put(key, bytes, options)
        : this.#bucket.uploadStream(key, bytes.length, () => Readable.from([bytes]), options);
    return (await put).created;
  }

  /** False if an object with that key exists. */
  async #put(key: string, task: number, file: PutFile, signal: AbortSignal): Promise<boolean> {
    const metadata = dataMetadata(file.checksum);
    const as = { size: file.size, checksum: file.checksum, metadata, signal, ifAbsent: true };
    const copied = await this.#bucket.copyFromStore(file.key, key, as).catch((error: unknown) => {
      throw isKind(error, 'changed') ? alteredError(this.#source, task, error.message) : error;
    });
    if (copied !== null) return copied.created;
    const of = { name: '', ...file };
    if (file.size <= SINGLE_PUT_BYTES) {
      const bytes = await verifiedBytes(this.#source, task, of);
      return (await this.#bucket.put(key, bytes, { metadata, ifAbsent: true })).created;
    }
    const open = () => verifiedChunks(this.#source, task, of, signal);
    return (await this.#bucket.uploadStream(key, file.size, open, { metadata, signal, ifAbsent: true })).created;
  }

  /** Throws `ShutOutError` once this delivery is shut out, but first removes its puts that no later delivery names. */
  async #checkPut(name: string, created: boolean): Promise<void> {
    if (await this.#hasClaim()) return;
    const [claims, manifest] = [await this.claims(), await this.read(MANIFEST)];
    const newest = claims.at(-1)?.bytes ?? manifest;
    const isNamed = newest !== null && parseManifest(this.text, newest).files.some((file) => file.name === name);
    if (created && !isNamed) await this.#bucket.delete([this.#prefix + name]);
    throw new ShutOutError();
  }

  async #hasClaim(): Promise<boolean> {
    const now = { monotonic: performance.now(), wall: Date.now() };
    const isSure =
      now.monotonic - this.#claimSeenAt.monotonic < CLAIM_CHECK_MS &&
      Math.abs(now.wall - this.#claimSeenAt.wall) < CLAIM_CHECK_MS;
    if (isSure) return true;
    if ((await this.#bucket.head(this.#keyOf(this.#generation, 'marker'))) === null) return false;
    this.#claimSeenAt = now;
    return true;
  }

  #keyOf(generation: number, what: PreparedFile | typeof CLAIM): string {
    return `${this.#prefix}${CLAIMS}/${claimName(generation)}/${what}`;
  }

  async #keys() {
    const prefix = `${this.#prefix}${CLAIMS}/`;
    const found: { readonly key: string; readonly generation: number; readonly rest: string }[] = [];
    for await (const { key } of this.#bucket.list(prefix)) {
      const [folder = '', rest = ''] = key.slice(prefix.length).split('/');
      const generation = generationOf(folder);
      if (generation !== null) found.push({ key, generation, rest });
    }
    return found;
  }
}

/**
 * Metadata states what an object should hold, unless it is empty, as a marker is. If S3 has computed the SHA-256 of its
 * bytes, that must agree.
 */
const isThis = (there: BucketObject | null, { size, checksum }: Pick<OutputFile, 'size' | 'checksum'>): boolean =>
  there !== null &&
  there.size === size &&
  (size === 0 || dataChecksum(there.metadata) === checksum) &&
  (there.checksum ?? checksum) === checksum;
