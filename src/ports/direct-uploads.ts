import type { Metadata, PutResult } from './object-store.ts';

/**
 * Uploads by clients without credentials for the store: they send bytes to URLs signed for exactly those bytes. The
 * store compares them with the signed checksum, and the object appears only when complete.
 */
export interface DirectUploads {
  /**
   * Null: an object of this size is put in one request; otherwise the size of its parts, the last of which may be
   * smaller.
   */
  partSize(size: number): number | null;

  /** For an object put in one request. */
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
  /** Of the bytes, in hex. */
  readonly sha256: string;
  /** How long the URL is valid. */
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
