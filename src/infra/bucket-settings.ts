import type * as sdk from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { nullOnError, statusOf } from '../adapters/aws/errors.ts';
import { isRecord } from '../lib/json.ts';
import type { MissingItem } from './resource.ts';

export interface BucketFacts {
  readonly sdk: typeof sdk;
  readonly client: S3Client;
  /** Names the bucket and its owner in every request. */
  readonly at: { readonly Bucket: string; readonly ExpectedBucketOwner?: string };
  readonly arn: string;
  readonly prefix: string;
  readonly kmsKey: string | null;
}

export interface BucketSetting {
  /** The defect of the setting, for people; null if there is none. */
  look(): Promise<string | null>;
  apply(): Promise<void>;
  /** A command line with the effect of `apply`. */
  readonly fix: string;
  /** The permission that `look` needs; and what it finds out, for the message if another owner's bucket denies it. */
  readonly asks: { readonly action: string; readonly whether: string };
}

/** Age at which unfinished uploads are removed, days: no upload takes that long. */
const UNFINISHED_DAYS = 7;
const RULE = 'batchctl-unfinished-uploads';

export const PUBLIC_ACCESS = {
  BlockPublicAcls: true,
  IgnorePublicAcls: true,
  BlockPublicPolicy: true,
  RestrictPublicBuckets: true,
} as const satisfies sdk.PublicAccessBlockConfiguration;

export function encryptionOf(kmsKey: string | null) {
  const byDefault: sdk.ServerSideEncryptionByDefault =
    kmsKey === null ? { SSEAlgorithm: 'AES256' } : { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: kmsKey };
  // Without a bucket key every object costs a request to KMS, with its price and rate limit.
  return { Rules: [{ ApplyServerSideEncryptionByDefault: byDefault, BucketKeyEnabled: kmsKey !== null }] };
}

export const unfinishedUploads = (prefix: string) =>
  ({
    ID: RULE,
    Status: 'Enabled',
    Filter: { Prefix: prefix },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: UNFINISHED_DAYS },
  }) as const satisfies sdk.LifecycleRule;

export function publicAccessSetting({ sdk, client, at }: BucketFacts): BucketSetting {
  return {
    asks: { action: 's3:GetBucketPublicAccessBlock', whether: 'public access is blocked' },
    fix: `aws s3api put-public-access-block --bucket ${at.Bucket} --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true`,
    look: async () => {
      const asked = client.send(new sdk.GetPublicAccessBlockCommand(at));
      const found = (await nullOnError(asked, 'NoSuchPublicAccessBlockConfiguration'))?.PublicAccessBlockConfiguration;
      const blocked = Object.keys(PUBLIC_ACCESS).every((name) => found?.[name as keyof typeof PUBLIC_ACCESS] === true);
      return blocked ? null : 'public access is not blocked';
    },
    apply: async () => {
      await client.send(new sdk.PutPublicAccessBlockCommand({ ...at, PublicAccessBlockConfiguration: PUBLIC_ACCESS }));
    },
  };
}

export function encryptionSetting({ sdk, client, at, kmsKey }: BucketFacts): BucketSetting {
  const configuration = encryptionOf(kmsKey);
  return {
    asks: { action: 's3:GetEncryptionConfiguration', whether: 'objects are encrypted by default' },
    fix: `aws s3api put-bucket-encryption --bucket ${at.Bucket} --server-side-encryption-configuration '${JSON.stringify(configuration)}'`,
    look: async () => {
      const asked = client.send(new sdk.GetBucketEncryptionCommand(at));
      const found = await nullOnError(asked, 'ServerSideEncryptionConfigurationNotFoundError');
      const [rule] = found?.ServerSideEncryptionConfiguration?.Rules ?? [];
      const { SSEAlgorithm, KMSMasterKeyID } = rule?.ApplyServerSideEncryptionByDefault ?? {};
      if (kmsKey === null) return SSEAlgorithm === undefined ? 'objects are not encrypted by default' : null;
      if (SSEAlgorithm === 'aws:kms' && KMSMasterKeyID === kmsKey && rule?.BucketKeyEnabled === true) return null;
      return `objects are not encrypted with ${kmsKey} by default`;
    },
    apply: async () => {
      await client.send(
        new sdk.PutBucketEncryptionCommand({ ...at, ServerSideEncryptionConfiguration: configuration }),
      );
    },
  };
}

