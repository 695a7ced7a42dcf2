import type * as sdk from '@aws-sdk/client-iam';
import type { IAMClient, Role } from '@aws-sdk/client-iam';
import type { AwsClients } from '../adapters/aws/clients.ts';
import { nullOnError } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { roleName } from '../lib/stack-names.ts';
import { collectPages, retryUntilConsistent } from './call-aws.ts';
import { IamAccess } from './iam.ts';
import { foreignOwner, lastingTags, namesHome, ROLE_POLICY } from './owner.ts';
import { policyFor, ROLE_LIMIT } from './policies.ts';
import { ec2Service, type PolicyDocument, type RoleStatement, statementsOf } from './policy.ts';
import {
  inUse,
  type KeptReason,
  type MissingItem,
  type RemovalOptions,
  type Resource,
  type ResourceState,
  stateFromDifferences,
} from './resource.ts';
import { fromTagList, tagDifferences, tagsOf, toTagList } from './tags.ts';

interface RolePlan {
  readonly name: string;
  readonly description: string;
  /** The trust policy: who may assume it. */
  readonly trust: unknown;
  /** Its only inline policy. */
  readonly policy: { readonly name: string; readonly document: PolicyDocument };
  /** The permissions boundary; null without one. */
  readonly boundary: string | null;
}

/** Throws `config` if IAM would not accept its policy. */
export function rolePlan(who: 'worker' | 'manager', profile: AwsProfile): RolePlan {
  const { stack, region, iam } = profile;
  const name = roleName(stack, who);
  const Principal = { Service: ec2Service(region) };
  return {
    name,
    description: `batchctl: the ${who === 'worker' ? 'workers' : 'manager'} of the stack ${stack}`,
    trust: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal, Action: 'sts:AssumeRole' }] },
    policy: { name: ROLE_POLICY, document: requirePolicySize(name, policyFor(who, profile)) },
    boundary: iam.permissionsBoundary,
  };
}

function requirePolicySize(role: string, policy: PolicyDocument): PolicyDocument {
  const { length } = JSON.stringify(policy);
  if (length <= ROLE_LIMIT) return policy;
  throw new BatchctlError(
    'config',
    `the policy of ${role} has ${length} characters, but IAM allows ${ROLE_LIMIT} for a role`,
    {
      hint: 'use fewer entries in read, write and secrets of the groups, such as common prefixes; or split the groups between two stacks',
    },
  );
}

/** The role of the workers, or of the manager: exactly their policy, under the boundary if there is one. */
export class RoleResource implements Resource {
  readonly part = 'iam';
  readonly kind = 'role';
  readonly name: string;
  readonly #who: 'worker' | 'manager';
  readonly #profile: AwsProfile;
  readonly #iam: IamAccess;
  readonly #access: RoleAccess;

  constructor(who: 'worker' | 'manager', profile: AwsProfile, clients: AwsClients) {
    this.name = roleName(profile.stack, who);
    this.#who = who;
    this.#profile = profile;
    this.#access = new RoleAccess(who, profile, clients);
    this.#iam = new IamAccess(clients, { kind: 'role', name: this.name });
  }

