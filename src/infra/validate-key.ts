import { nullOnError } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { partitionOf } from '../lib/stack-names.ts';
import { type AwsContext, callAws } from './call-aws.ts';
import { type Finding, failing, warning } from './finding.ts';

/** Auto Scaling's operations on the key of encrypted volumes (ASG: key-policy-requirements-EBS-encryption). */
const OPERATIONS = [
  ...['Encrypt', 'Decrypt', 'ReEncryptFrom', 'ReEncryptTo', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext'],
  ...['DescribeKey', 'CreateGrant'],
];

/**
 * Checks that instances whose volumes the profile's key encrypts can start. Auto Scaling starts them with a role of its
 * own, which the key's policy or a grant must admit. Otherwise each ends at once, with Client.InternalError.
 */
export async function validateKey(place: AwsContext): Promise<readonly Finding[]> {
  const { kmsKey } = place.profile;
  if (kmsKey === null) return [];
  const key = await readKey(place, kmsKey);
  if (key === null) return [failing(`the key ${kmsKey} does not exist`, 'correct kmsKey of the profile')];
  // AWS's own keys admit everyone who may use the service.
  if (key.KeyManager === 'AWS') return [];
  if (key.KeyState !== 'Enabled') {
    return [failing(`the key ${kmsKey} is ${key.KeyState}`, `aws kms enable-key --key-id ${kmsKey}`)];
  }
  const role = scalingRole(place.profile);
  const seen = await Promise.all([policyAdmits(place, kmsKey, role), grantAdmits(place, kmsKey, role)]);
  if (seen.includes('yes')) return [];
  const fix = grantCommand(place.profile, kmsKey, role);
  if (seen.includes('hidden')) {
    return [warning(`it can't be checked whether ${kmsKey} allows Auto Scaling; otherwise no instance starts`, fix)];
  }
  return [failing(`the key ${kmsKey} does not allow Auto Scaling's role, so no instance would start`, fix)];
}

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
