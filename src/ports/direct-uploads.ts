import type { Metadata, PutResult } from './object-store.ts';

/**
 * Uploads by those who have no credentials of the store's: they send bytes to URLs that were signed for just those. The
 * store compares what arrives with the checksum that was signed, and nothing is seen of an object before all of it is there.
 */
export interface DirectUploads {
  /** Null: an object of so many bytes is put at once; else it is sent in parts of so many bytes, the last of the rest. */
  partSize(size: number): number | null;

  /** For an object that is put at once. */
  put(key: string, as: DirectPut): Promise<SignedPut>;

  /** Begins an upload in parts; answers its id. One that is never completed is removed by the bucket's lifecycle rule. */
  begin(key: string, as: { readonly metadata: Metadata }): Promise<string>;

  /** For one part of it, from 1 on. */
  part(key: string, upload: string, as: DirectPart): Promise<SignedPut>;

  /**
   * Makes the object of its parts. Throws `notFound` for an upload that isn't there (any more), and `changed` for parts
   * that did not arrive as they were said to be.
   */
  complete(key: string, upload: string, as: DirectCompletion): Promise<PutResult>;

  /** Gives an upload up; one that isn't there is fine. */
  abort(key: string, upload: string): Promise<void>;
}

interface DirectBytes {
  readonly size: number;
  /** Of the bytes, in hex. */
  readonly sha256: string;
  /** How long the URL is good. */
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

/** A PUT that was signed: it must say these headers. */
export interface SignedPut {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}
