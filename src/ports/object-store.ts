import type { Readable } from 'node:stream';

/**
 * The object store decides (law 1): whether a task is done is whether its published output exists here.
 *
 * Laws every adapter keeps, and `test/contracts/object-store.ts` proves:
 * - A reader sees a whole object or none, never half of one, whatever is killed when.
 * - `put` with `ifAbsent` is atomic among all processes: among any number of racers exactly one gets
 *   `created: true`. A caller that gets false reads the object: it may be its own first try (law 2).
 * - Absence is proven: `head`, `read` and `get` answer null only for a key that is known not to exist;
 *   anything else that goes wrong is an error.
 * - What was put is there for every read and listing that begins afterwards (S3 has had this since 2020).
 * - Listing is in the order of the UTF-8 bytes of whole keys.
 * - Deleting what is not there succeeds.
 */
export interface ObjectStore {
  /** The location of this store, as text: `.batchctl`, `s3://bucket/prefix`. */
  readonly location: string;

  /** Writes a small object (at most 64 MiB) in one request. Without `ifAbsent`, replaces an existing one. */
  put(key: string, body: Uint8Array | string, options?: PutOptions): Promise<PutResult>;

  /** The bytes of an object, or of a range of it, in memory; null if it provably doesn't exist. */
  read(key: string, options?: ReadOptions): Promise<Uint8Array | null>;

  /** An object as a stream, which the caller must consume or destroy; null if it provably doesn't exist. */
  get(key: string, options?: ReadOptions): Promise<ObjectStream | null>;

  /**
   * Passes the bytes of an object, or of a range of it, to `use`, which must not keep them: their memory is used again.
   * Returns their number; null if it provably doesn't exist. Absent if it would be no cheaper than `get`.
   */
  scan?(key: string, options: ReadOptions, use: (bytes: Uint8Array) => void): Promise<number | null>;

  /** An object's facts without its bytes; null if it provably doesn't exist. */
  head(key: string): Promise<ObjectInfo | null>;

  /** Keys that begin with `prefix`, in UTF-8 order, from `from` (inclusive) to before `to`; pages as it is consumed. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectEntry>;

  /** The keys that `list` lists, without the other facts: cheaper if those need a look at each object. */
  keys(prefix: string, options?: ListOptions): AsyncIterable<string>;

  /** Deletes keys; missing ones are ignored. Throws if any other could not be deleted. */
  delete(keys: readonly string[]): Promise<void>;

  /** Copies within the store, metadata included, without transferring the bytes to this process. */
  copy(from: string, to: string, options?: { readonly ifAbsent?: boolean }): Promise<PutResult>;

  /** A URL for reading (`get`) or writing (`put`) the key, valid for `seconds`; null if the store has none. */
  presign(key: string, method: 'get' | 'put', seconds: number): Promise<string | null>;

  /**
   * Puts a file of any size: in parallel chunks if that helps, resuming an interrupted earlier try. With `consume` the
   * file may be moved into the store and is then gone from `path`.
   */
  uploadFile(path: string, key: string, options?: UploadOptions): Promise<PutResult>;

  /** Uploads by others without transferring the bytes to this process; absent if the store has no URLs. */
  readonly direct?: DirectUploads;
}

/** Metadata values must be ASCII; all of it together at most 2,048 bytes (S3: userguide/UsingMetadata). */
export type Metadata = Readonly<Record<string, string>>;

export interface PutOptions {
  readonly ifAbsent?: boolean;
  readonly metadata?: Metadata;
}

/** Bytes of an object that `put` writes. */
export const LARGEST_PUT = 64 * 1024 * 1024;

export interface PutResult {
  /** False only with `ifAbsent`, if another object has the key. */
  readonly created: boolean;
  /** The object's entity tag; if not created, the existing one's (or '' if unknown). */
  readonly etag: string;
}

export interface ReadOptions {
  /** First byte, and number of bytes; a range past the end is cut there. */
  readonly range?: { readonly offset: number; readonly length: number };
  /** Fail with kind `changed` unless the object still has this entity tag. */
  readonly etag?: string;
  readonly signal?: AbortSignal;
}

export interface ListOptions {
  readonly from?: string;
  readonly to?: string;
  readonly signal?: AbortSignal;
}

export interface UploadOptions extends PutOptions {
  readonly consume?: boolean;
  /** Called once all bytes were read, before the object appears: if it throws, none appears. Not with `consume`. */
  readonly check?: () => Promise<void>;
  readonly signal?: AbortSignal;
  /** Called when bytes have been stored, with the total so far; at least once, at the end. */
  readonly onProgress?: (bytes: number) => void;
}

export interface ObjectEntry {
  readonly key: string;
  /** Bytes of the object itself, without metadata. */
  readonly size: number;
  /** Changes whenever the object is written. */
  readonly etag: string;
  /** Milliseconds since the epoch, by the store's clock. */
  readonly modified: number;
}

export interface ObjectInfo extends ObjectEntry {
  readonly metadata: Metadata;
}

export interface ObjectStream {
  readonly info: ObjectInfo;
  readonly body: Readable;
}

/**
 * Uploads by clients without credentials for the store: they send bytes to URLs signed for exactly those bytes. The
 * store compares them with the signed checksum, and the object appears only when complete.
 */
export interface DirectUploads {
  /** The size of an object's parts, the last of which may be smaller; null: it is put in one request. */
  partSize(size: number): number | null;

  put(key: string, as: DirectPut): Promise<SignedPut>;

  /** Starts a multipart upload and returns its id. The bucket's lifecycle rule removes uncompleted ones. */
  begin(key: string, as: { readonly metadata: Metadata }): Promise<string>;

  /** For one part, counted from 1. */
  part(key: string, upload: string, as: DirectPart): Promise<SignedPut>;

  /**
   * Completes an object from its parts. Throws `notFound` for an upload that doesn't exist (any more), and `changed`
   * for parts that did not arrive as declared.
   */
  complete(key: string, upload: string, as: DirectCompletion): Promise<PutResult>;

  /** Aborts an upload; a missing one is fine. */
  abort(key: string, upload: string): Promise<void>;
}

interface DirectBytes {
  readonly size: number;
  /** SHA-256 of the bytes, in hex. */
  readonly sha256: string;
  readonly seconds: number;
}

export interface DirectPut extends DirectBytes {
  readonly metadata: Metadata;
  readonly ifAbsent: boolean;
}

export interface DirectPart extends DirectBytes {
  readonly number: number;
}

export interface DirectCompletion {
  readonly size: number;
  readonly ifAbsent: boolean;
  readonly parts: readonly { readonly number: number; readonly etag: string; readonly sha256: string }[];
}

/** A signed PUT, which must send these headers. */
export interface SignedPut {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}