  async look(): Promise<ResourceState> {
    const { trust, policy } = this.#plan();
    return this.#iam.translated('look at', 'iam:GetRole', async () => {
      const role = await this.#role();
      if (role === null) return { state: 'absent' };
      await this.#requireOurs(role);
      const differences = [
        ...(sameJson(role.AssumeRolePolicyDocument, trust) ? [] : ['its trust policy']),
        ...this.#boundaryDifference(role),
        ...(sameJson(await this.#readPolicy(), policy.document) ? [] : ['its policy']),
        ...tagDifferences(fromTagList(role.Tags), lastingTags(this.#profile, fromTagList(role.Tags))),
      ];
      return stateFromDifferences(differences);
    });
  }

  async apply(): Promise<void> {
    const plan = this.#plan();
    const { trust, policy } = plan;
    await this.#iam.translated('make', 'iam:CreateRole', async () => {
      const [commands, client] = await this.#iam.open();
      const at = { RoleName: this.name };
      const role = (await this.#role()) ?? (await this.#create(commands, client, plan));
      await this.#requireOurs(role);
      if (!sameJson(role.AssumeRolePolicyDocument, trust)) {
        const PolicyDocument = JSON.stringify(trust);
        await client.send(new commands.UpdateAssumeRolePolicyCommand({ ...at, PolicyDocument }));
      }
      if (this.#boundaryDifference(role).length > 0) {
        const PermissionsBoundary = this.#profile.iam.permissionsBoundary ?? undefined;
        await client.send(new commands.PutRolePermissionsBoundaryCommand({ ...at, PermissionsBoundary }));
      }
      const tags = lastingTags(this.#profile, fromTagList(role.Tags));
      if (tagDifferences(fromTagList(role.Tags), tags).length > 0) {
        await client.send(new commands.TagRoleCommand({ ...at, Tags: toTagList(tags) }));
      }
      if (sameJson(await this.#readPolicy(), policy.document)) return;
      const put = { ...at, PolicyName: policy.name, PolicyDocument: JSON.stringify(policy.document) };
      await retryUntilConsistent(() => client.send(new commands.PutRolePolicyCommand(put)));
    });
  }

  /**
   * Kept while an instance profile has it. Otherwise also removes what others attached: IAM deletes only an empty role
   * (IAM: DeleteRole).
   */
  async remove({ outcomeOf }: RemovalOptions): Promise<KeptReason | null> {
    return this.#iam.translated('remove', 'iam:DeleteRole', async () => {
      const role = await this.#role();
      if (role === null) return null;
      const owner = await this.#access.foreignOwner(role);
      if (owner !== null) return { why: owner };
      const [commands, client] = await this.#iam.open();
      const at = { RoleName: this.name };
      const pages = commands.paginateListInstanceProfilesForRole({ client }, at);
      const holders = await collectPages(pages, ({ InstanceProfiles = [] }) =>
        InstanceProfiles.flatMap(({ InstanceProfileName = '' }) => InstanceProfileName),
      );
      // Its own profile was handled before, and may still be listed after it was deleted.
      const kept = holders.filter((name) => name !== this.name || outcomeOf('profile', name) === 'kept');
      if (kept.length > 0) return inUse(kept.sort().map((name) => `the instance profile ${name}`));
      const attached = commands.paginateListAttachedRolePolicies({ client }, at);
      for await (const { AttachedPolicies = [] } of attached) {
        for (const { PolicyArn } of AttachedPolicies) {
          await this.#iam.nullIfMissing(client.send(new commands.DetachRolePolicyCommand({ ...at, PolicyArn })));
        }
      }
      for await (const { PolicyNames = [] } of commands.paginateListRolePolicies({ client }, at)) {
        for (const PolicyName of PolicyNames) {
          await this.#iam.nullIfMissing(client.send(new commands.DeleteRolePolicyCommand({ ...at, PolicyName })));
        }
      }
      await this.#iam.nullIfMissing(
        retryUntilConsistent(() => client.send(new commands.DeleteRoleCommand(at)), ['DeleteConflict']),
      );
      return null;
    });
  }

  #plan(): RolePlan {
    return rolePlan(this.#who, this.#profile);
  }

  async #create(commands: typeof sdk, client: IAMClient, plan: RolePlan): Promise<Role> {
    const asked = new commands.CreateRoleCommand({
      RoleName: this.name,
      AssumeRolePolicyDocument: JSON.stringify(plan.trust),
      Description: plan.description,
      Tags: toTagList(tagsOf(this.#profile)),
      ...(plan.boundary !== null && { PermissionsBoundary: plan.boundary }),
    });
    // Another `up` may have been faster. The answer sometimes omits tags and boundary.
    await nullOnError(client.send(asked), /^EntityAlreadyExists/);
    return await retryUntilConsistent(async () => {
      const { Role: made } = await client.send(new commands.GetRoleCommand({ RoleName: this.name }));
      if (made === undefined) throw new Error('IAM returned no role');
      return made;
    });
  }

  /** A boundary that the profile doesn't name is kept: removing it is up to the person who set it. */
  #boundaryDifference({ PermissionsBoundary: found }: Role): readonly string[] {
    const wanted = this.#profile.iam.permissionsBoundary;
    const is = found?.PermissionsBoundaryArn ?? null;
    return wanted === null || is === wanted ? [] : [`permissions boundary ${is ?? 'none'} → ${wanted}`];
  }

  #role(): Promise<Role | null> {
    return this.#access.read();
  }

