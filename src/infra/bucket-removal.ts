import type { ObjectIdentifier } from '@aws-sdk/client-s3';
import { isTransient } from '../adapters/aws/errors.ts';
import { BatchctlError } from '../errors.ts';
import { eachParallel } from '../lib/each-parallel.ts';
import type { BucketFacts } from './bucket-settings.ts';

/** Objects that one request deletes, and entries that one lists (S3: DeleteObjects, ListObjectVersions). */
const BATCH = 1_000;
/** Tries of objects that could not be deleted for a while. */
const TRIES = 5;
const AT_ONCE = 4;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what XML can't carry.
const NOT_IN_XML = /[\x00-\x1f\x7f-\x9f\ufffe\uffff]/;

/**
 * Deletes all below the prefix: each version, each delete marker, each unfinished upload. Nothing else is touched.
 * `progress` is told how many objects went so far.
 */
export async function emptyPrefix(facts: BucketFacts, progress: (deleted: number) => void): Promise<void> {
  // Always from the beginning: what is deleted is listed no more (S3 lists are strongly consistent).
  for (let last = ''; ; ) {
    const uploads = await uploadsBelow(facts, BATCH);
    const [first] = uploads;
    if (first === undefined) break;
    last = movedOn(last, `the upload ${first.UploadId} of ${first.Key}`);
    await eachParallel(uploads, AT_ONCE, (upload) => abortUpload(facts, upload));
  }
  for (let [deleted, last] = [0, '']; ; progress(deleted)) {
    const versions = await versionsBelow(facts, BATCH);
    const [first] = versions;
    if (first === undefined) return;
    last = movedOn(last, `the version ${first.VersionId} of ${first.Key}`);
    await deleteVersions(facts, versions);
    deleted += versions.length;
  }
}

/** Answers what is first now. Throws when that was first before, and was deleted. */
function movedOn(last: string, first: string): string {
  if (first !== last) return first;
  throw new BatchctlError('unavailable', `S3 reported ${first} as deleted, but still lists it`, {
    hint: 'run the same command again to continue',
  });
}

/** Whether anything lies below the prefix: a version, a delete marker, an unfinished upload. */
export async function holdsAnything(facts: BucketFacts): Promise<boolean> {
  const [versions, uploads] = await Promise.all([versionsBelow(facts, 1), uploadsBelow(facts, 1)]);
  return versions.length + uploads.length > 0;
}

async function versionsBelow({ sdk, client, at, prefix }: BucketFacts, most: number): Promise<ObjectIdentifier[]> {
  const {
    Versions = [],
    DeleteMarkers = [],
    EncodingType,
  } = await client.send(
    new sdk.ListObjectVersionsCommand({ ...at, Prefix: prefix, MaxKeys: most, EncodingType: 'url' }),
  );
  const found = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({
    Key: decoded(Key, EncodingType),
    VersionId,
  }));
  // A server that didn't heed the prefix would have all of the bucket deleted.
  return found.filter(({ Key }) => Key.startsWith(prefix));
}

interface Upload {
  readonly Key: string;
  readonly UploadId: string | undefined;
}

async function uploadsBelow({ sdk, client, at, prefix }: BucketFacts, most: number): Promise<readonly Upload[]> {
  const { Uploads = [], EncodingType } = await client.send(
    new sdk.ListMultipartUploadsCommand({ ...at, Prefix: prefix, MaxUploads: most, EncodingType: 'url' }),
  );
  const found = Uploads.map(({ Key, UploadId }) => ({ Key: decoded(Key, EncodingType), UploadId }));
  return found.filter(({ Key }) => Key.startsWith(prefix));
}

async function abortUpload({ sdk, client, at }: BucketFacts, { Key, UploadId }: Upload): Promise<void> {
  try {
    await client.send(new sdk.AbortMultipartUploadCommand({ ...at, Key, UploadId }));
  } catch (error) {
    // It ended meanwhile.
    if (!(error instanceof Error) || error.name !== 'NoSuchUpload') throw error;
  }
}

async function deleteVersions(facts: BucketFacts, versions: readonly ObjectIdentifier[]): Promise<void> {
  const { sdk, client, at } = facts;
  const single = versions.filter(({ Key = '' }) => NOT_IN_XML.test(Key));
  await eachParallel(single, AT_ONCE, async (version) => {
    await client.send(new sdk.DeleteObjectCommand({ ...at, ...version }));
  });
  let left = versions.filter(({ Key = '' }) => !NOT_IN_XML.test(Key));
  for (let tries = 1; left.length > 0; tries += 1) {
    const asked = new sdk.DeleteObjectsCommand({ ...at, Delete: { Objects: [...left], Quiet: true } });
    const { Errors = [] } = await client.send(asked);
    const errors = Errors.map(({ Code = 'UnknownError', Message = '' }) => errorOf(Code, Message));
    const worst = errors.find((error) => !isTransient(error)) ?? (tries === TRIES ? errors[0] : undefined);
    if (worst !== undefined) throw worst;
    left = Errors.map(({ Key, VersionId }) => ({ Key, VersionId }));
  }
}

/** As the SDK would have thrown it for a request of its own. */
function errorOf(code: string, message: string): Error {
  const status = code === 'InternalError' ? 500 : code === 'AccessDenied' ? 403 : 400;
  return Object.assign(new Error(message), { name: code, $metadata: { httpStatusCode: status } });
}

/** S3 says whether it encoded the keys as it was asked to, and writes a space as `+`. */
function decoded(key = '', encoding?: string): string {
  return encoding === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key;
}
