import { BatchctlError } from '../../errors.ts';
import type {
  DirectCompletion,
  DirectPart,
  DirectPut,
  DirectUploads,
  Metadata,
  PutResult,
  SignedPut,
} from '../../ports/object-store.ts';
import { hasName, translateErrors } from './errors.ts';
import { urlOf } from './hot-calls.ts';
import {
  checkMetadata,
  encryption,
  inQuotes,
  isConflict,
  isPrecondition,
  objectParams,
  type S3Bucket,
  s3Operation,
  withoutQuotes,
} from './s3-bucket.ts';
import { type ChunkRules, chunkLength } from './s3-source.ts';
import { type Presigning, presignedUrl } from './signature.ts';

/** Uploads to S3 through URLs signed with size and checksum, so that S3 refuses any other bytes. */
export class S3DirectUploads implements DirectUploads {
  readonly #bucket: S3Bucket;
  readonly #rules: ChunkRules;

  constructor(bucket: S3Bucket, rules: ChunkRules) {
    this.#bucket = bucket;
    this.#rules = rules;
  }

  partSize(size: number): number | null {
    return size < this.#rules.from ? null : chunkLength(size, this.#rules);
  }

  put(key: string, { size, sha256, seconds, metadata, ifAbsent }: DirectPut): Promise<SignedPut> {
    checkMetadata(key, metadata);
    const { SSEKMSKeyId } = encryption(this.#bucket);
    const headers = {
      ...this.#signedHeaders(size, sha256),
      ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
      ...(SSEKMSKeyId !== undefined && {
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': SSEKMSKeyId,
        'x-amz-server-side-encryption-bucket-key-enabled': 'true',
      }),
      ...(ifAbsent && { 'if-none-match': '*' }),
    };
    return this.#sign(key, { seconds, headers });
  }

  begin(key: string, { metadata }: { readonly metadata: Metadata }): Promise<string> {
    checkMetadata(key, metadata);
    const { sdk, client, checksums } = this.#bucket;
    const command = new sdk.CreateMultipartUploadCommand({
      ...objectParams(this.#bucket, key),
      ...encryption(this.#bucket),
      Metadata: { ...metadata },
      ...(checksums && { ChecksumAlgorithm: 'SHA256', ChecksumType: 'COMPOSITE' }),
    });
    return translateErrors(s3Operation(this.#bucket, 's3:PutObject', key, `start the upload of ${key}`), async () => {
      const { UploadId = '' } = await client.send(command);
      return UploadId;
    });
  }

  part(key: string, uploadId: string, { number, size, sha256, seconds }: DirectPart): Promise<SignedPut> {
    return this.#sign(key, {
      seconds,
      headers: this.#signedHeaders(size, sha256),
      query: { partNumber: String(number), uploadId },
    });
  }

  complete(key: string, UploadId: string, { size, ifAbsent, parts }: DirectCompletion): Promise<PutResult> {
    const { sdk, client, checksums } = this.#bucket;
    const Parts = [...parts]
      .sort((a, b) => a.number - b.number)
      .map(({ number, etag, sha256 }) => ({
        PartNumber: number,
        ETag: inQuotes(etag),
        ...(checksums && { ChecksumSHA256: base64(sha256) }),
      }));
    const command = new sdk.CompleteMultipartUploadCommand({
      ...objectParams(this.#bucket, key),
      UploadId,
      MultipartUpload: { Parts },
      MpuObjectSize: size,
      ...(ifAbsent && { IfNoneMatch: '*' }),
    });
    return translateErrors(s3Operation(this.#bucket, 's3:PutObject', key, `complete ${key}`), async () => {
      try {
        const { ETag } = await client.send(command);
        return { created: true, etag: withoutQuotes(ETag) };
      } catch (error) {
        if (!isPrecondition(error)) throw completionErrorOf(error, key);
        await this.abort(key, UploadId);
        return { created: false, etag: '' };
      }
    });
  }

  abort(key: string, UploadId: string): Promise<void> {
    const { sdk, client } = this.#bucket;
    return translateErrors(
      s3Operation(this.#bucket, 's3:AbortMultipartUpload', key, `abort the upload of ${key}`),
      async () => {
        try {
          await client.send(new sdk.AbortMultipartUploadCommand({ ...objectParams(this.#bucket, key), UploadId }));
        } catch (error) {
          if (!hasName(error, 'NoSuchUpload')) throw error;
        }
      },
    );
  }

  /** The headers that a PUT of these bytes must send, so that S3 accepts no others. */
  #signedHeaders(size: number, sha256: string): Readonly<Record<string, string>> {
    const { checksums, owner } = this.#bucket;
    return {
      'content-length': String(size),
      ...(checksums && { 'x-amz-checksum-sha256': base64(sha256) }),
      ...(owner !== null && { 'x-amz-expected-bucket-owner': owner }),
    };
  }

  #sign(key: string, put: Pick<Presigning, 'seconds' | 'query'> & Pick<SignedPut, 'headers'>): Promise<SignedPut> {
    return translateErrors(s3Operation(this.#bucket, 's3:PutObject', key, `sign a URL of ${key}`), async () => ({
      url: await signedUrl(this.#bucket, key, { method: 'PUT', ...put }),
      headers: put.headers,
    }));
  }
}

const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');

function completionErrorOf(error: unknown, key: string): unknown {
  if (hasName(error, 'NoSuchUpload')) {
    return new BatchctlError('notFound', `no such upload of ${key}: it was completed or aborted`, {
      hint: 'check whether the object exists; otherwise start again',
      cause: error,
    });
  }
  if (hasName(error, 'InvalidPart', 'InvalidPartOrder', 'BadDigest', 'EntityTooSmall', 'InvalidRequest')) {
    return new BatchctlError('changed', `the parts of ${key} are not as declared (${error.name})`, {
      hint: 'start the upload again',
      cause: error,
    });
  }
  if (isConflict(error)) {
    return new BatchctlError('unavailable', `another object was stored as ${key} just then`, {
      hint: 'start the upload again',
      cause: error,
    });
  }
  return error;
}

export async function signedUrl(
  bucket: S3Bucket,
  key: string,
  what: Pick<Presigning, 'method' | 'seconds' | 'headers' | 'query'>,
): Promise<string> {
  const [url, region, credentials] = await Promise.all([
    urlOf(bucket.client, new bucket.sdk.HeadObjectCommand(objectParams(bucket, key))),
    bucket.client.config.region(),
    bucket.client.config.credentials(),
  ]);
  return presignedUrl({ ...what, url, region, now: Date.now(), credentials });
}
