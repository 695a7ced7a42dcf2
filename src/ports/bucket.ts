import type {
  ListOptions,
  Metadata,
  ObjectEntry,
  ObjectInfo,
  ObjectStream,
  PutOptions,
  PutResult,
  ReadOptions,
  UploadOptions,
} from './object-store.ts';

/**
 * A bucket that is named whole, whoever owns it: inputs are read there in place, outputs are delivered there. The
 * profile's own bucket can be one too. Its laws are the store's (`object-store.ts`); keys are whole.
 */
export interface Bucket {
  /** `s3://NAME` */
  readonly location: string;

  /**
   * An object's facts, or those of one version of it; null if it provably doesn't exist. Throws `refused` for one that
   * is archived and must be restored before it can be read.
   */
  head(key: string, version?: string | null): Promise<BucketObject | null>;

  /** As the store's. With `version` that one is read, whatever came after it. */
  read(key: string, options?: BucketReadOptions): Promise<Uint8Array | null>;
  get(key: string, options?: BucketReadOptions): Promise<ObjectStream | null>;
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectEntry>;
  put(key: string, body: Uint8Array | string, options?: PutOptions): Promise<PutResult>;
  delete(keys: readonly string[]): Promise<void>;
  uploadFile(path: string, key: string, options?: UploadOptions): Promise<PutResult>;

  /**
   * Puts `size` bytes as they come, large ones in chunks that are held in memory; a broken off upload of the same bytes is
   * taken up. `open` begins them anew where the whole upload must be. Throws `changed` for another number of bytes.
   */
  uploadStream(
    key: string,
    size: number,
    open: () => AsyncIterable<Uint8Array>,
    options?: UploadOptions,
  ): Promise<PutResult>;

  /**
   * Copies an object of the profile's store to here without the bytes passing through, with other metadata. Null where
   * the store is not in S3. Throws `notFound` when there is no such object, `changed` when it has another size, `refused`
   * for what is the manager's alone.
   */
  copyFromStore(from: string, to: string, as: CopyAs): Promise<PutResult | null>;

  /** Copies within the bucket, over what is there. Throws `notFound` when there is no such object, `changed` in a race. */
  copy(from: string, to: string): Promise<PutResult>;
}

export interface BucketObject extends ObjectInfo {
  /** Null where the bucket keeps no versions. */
  readonly version: string | null;
  /** `sha256:<hex>` of all bytes, where S3 holds it; else null. */
  readonly checksum: string | null;
}

export interface BucketReadOptions extends ReadOptions {
  readonly version?: string | null;
}

export interface CopyAs {
  /** Bytes that are expected. */
  readonly size: number;
  readonly metadata: Metadata;
  readonly ifAbsent?: boolean;
  readonly signal?: AbortSignal;
}

/** Opens a bucket by its name; makes no request for it yet that could fail. */
export type OpenBucket = (name: string) => Promise<Bucket>;
