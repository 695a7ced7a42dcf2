import type { BucketLocationConstraint, ObjectIdentifier } from '@aws-sdk/client-s3';
import type { AwsClients } from '../adapters/aws/clients.ts';
import { errorOf, isTransient, nullOnError, statusOf, translateErrors } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { eachParallel } from '../lib/parallel.ts';
import { STACK_TAG } from '../lib/stack-names.ts';
import { Arns } from './arns.ts';
import {
  type BucketFacts,
  type BucketSetting,
  checkSetting,
  encryptionSetting,
  publicAccessSetting,
  tlsOnlySetting,
  unfinishedUploadsSetting,
} from './bucket-settings.ts';
import { retryUntilConsistent } from './call-aws.ts';
import { foreignOwner, lastingTags } from './owner.ts';
import {
  type KeptReason,
  type RemovalOptions,
  type Resource,
  type ResourceState,
  stateFromDifferences,
} from './resource.ts';
import { tagDifferences } from './tags.ts';

/**
 * The stack's bucket: public access blocked, encrypted, TLS only, and unfinished uploads removed. A bucket configured
 * as `existing` is never changed.
 */
export class BucketResource implements Resource {
  readonly part = 'data';
  readonly kind = 'bucket';
  readonly name: string;
  readonly #profile: AwsProfile;
  readonly #clients: AwsClients;

  constructor(profile: AwsProfile, clients: AwsClients) {
    this.name = profile.bucket.name;
    this.#profile = profile;
    this.#clients = clients;
  }

