import { crc32 } from 'node:zlib';
import { BatchctlError } from '../../errors.ts';
import type { PutOptions, PutResult } from '../../ports/object-store.ts';
import { backOff } from './backoff.ts';
import { base64Crc } from './crc32.ts';
import {
  checkMetadata,
  doing,
  encryption,
  fullKey,
  isConflict,
  isPrecondition,
  type S3Bucket,
  target,
  translated,
  withoutQuotes,
} from './s3-bucket.ts';

/** The most that one `put` takes, as the port says. */
const LARGEST_PUT = 64 * 1024 * 1024;
/** Answers of 409 in a row: each says only that someone else wrote just then. */
const CONFLICTS = 12;

/**
 * One put, its bytes' checksum with it. The client repeats it after a lost answer, so `created: false` may speak of
 * one's own first try: the caller reads back, as the port says. Told 409, it is put again.
 */
export async function putObject(
  bucket: S3Bucket,
  key: string,
  body: Uint8Array | string,
  options: PutOptions & { readonly signal?: AbortSignal } = {},
): Promise<PutResult> {
  const { ifAbsent = false, metadata = {}, signal } = options;
  const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
  if (bytes.length > LARGEST_PUT) {
    const expected = `Expected at most ${LARGEST_PUT} bytes to put as ${key}, found ${bytes.length}`;
    throw new BatchctlError('usage', expected, { hint: 'Upload it as a file.' });
  }
  checkMetadata(key, metadata);
  const command = new bucket.sdk.PutObjectCommand({
    ...target(bucket),
    ...encryption(bucket),
    Key: fullKey(bucket, key),
    Body: bytes,
    ContentLength: bytes.length,
    Metadata: { ...metadata },
    ...(ifAbsent && { IfNoneMatch: '*' }),
    ...(bucket.checksums && { ChecksumCRC32: base64Crc(crc32(bytes)) }),
  });
  return translated(doing(bucket, 's3:PutObject', key, `put ${key}`), async () => {
    for (let conflicts = 0; ; conflicts += 1) {
      try {
        const { ETag } = await bucket.client.send(command, signal === undefined ? {} : { abortSignal: signal });
        return { created: true, etag: withoutQuotes(ETag) };
      } catch (error) {
        if (ifAbsent && isPrecondition(error)) return { created: false, etag: '' };
        if (!isConflict(error) || conflicts === CONFLICTS) throw error;
        await backOff(conflicts, signal);
      }
    }
  });
}
