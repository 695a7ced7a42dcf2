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
 * A bucket given by its full name, with any owner: inputs are read and outputs delivered there. It may be the profile's
 * own. Its laws are the store's (`object-store.ts`); keys are complete.
 */
export interface Bucket {
  /** `s3://NAME` */
  readonly location: string;

  /**
   * The facts of an object, or of one version; null if it provably doesn't exist. Throws `refused` for an archived
   * object that must be restored first.
   */
  head(key: string, version?: string | null): Promise<BucketObject | null>;

  /** Like the store's. `version` reads that version, whatever came after it. */
  read(key: string, options?: BucketReadOptions): Promise<Uint8Array | null>;
  get(key: string, options?: BucketReadOptions): Promise<ObjectStream | null>;

  /** A URL for reading an object, or one version of it, valid for `seconds`, at most 604,800. */
  presign(key: string, seconds: number, version?: string | null): Promise<string>;
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectEntry>;
  put(key: string, body: Uint8Array | string, options?: PutOptions): Promise<PutResult>;
  delete(keys: readonly string[]): Promise<void>;
  uploadFile(path: string, key: string, options?: UploadOptions): Promise<PutResult>;

  /**
   * Puts `size` bytes from a stream, large ones in chunks held in memory; resumes an interrupted upload of the same
   * bytes. `open` restarts the stream if the whole upload must be repeated. Throws `changed` for another number of
   * bytes.
   */
  uploadStream(
    key: string,
    size: number,
    open: () => AsyncIterable<Uint8Array>,
    options?: UploadOptions,
  ): Promise<PutResult>;

  /**
   * Copies an object of the profile's store here on the server side, with other metadata, and compares the copy with
   * its SHA-256. Null if the store is not in S3. Throws `notFound` if there is no such object, `changed` if its size or
   * bytes differ (no copy is left), `refused` for objects reserved for the manager.
   */
  copyFromStore(from: string, to: string, as: StoreCopyOptions): Promise<PutResult | null>;

  /** Copies within the bucket, replacing an object. Throws `notFound` without a source, `changed` in a race. */
  copy(from: string, to: string): Promise<PutResult>;
}

export interface BucketObject extends ObjectInfo {
  /** Null without versioning. */
  readonly version: string | null;
  /** `sha256:<hex>` of all bytes if S3 has it; otherwise null. */
  readonly checksum: string | null;
}

export interface BucketReadOptions extends ReadOptions {
  readonly version?: string | null;
}

export interface StoreCopyOptions {
  /** Expected number of bytes. */
  readonly size: number;
  /** Their expected SHA-256: `sha256:<hex>`. */
  readonly checksum: string;
  readonly metadata: Metadata;
  readonly ifAbsent?: boolean;
  readonly signal?: AbortSignal;
}

/** Opens a bucket by its name without making a request that could fail. */
export type OpenBucket = (name: string) => Promise<Bucket>;
