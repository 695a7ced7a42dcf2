import { eachParallel } from '../../lib/each-parallel.ts';
import { backOff } from './backoff.ts';
import { isTransient, translateAwsError } from './errors.ts';
import { doing, fullKey, type S3Bucket, target, translated } from './s3-bucket.ts';

/** Keys that one request deletes (S3 DeleteObjects), and requests at a time. */
const BATCH = 1_000;
const AT_ONCE = 4;
/** Tries of those keys of a batch that failed for a while. */
const TRIES = 8;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what XML can't carry.
const NOT_IN_XML = /[\x00-\x1f\x7f-\x9f\ufffe\uffff]/;

/** Deletes keys, a thousand a request. Those that fail for a while are tried again; throws when one can't be deleted. */
export async function deleteObjects(bucket: S3Bucket, keys: readonly string[]): Promise<void> {
  const single = keys.filter((key) => NOT_IN_XML.test(key));
  const many = single.length === 0 ? keys : keys.filter((key) => !NOT_IN_XML.test(key));
  if (many.length === 1) single.push(...many);
  else await eachParallel(batchesOf(many), AT_ONCE, (batch, signal) => deleteBatch(bucket, batch, signal));
  await eachParallel(single, AT_ONCE, (key) => deleteOne(bucket, key));
}

async function deleteOne(bucket: S3Bucket, key: string): Promise<void> {
  const command = new bucket.sdk.DeleteObjectCommand({ ...target(bucket), Key: fullKey(bucket, key) });
  const about = doing(bucket, 's3:DeleteObject', key, `delete ${key}`);
  // To delete what is not there succeeds: a 404 here is a missing bucket.
  await translated(about, () => bucket.client.send(command));
}

async function deleteBatch(bucket: S3Bucket, keys: readonly string[], signal: AbortSignal): Promise<void> {
  let left = keys;
  for (let tries = 1; ; tries += 1) {
    const failed = await deleteOnce(bucket, left, signal);
    const first = failed[0];
    if (first === undefined) return;
    const lasting = failed.find(({ error }) => !isTransient(error));
    const worst = lasting ?? (tries === TRIES ? first : null);
    if (worst !== null) {
      const rest = failed.length === 1 ? '' : ` and ${failed.length - 1} more`;
      const about = doing(bucket, 's3:DeleteObject', worst.key, `delete ${worst.key}${rest}`);
      throw translateAwsError(worst.error, about);
    }
    left = failed.map(({ key }) => key);
    await backOff(tries, signal);
  }
}

interface Failed {
  readonly key: string;
  readonly error: Error;
}

/** The keys that an answer of 200 says were not deleted. */
async function deleteOnce(bucket: S3Bucket, keys: readonly string[], signal: AbortSignal): Promise<readonly Failed[]> {
  const command = new bucket.sdk.DeleteObjectsCommand({
    ...target(bucket),
    Delete: { Objects: keys.map((key) => ({ Key: fullKey(bucket, key) })), Quiet: true },
  });
  const about = doing(bucket, 's3:DeleteObject', '*', `delete ${keys.length} objects`);
  const { Errors = [] } = await translated(about, () => bucket.client.send(command, { abortSignal: signal }));
  return Errors.map(({ Key = '', Code = 'UnknownError', Message = '' }) => ({
    key: Key.slice(bucket.prefix.length),
    error: errorOf(Code, Message),
  }));
}

/** As the SDK would have thrown it for a request of its own. */
function errorOf(code: string, message: string): Error {
  const status = code === 'InternalError' ? 500 : code === 'AccessDenied' ? 403 : 400;
  return Object.assign(new Error(message), { name: code, $metadata: { httpStatusCode: status } });
}

function* batchesOf(keys: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < keys.length; at += BATCH) yield keys.slice(at, at + BATCH);
}