export function unfinishedUploadsSetting({ sdk, client, at, prefix }: BucketFacts): BucketSetting {
  const rule = unfinishedUploads(prefix);
  const rules = async (): Promise<readonly sdk.LifecycleRule[]> => {
    const asked = client.send(new sdk.GetBucketLifecycleConfigurationCommand(at));
    return (await nullOnError(asked, 'NoSuchLifecycleConfiguration'))?.Rules ?? [];
  };
  return {
    asks: { action: 's3:GetLifecycleConfiguration', whether: 'leftovers of unfinished uploads are removed' },
    fix: `add to the rules shown by aws s3api get-bucket-lifecycle-configuration --bucket ${at.Bucket}: ${JSON.stringify(rule)}`,
    look: async () => {
      const covered = (await rules()).some(
        ({ Status, Filter, Prefix, AbortIncompleteMultipartUpload: abort }) =>
          Status === 'Enabled' && abort !== undefined && prefix.startsWith(Filter?.Prefix ?? Prefix ?? ''),
      );
      return covered ? null : 'no rule removes leftovers of unfinished uploads';
    },
    apply: async () => {
      const Rules = [...(await rules()).filter(({ ID }) => ID !== RULE), rule];
      await client.send(new sdk.PutBucketLifecycleConfigurationCommand({ ...at, LifecycleConfiguration: { Rules } }));
    },
  };
}

export function tlsOnlySetting({ sdk, client, at, arn }: BucketFacts): BucketSetting {
  const statement = tlsOnly(arn);
  const statements = async (): Promise<readonly BucketStatement[]> =>
    statementsOf((await nullOnError(client.send(new sdk.GetBucketPolicyCommand(at)), 'NoSuchBucketPolicy'))?.Policy);
  return {
    asks: { action: 's3:GetBucketPolicy', whether: 'requests without TLS are refused' },
    fix: `add to the policy shown by aws s3api get-bucket-policy --bucket ${at.Bucket}: ${JSON.stringify(statement)}`,
    look: async () => {
      const refused = (await statements()).some((each) => refusesWithoutTls(each, arn));
      return refused ? null : 'requests without TLS are accepted';
    },
    apply: async () => {
      const others = (await statements()).filter(({ Sid }) => Sid !== statement.Sid);
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [...others, statement] });
      await client.send(new sdk.PutBucketPolicyCommand({ ...at, Policy }));
    },
  };
}

/** The settings that a bucket of another owner lacks. A denied read is reported, and isn't an error. */
export async function checkSetting({ look, fix, asks }: BucketSetting): Promise<readonly MissingItem[]> {
  try {
    const what = await look();
    return what === null ? [] : [{ what, fix }];
  } catch (error) {
    if (statusOf(error) !== 403) throw error;
    const what = `${asks.action} is denied, so it can't be checked whether ${asks.whether}`;
    return [{ what, fix: 'batchctl infra policies --for admin prints what to allow' }];
  }
}

/** A statement of a bucket policy that anyone may have written (IAM: JSON policy elements). */
interface BucketStatement {
  readonly Sid?: string;
  readonly Effect?: string;
  readonly Principal?: unknown;
  readonly Action?: unknown;
  readonly Resource?: unknown;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Refuses all requests without TLS (S3: bucket policy examples, HTTPS only). */
export const tlsOnly = (arn: string) =>
  ({
    Sid: 'BatchctlTlsOnly',
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:*',
    Resource: [arn, `${arn}/*`],
    Condition: { Bool: { 'aws:SecureTransport': 'false' } },
  }) satisfies BucketStatement;

/** The statements of a policy: a single one need not be in a list. */
function statementsOf(policy: string | undefined): readonly BucketStatement[] {
  const { Statement = [] }: { Statement?: BucketStatement | readonly BucketStatement[] } = JSON.parse(policy ?? '{}');
  return [Statement].flat();
}

/** Whether a statement refuses all requests without TLS, in any spelling; a narrower one doesn't count. */
function refusesWithoutTls(statement: BucketStatement, arn: string): boolean {
  const { Effect, Principal, Action, Resource, Condition = {} } = statement;
  const everybody = Principal === '*' || (isRecord(Principal) && [Principal.AWS].flat().includes('*'));
  const everything = [Action].flat().some((action) => action === 's3:*' || action === '*');
  const covered = [arn, `${arn}/*`].every((whole) =>
    [Resource].flat().some((pattern) => pattern === whole || pattern === `${arn}*` || pattern === '*'),
  );
  return Effect === 'Deny' && everybody && everything && covered && isTlsConditionOnly(Condition);
}

/** Any further condition would make it narrower. */
function isTlsConditionOnly(condition: NonNullable<BucketStatement['Condition']>): boolean {
  const keys = Object.entries(condition).flatMap(([operator, tests]) =>
    Object.entries(tests).map(([key, value]) => ({ operator, key, value })),
  );
  return (
    keys.every(
      ({ operator, key, value }) =>
        /^Bool(IfExists)?$/.test(operator) &&
        key.toLowerCase() === 'aws:securetransport' &&
        [value].flat().every((each) => String(each) === 'false'),
    ) && keys.length === 1
  );
}