  async look(): Promise<ResourceState> {
    const facts = await this.#facts();
    return this.#translated('look at', 's3:ListBucket', async () => {
      const { existing } = this.#profile.bucket;
      if (!(await bucketExists(facts))) {
        if (!existing) return { state: 'absent' };
        throw new BatchctlError('notFound', `the profile says that the bucket ${this.name} exists, but it does not`, {
          hint: 'correct `bucket.name`, or remove `existing` to let infra up create it',
        });
      }
      const tags = existing ? [] : await this.#missingTags(facts);
      const settings = this.#settings(facts);
      if (existing) {
        const lacks = (await Promise.all(settings.map((setting) => checkSetting(setting)))).flat();
        return lacks.length === 0 ? { state: 'asItShould' } : { state: 'lacks', lacks };
      }
      const looked = await Promise.all(settings.map((setting) => setting.look()));
      const differences = [...looked.filter((what) => what !== null), ...tags];
      return stateFromDifferences(differences);
    });
  }

  async apply(): Promise<void> {
    const facts = await this.#facts();
    await this.#translated('make', 's3:CreateBucket', async () => {
      const { sdk, client, at } = facts;
      if (!(await bucketExists(facts))) await this.#create(facts);
      // The tags go first: from here on the bucket is known to be the stack's.
      const found = await readTags(facts);
      const wanted = { ...found, ...lastingTags(this.#profile, found) };
      const TagSet = Object.entries(wanted).map(([Key, Value]) => ({ Key, Value }));
      await retryUntilConsistent(() => client.send(new sdk.PutBucketTaggingCommand({ ...at, Tagging: { TagSet } })));
      for (const setting of this.#settings(facts)) {
        if ((await retryUntilConsistent(() => setting.look())) !== null)
          await retryUntilConsistent(() => setting.apply());
      }
    });
  }

  async remove({ deleteData, note }: RemovalOptions): Promise<KeptReason | null> {
    const facts = await this.#facts();
    return this.#translated('remove', 's3:DeleteBucket', async () => {
      if (!(await bucketExists(facts))) return null;
      const { name, existing, prefix } = this.#profile.bucket;
      const deleteObjects = async (): Promise<void> => {
        await emptyPrefix(facts, (deleted) => note(`bucket ${name}: ${deleted} objects deleted`));
      };
      if (existing) {
        if (!deleteData)
          return (await holdsAnything(facts)) ? { why: 'it contains data, and is configured as existing' } : null;
        // Without a prefix, the stack's objects can't be told from those of others.
        if (prefix === '') return { why: 'it is configured as existing, and the stack has no prefix in it' };
        await deleteObjects();
        return null;
      }
      const tags = await readTags(facts);
      const owner = await this.#owner(tags);
      // An empty one without any tag may have just been created by an `up` that was killed.
      const justMade = Object.keys(tags).length === 0 && !(await holdsAnything({ ...facts, prefix: '' }));
      if (owner !== null && !justMade) return { why: owner };
      if (deleteData) await deleteObjects();
      if (await holdsAnything({ ...facts, prefix: '' })) {
        return { why: deleteData ? `it contains objects outside of ${prefix}` : 'it contains data' };
      }
      return (await this.#deleteBucket(facts)) ? null : { why: 'it contains data that was just added' };
    });
  }

  /** The stack's share of this bucket, without checking settings. `below`: the prefix of its objects. */
  async holdings(): Promise<{ readonly isOurs: boolean; readonly below: string | null }> {
    const facts = await this.#facts();
    return this.#translated('look at', 's3:ListBucketVersions', async () => {
      if (!(await bucketExists(facts))) return { isOurs: false, below: null };
      const { existing, prefix } = this.#profile.bucket;
      const isOurs = !existing && (await this.#owner(await readTags(facts))) === null;
      // Without a prefix, an existing bucket may hold anyone's objects; only jobs are the stack's.
      const below = existing && prefix === '' ? 'jobs/' : prefix;
      return { isOurs, below: (await holdsAnything({ ...facts, prefix: below })) ? below : null };
    });
  }

  /** False if an object was added in the meantime. */
  async #deleteBucket({ sdk, client, at }: BucketFacts): Promise<boolean> {
    try {
      await client.send(new sdk.DeleteBucketCommand(at));
      return true;
    } catch (error) {
      if (error instanceof Error && error.name === 'BucketNotEmpty') return false;
      if (statusOf(error) === 404) return true;
      throw error;
    }
  }

  async #create({ sdk, client, at: { Bucket } }: BucketFacts): Promise<void> {
    const { region } = this.#profile;
    // us-east-1 must not be named here (S3: CreateBucket).
    const place =
      region === 'us-east-1'
        ? {}
        : { CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint } };
    // Another `up` may have been faster.
    const create = () =>
      nullOnError(client.send(new sdk.CreateBucketCommand({ Bucket, ...place })), 'BucketAlreadyOwnedByYou');
    await retryUntilConsistent(create).catch((error: unknown) => {
      if (!(error instanceof Error) || error.name !== 'OperationAborted') throw error;
      throw new BatchctlError('unavailable', `S3 does not create the bucket ${Bucket} yet: ${error.message}`, {
        cause: error,
        hint: 'a bucket of that name was deleted lately, or is being created elsewhere; S3 frees a name after an hour or more. Run the same command again then, or choose another `bucket.name`',
      });
    });
  }

  /** Throws `refused` for a bucket with content that this stack did not create. */
  async #missingTags(facts: BucketFacts): Promise<readonly string[]> {
    const tags = await readTags(facts);
    const owner = await this.#owner(tags);
    if (owner === null) return tagDifferences(tags, lastingTags(this.#profile, tags));
    const { sdk, client, at } = facts;
    // An empty one without the tag may have just been created by an `up` that was killed.
    const { KeyCount = 0 } = await client.send(new sdk.ListObjectsV2Command({ ...at, MaxKeys: 1 }));
    if (tags[STACK_TAG] === undefined && KeyCount === 0) return tagDifferences(tags, lastingTags(this.#profile, tags));
    throw new BatchctlError('refused', `the bucket ${this.name} exists, and ${owner}`, {
      hint: `${tags[STACK_TAG] === undefined ? '' : `to continue that stack, set in the profile: "stack": "${tags[STACK_TAG]}"; `}to use it unchanged, set in the profile: "bucket": { "name": "${this.name}", "existing": true, "prefix": "..." }; or choose another name`,
    });
  }

  /** Null if it is this home's. A bucket's name is unique: one that an earlier version made needs no home. */
  async #owner(tags: Readonly<Record<string, string>>): Promise<string | null> {
    return foreignOwner({ profile: this.#profile, clients: this.#clients }, tags, async () => true);
  }

  #settings(facts: BucketFacts): readonly BucketSetting[] {
    const settings = [publicAccessSetting(facts), encryptionSetting(facts), unfinishedUploadsSetting(facts)];
    // Over plain HTTP, as with an emulator, the policy would lock out its author.
    const encrypted = this.#clients.endpoint('s3')?.startsWith('http:') !== true;
    return encrypted ? [...settings, tlsOnlySetting(facts)] : settings;
  }

  async #facts(): Promise<BucketFacts> {
    const [sdk, client] = await Promise.all([import('@aws-sdk/client-s3'), this.#clients.s3('control')]);
    const { kmsKey, bucket } = this.#profile;
    const at = { Bucket: bucket.name, ...(bucket.owner !== null && { ExpectedBucketOwner: bucket.owner }) };
    return { sdk, client, at, arn: new Arns(this.#profile).bucket, prefix: bucket.prefix, kmsKey };
  }

  #translated<T>(verb: string, action: string, work: () => Promise<T>): Promise<T> {
    const { profile } = this.#clients;
    const resource = new Arns(this.#profile).bucket;
    return translateErrors({ what: `${verb} the bucket ${this.name}`, action, resource, profile }, work);
  }
}

/** Bucket names are unique across all accounts of a partition: a denial may mean that another account has this one. */
async function bucketExists({ sdk, client, at, arn }: BucketFacts): Promise<boolean> {
  try {
    await client.send(new sdk.HeadBucketCommand(at));
    return true;
  } catch (error) {
    const status = statusOf(error);
    if (status === 404) return false;
    if (status !== 403) throw error;
    const denied = `s3:ListBucket on ${arn}`;
    const owner = at.ExpectedBucketOwner;
    const strange = owner === undefined ? '' : `, or the bucket belongs to another account than ${owner}`;
    throw new BatchctlError('credentials', `can't access the bucket ${at.Bucket}: ${denied} is denied${strange}`, {
      denied,
      cause: error,
      hint: 'allow s3:ListBucket on it in the policy; if another account has a bucket of that name, choose another `bucket.name`',
    });
  }
}

async function readTags({ sdk, client, at }: BucketFacts): Promise<Readonly<Record<string, string>>> {
  const found = await retryUntilConsistent(() =>
    nullOnError(client.send(new sdk.GetBucketTaggingCommand(at)), 'NoSuchTagSet'),
  );
  return Object.fromEntries((found?.TagSet ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
}

/** Objects per delete request, and entries per page of a listing (S3: DeleteObjects, ListObjectVersions). */
const REMOVAL_BATCH = 1_000;
/** Tries for objects that failed to be deleted transiently. */
const REMOVAL_TRIES = 5;
const AT_ONCE = 4;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what XML can't carry.
const INVALID_IN_XML = /[\x00-\x1f\x7f-\x9f\ufffe\uffff]/;

/**
 * Deletes everything below the prefix: each version, delete marker and unfinished upload. Calls `progress` with the
 * number deleted so far.
 */
async function emptyPrefix(facts: BucketFacts, progress: (deleted: number) => void): Promise<void> {
  // Always from the beginning: deleted objects are no longer listed (S3 lists are strongly consistent).
  for (let last = ''; ; ) {
    const uploads = await uploadsBelow(facts, REMOVAL_BATCH);
    const [first] = uploads;
    if (first === undefined) break;
    last = requireProgress(last, `the upload ${first.UploadId} of ${first.Key}`);
    await eachParallel(uploads, AT_ONCE, (upload) => abortUpload(facts, upload));
  }
  for (let [deleted, last] = [0, '']; ; progress(deleted)) {
    const versions = await versionsBelow(facts, REMOVAL_BATCH);
    const [first] = versions;
    if (first === undefined) return;
    last = requireProgress(last, `the version ${first.VersionId} of ${first.Key}`);
    await deleteVersions(facts, versions);
    deleted += versions.length;
  }
}

/** Returns the first entry. Throws if it was first before and should be deleted by now. */
function requireProgress(last: string, first: string): string {
  if (first !== last) return first;
  throw new BatchctlError('unavailable', `S3 reported ${first} as deleted, but still lists it`, {
    hint: 'run the same command again to continue',
  });
}

/** Whether there is anything below the prefix: a version, a delete marker, an unfinished upload. */
async function holdsAnything(facts: BucketFacts): Promise<boolean> {
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
  // A server that ignored the prefix would have the whole bucket deleted.
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
  // It may have ended in the meantime.
  await nullOnError(client.send(new sdk.AbortMultipartUploadCommand({ ...at, Key, UploadId })), 'NoSuchUpload');
}

async function deleteVersions(facts: BucketFacts, versions: readonly ObjectIdentifier[]): Promise<void> {
  const { sdk, client, at } = facts;
  const single = versions.filter(({ Key = '' }) => INVALID_IN_XML.test(Key));
  await eachParallel(single, AT_ONCE, async (version) => {
    await client.send(new sdk.DeleteObjectCommand({ ...at, ...version }));
  });
  let left = versions.filter(({ Key = '' }) => !INVALID_IN_XML.test(Key));
  for (let tries = 1; left.length > 0; tries += 1) {
    const asked = new sdk.DeleteObjectsCommand({ ...at, Delete: { Objects: [...left], Quiet: true } });
    const { Errors = [] } = await client.send(asked);
    const errors = Errors.map(({ Code = 'UnknownError', Message = '' }) => errorOf(Code, Message));
    const worst = errors.find((error) => !isTransient(error)) ?? (tries === REMOVAL_TRIES ? errors[0] : undefined);
    if (worst !== undefined) throw worst;
    left = Errors.map(({ Key, VersionId }) => ({ Key, VersionId }));
  }
}

/** S3 says whether it encoded the keys as requested, and encodes a space as `+`. */
function decoded(key = '', encoding?: string): string {
  return encoding === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key;
}
