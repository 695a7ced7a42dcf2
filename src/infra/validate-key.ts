import { nullOnError } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { isBatchctlError } from '../errors.ts';
import { partitionOf } from '../lib/stack-names.ts';
import { type Finding, fail, warn } from '../model/finding.ts';
import { type AwsContext, callAws, callEc2 } from './call-aws.ts';

/** Auto Scaling's operations on the key of encrypted volumes (ASG: key-policy-requirements-EBS-encryption). */
const OPERATIONS = [
  ...['Encrypt', 'Decrypt', 'ReEncryptFrom', 'ReEncryptTo', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext'],
  ...['DescribeKey', 'CreateGrant'],
];

/**
 * Checks that instances can start whose volumes a customer's key encrypts: the profile's, or else the account's default
 * for volumes. Auto Scaling starts them with a role of its own, which the key's policy or a grant must admit. Otherwise
 * each ends at once, with Client.InternalError.
 */
export async function validateKey(place: AwsContext): Promise<readonly Finding[]> {
  const { profile } = place;
  const role = scalingRole(profile);
  try {
    const kmsKey = profile.kmsKey ?? (await readDefaultKey(place));
    return kmsKey === DEFAULT_ALIAS ? [] : await validateCustomerKey(place, kmsKey, role);
  } catch (error) {
    if (profile.kmsKey !== null || !isBatchctlError(error) || error.denied === undefined) throw error;
    const print = `aws ec2 get-ebs-default-kms-key-id --region ${profile.region}`;
    const fix = `${print} prints it; if it is a key of yours, have its owner run: ${grantCommand(profile, 'KEY', role)}`;
    return [warn(`it can't be checked which key encrypts volumes by default: ${error.message}`, fix)];
  }
}

/** AWS's own key for volumes. */
const DEFAULT_ALIAS = 'alias/aws/ebs';

/** The launch templates encrypt each volume: without a key of the profile, with this one. */
async function readDefaultKey(place: AwsContext): Promise<string> {
  const doing = { what: "read the account's default key for volumes", action: 'ec2:GetEbsDefaultKmsKeyId' };
  return callEc2(place, { ...doing, resource: '*' }, async (sdk, client) => {
    const { KmsKeyId } = await client.send(new sdk.GetEbsDefaultKmsKeyIdCommand({}));
    return KmsKeyId ?? DEFAULT_ALIAS;
  });
}

async function validateCustomerKey(place: AwsContext, kmsKey: string, role: string): Promise<readonly Finding[]> {
  const { profile } = place;
  const isDefault = profile.kmsKey === null;
  const shown = isDefault ? `${kmsKey}, the account's default for volumes in ${profile.region},` : kmsKey;
  const key = await readKey(place, kmsKey);
  if (key === null) {
    return [
      fail(`the key ${shown} does not exist`, isDefault ? chooseCommand(profile) : 'correct kmsKey of the profile'),
    ];
  }
  // AWS's own keys admit everyone who may use the service.
  if (key.KeyManager === 'AWS') return [];
  if (key.KeyState !== 'Enabled') {
    return [fail(`the key ${shown} is ${key.KeyState}`, `aws kms enable-key --key-id ${kmsKey}`)];
  }
  // Its policy and its grants can't be read by an alias.
  const id = key.Arn ?? kmsKey;
  const seen = await Promise.all([policyAdmits(place, id, role), grantAdmits(place, id, role)]);
  if (seen.includes('yes')) return [];
  const fix = grantCommand(profile, kmsKey, role);
  if (seen.includes('hidden')) {
    return [warn(`it can't be checked whether ${shown} allows Auto Scaling; otherwise no instance starts`, fix)];
  }
  return [fail(`the key ${shown} does not allow Auto Scaling's role, so no instance would start`, fix)];
}

const chooseCommand = ({ region }: AwsProfile): string =>
  `aws ec2 modify-ebs-default-kms-key-id --region ${region} --kms-key-id KEY chooses another; reset-ebs-default-kms-key-id, AWS's own`;

type KeyAccess = 'yes' | 'no' | 'hidden';

const scalingRole = ({ region, account }: AwsProfile): string =>
  `arn:${partitionOf(region)}:iam::${account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling`;

const grantCommand = ({ region }: AwsProfile, key: string, role: string): string =>
  `aws kms create-grant --region ${region} --key-id ${key} --grantee-principal ${role} --operations ${OPERATIONS.join(' ')}`;

async function readKey(place: AwsContext, KeyId: string) {
  return callAws(place, { what: `read the key ${KeyId}`, action: 'kms:DescribeKey', resource: 'key/*' }, async () => {
    const [sdk, client] = await loadKms(place);
    const found = await nullOnError(client.send(new sdk.DescribeKeyCommand({ KeyId })), 'NotFoundException');
    return found?.KeyMetadata ?? null;
  });
}

interface KeyStatement {
  readonly Effect?: string;
  readonly Principal?: '*' | { readonly AWS?: string | readonly string[] };
  readonly Action?: string | readonly string[];
}

/** A statement for the account's root admits the account's users by their policies, but no service role. */
async function policyAdmits(place: AwsContext, KeyId: string, role: string): Promise<KeyAccess> {
  return checkKeyAccess(async () => {
    const [sdk, client] = await loadKms(place);
    const { Policy = '{}' } = await client.send(new sdk.GetKeyPolicyCommand({ KeyId, PolicyName: 'default' }));
    const { Statement = [] }: { Statement?: KeyStatement | readonly KeyStatement[] } = JSON.parse(Policy);
    return [Statement].flat().some(({ Effect, Principal, Action }) => {
      const who = Principal === '*' ? ['*'] : [Principal?.AWS ?? []].flat();
      const what = [Action ?? []].flat();
      const admits = who.includes(role) || who.includes('*');
      return Effect === 'Allow' && admits && ['kms:CreateGrant', 'kms:*', '*'].some((action) => what.includes(action));
    });
  });
}

async function grantAdmits(place: AwsContext, KeyId: string, role: string): Promise<KeyAccess> {
  return checkKeyAccess(async () => {
    const [sdk, client] = await loadKms(place);
    for await (const { Grants = [] } of sdk.paginateListGrants({ client }, { KeyId })) {
      for (const { GranteePrincipal, Operations = [] } of Grants) {
        const operations: readonly string[] = Operations;
        const does = ['CreateGrant', 'Decrypt', 'GenerateDataKeyWithoutPlaintext'];
        if (GranteePrincipal === role && does.every((one) => operations.includes(one))) return true;
      }
    }
    return false;
  });
}

/** Another account's key shows neither its policy nor its grants (KMS: GetKeyPolicy, cross-account use). */
async function checkKeyAccess(look: () => Promise<boolean>): Promise<KeyAccess> {
  try {
    return (await look()) ? 'yes' : 'no';
  } catch (error) {
    if (error instanceof Error && /AccessDenied|NotFound/.test(error.name)) return 'hidden';
    throw error;
  }
}

const loadKms = ({ clients }: AwsContext) => Promise.all([import('@aws-sdk/client-kms'), clients.kms()]);
