import type * as sdk from '@aws-sdk/client-iam';
import type { IAMClient } from '@aws-sdk/client-iam';
import type { AwsProfile } from '../config.ts';
import type { Iam } from './iam.ts';
import { policyFor } from './policies.ts';
import type { Lack } from './resource.ts';

interface Allowed {
  readonly Effect?: string;
  readonly Action?: string | readonly string[];
  readonly NotAction?: unknown;
  readonly Resource?: string | readonly string[];
  readonly Condition?: unknown;
}

/**
 * Which actions no policy of a given role allows, as far as its policies may be read; on what, isn't judged. Nothing
 * where they may not be: somebody else's role is their word.
 */
export async function roleLacks(
  iam: Iam,
  role: string,
  who: 'worker' | 'manager',
  profile: AwsProfile,
): Promise<readonly Lack[]> {
  const [commands, client] = await iam.open();
  let documents: readonly string[];
  try {
    documents = [
      ...(await inlinePolicies(commands, client, role)),
      ...(await attachedPolicies(commands, client, role)),
    ];
  } catch (error) {
    if (error instanceof Error && /^(AccessDenied|NoSuchEntity)/.test(error.name)) return [];
    throw error;
  }
  const missing = missingFrom(documents, who, profile);
  if (missing.length === 0) return [];
  const mend = `batchctl infra policies --for ${who} --profile ${profile.name} prints the policy to attach to the role`;
  return [{ what: `its role ${role} does not allow ${missing.join(', ')}`, mend }];
}

/** Which actions that a role needs policies don't allow, or a permissions boundary; on what, isn't judged. */
export function missingFrom(
  documents: readonly string[],
  who: 'worker' | 'manager',
  profile: AwsProfile,
): readonly string[] {
  const statements = documents.flatMap(statementsOf);
  // What is allowed by its opposite can't be told from a list.
  if (statements.some(({ NotAction }) => NotAction !== undefined)) return [];
  const patterns = (of: readonly Allowed[]) => of.flatMap(({ Action = [] }) => Action);
  const allowed = patterns(statements.filter(({ Effect }) => Effect === 'Allow'));
  const denied = patterns(
    statements.filter(
      ({ Effect, Resource = [], Condition }) =>
        Effect === 'Deny' && Condition === undefined && [Resource].flat().includes('*'),
    ),
  );
  const isIn = (list: readonly string[], action: string): boolean => list.some((pattern) => covers(pattern, action));
  const needed = new Set(policyFor(who, profile).Statement.flatMap(({ Action }) => Action));
  return [...needed].filter((action) => !isIn(allowed, action) || isIn(denied, action));
}

async function inlinePolicies(commands: typeof sdk, client: IAMClient, RoleName: string): Promise<string[]> {
  const documents: string[] = [];
  for await (const { PolicyNames = [] } of commands.paginateListRolePolicies({ client }, { RoleName })) {
    for (const PolicyName of PolicyNames) {
      const { PolicyDocument = '' } = await client.send(new commands.GetRolePolicyCommand({ RoleName, PolicyName }));
      documents.push(PolicyDocument);
    }
  }
  return documents;
}

async function attachedPolicies(commands: typeof sdk, client: IAMClient, RoleName: string): Promise<string[]> {
  const documents: string[] = [];
  for await (const { AttachedPolicies = [] } of commands.paginateListAttachedRolePolicies({ client }, { RoleName })) {
    for (const { PolicyArn } of AttachedPolicies) {
      const { Policy } = await client.send(new commands.GetPolicyCommand({ PolicyArn }));
      const VersionId = Policy?.DefaultVersionId;
      const asked = new commands.GetPolicyVersionCommand({ PolicyArn, VersionId });
      const { PolicyVersion } = await client.send(asked);
      documents.push(PolicyVersion?.Document ?? '');
    }
  }
  return documents;
}

/** A document comes percent-encoded (IAM: GetRolePolicy), and may hold one statement or several. */
function statementsOf(document: string): readonly Allowed[] {
  const { Statement: found = [] }: { Statement?: Allowed | readonly Allowed[] } = JSON.parse(
    decodeURIComponent(document) || '{}',
  );
  return Array.isArray(found) ? found : [found as Allowed];
}

/** Actions know no case, and `*` and `?` as patterns do. */
function covers(pattern: string, action: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'i').test(action);
}
