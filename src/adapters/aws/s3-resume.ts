import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Metadata } from '../../ports/object-store.ts';
import { base64Crc } from './crc32.ts';
import { statusOf } from './errors.ts';
import { fullKey, type S3Bucket, target, withoutQuotes } from './s3-bucket.ts';
import { MARK_NUMBER } from './s3-chunks.ts';
import type { Sums } from './s3-source.ts';

/** A chunk that an earlier try left in S3. */
export interface LeftPart {
  readonly size: number;
  readonly etag: string;
  /** Base64; null where S3 tells none. */
  readonly crc: string | null;
}

/** An upload that was begun, and what it has so far. */
export interface Begun {
  readonly uploadId: string;
  readonly parts: ReadonlyMap<number, LeftPart>;
}

/** Unfinished uploads of one key that are looked at; more than one is rare. */
const LOOKED_AT = 3;
const MD5 = /^[0-9a-f]{32}$/;

/**
 * What an upload is of. S3 tells an unfinished upload's key and nothing else, and its metadata, fixed when it was begun,
 * can't be read: so the first thing put into an upload is this text, under a part number that no chunk has and that its
 * completion doesn't list. Only an upload with the same mark is taken up again.
 */
export function markOf(size: number, chunk: number, metadata: Metadata, kmsKey: string | null): Buffer {
  const sorted = Object.entries(metadata).sort(([one], [other]) => (one < other ? -1 : 1));
  const text = JSON.stringify({ format: 1, size, chunk, kmsKey, metadata: sorted });
  return Buffer.from(`batchctl ${createHash('sha256').update(text).digest('hex')}`);
}

/** The newest unfinished upload of this key with this mark; null where there is none, or one mayn't look. */
export async function findBegun(
  bucket: S3Bucket,
  key: string,
  mark: Buffer,
  signal?: AbortSignal,
): Promise<Begun | null> {
  const { sdk, client } = bucket;
  const Key = fullKey(bucket, key);
  const options = signal === undefined ? {} : { abortSignal: signal };
  try {
    const { Uploads = [] } = await client.send(
      new sdk.ListMultipartUploadsCommand({ ...target(bucket), Prefix: Key }),
      options,
    );
    const mine = Uploads.filter((upload) => upload.Key === Key)
      .sort((one, other) => (other.Initiated?.getTime() ?? 0) - (one.Initiated?.getTime() ?? 0))
      .slice(0, LOOKED_AT);
    for (const { UploadId } of mine) {
      if (UploadId === undefined) continue;
      const parts = await partsOf(bucket, Key, UploadId, options);
      const found = parts?.get(MARK_NUMBER);
      if (parts != null && found !== undefined && isTrusted(found, mark.length, sumsOf(mark))) {
        return { uploadId: UploadId, parts };
      }
    }
    return null;
  } catch (error) {
    // Whoever may put but not list uploads begins anew.
    if (statusOf(error) === 403) return null;
    throw error;
  }
}

/** True for a chunk in S3 that holds the file's bytes: by the checksum that S3 tells, else by an entity tag that is an MD5. */
export function isTrusted(part: LeftPart, length: number, sums: Sums): boolean {
  if (part.size !== length) return false;
  if (part.crc !== null && part.crc !== base64Crc(sums.crc)) return false;
  // With a KMS key a tag may look like an MD5 and be none: then the checksum alone decides.
  return part.crc !== null || (MD5.test(part.etag) && part.etag === sums.md5);
}

const sumsOf = (bytes: Buffer): Sums => ({
  crc: crc32(bytes),
  md5: createHash('md5').update(bytes).digest('hex'),
});

async function partsOf(
  bucket: S3Bucket,
  Key: string,
  UploadId: string,
  options: { abortSignal?: AbortSignal },
): Promise<Map<number, LeftPart> | null> {
  const parts = new Map<number, LeftPart>();
  let marker: string | undefined;
  try {
    do {
      const answer = await bucket.client.send(
        new bucket.sdk.ListPartsCommand({ ...target(bucket), Key, UploadId, PartNumberMarker: marker }),
        options,
      );
      for (const { PartNumber = 0, Size = 0, ETag, ChecksumCRC32 = null } of answer.Parts ?? []) {
        parts.set(PartNumber, { size: Size, etag: withoutQuotes(ETag), crc: ChecksumCRC32 });
      }
      marker = answer.IsTruncated === true ? answer.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return parts;
  } catch (error) {
    // Completed or aborted since it was listed.
    if (statusOf(error) === 404) return null;
    throw error;
  }
}