  #readPolicy(): Promise<string | undefined> {
    return this.#access.readPolicy();
  }

  async #requireOurs(role: Role): Promise<void> {
    const owner = await this.#access.foreignOwner(role);
    if (owner !== null) throw this.#iam.ownerError(owner, this.#profile);
  }
}

/** Reads a stack's role, and finds out whose it is: IAM has no regions, so two regions' stacks have the same names. */
export class RoleAccess {
  readonly #who: 'worker' | 'manager';
  readonly #profile: AwsProfile;
  readonly #clients: AwsClients;
  readonly #iam: IamAccess;

  constructor(who: 'worker' | 'manager', profile: AwsProfile, clients: AwsClients) {
    this.#who = who;
    this.#profile = profile;
    this.#clients = clients;
    this.#iam = new IamAccess(clients, { kind: 'role', name: this.#name });
  }

  async read(): Promise<Role | null> {
    const [{ GetRoleCommand }, client] = await this.#iam.open();
    return (await this.#iam.nullIfMissing(client.send(new GetRoleCommand({ RoleName: this.#name }))))?.Role ?? null;
  }

  async readPolicy(): Promise<string | undefined> {
    const [{ GetRolePolicyCommand }, client] = await this.#iam.open();
    const asked = new GetRolePolicyCommand({ RoleName: this.#name, PolicyName: ROLE_POLICY });
    return (await this.#iam.nullIfMissing(client.send(asked)))?.PolicyDocument;
  }

  /** Null if it is this home's: a role of an earlier version, if its policy names the home. */
  foreignOwner({ Tags }: Role): Promise<string | null> {
    const isFormer = async () => namesHome(await this.readPolicy(), this.#who, this.#profile);
    return foreignOwner({ profile: this.#profile, clients: this.#clients }, fromTagList(Tags), isFormer);
  }

  get #name(): string {
    return roleName(this.#profile.stack, this.#who);
  }
}

/** Whether IAM's document, percent-encoded (IAM: GetRole, GetRolePolicy), has the same content as ours. */
function sameJson(found: string | undefined, wanted: unknown): boolean {
  if (found === undefined) return false;
  return JSON.stringify(sorted(JSON.parse(decodeURIComponent(found)))) === JSON.stringify(sorted(wanted));
}

/** Sorts fields by name; IAM keeps the order of lists. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(fields.map(([name, field]) => [name, sorted(field)]));
}

/**
 * Needed actions that no policy of a given role allows, as far as its policies can be read; resources aren't checked.
 * Empty if reading is denied: then its owner is trusted.
 */
export async function missingRoleActions(
  iam: IamAccess,
  role: string,
  who: 'worker' | 'manager',
  profile: AwsProfile,
): Promise<readonly MissingItem[]> {
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
  const missing = missingActions(documents, who, profile);
  if (missing.length === 0) return [];
  const fix = `batchctl infra policies --for ${who} --profile ${profile.name} prints the policy to attach to the role`;
  return [{ what: `its role ${role} does not allow ${missing.join(', ')}`, fix }];
}

/** Needed actions that the policies, or a permissions boundary, don't allow; resources aren't checked. */
export function missingActions(
  documents: readonly string[],
  who: 'worker' | 'manager',
  profile: AwsProfile,
): readonly string[] {
  const statements = documents.flatMap(statementsOf);
  // NotAction can't be compared with a list of actions.
  if (statements.some(({ NotAction }) => NotAction !== undefined)) return [];
  const patterns = (of: readonly RoleStatement[]) => of.flatMap(({ Action = [] }) => Action);
  const allowed = patterns(statements.filter(({ Effect }) => Effect === 'Allow'));
  const denied = patterns(
    statements.filter(
      ({ Effect, Resource = [], Condition }) =>
        Effect === 'Deny' && Condition === undefined && [Resource].flat().includes('*'),
    ),
  );
  const isIn = (list: readonly string[], action: string): boolean =>
    list.some((pattern) => matchesAction(pattern, action));
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

/** Actions are case-insensitive, with `*` and `?` as wildcards. */
function matchesAction(pattern: string, action: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'i').test(action);
}
