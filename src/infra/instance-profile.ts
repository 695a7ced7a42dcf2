import type { InstanceProfile } from '@aws-sdk/client-iam';
import type { AwsClients } from '../adapters/aws/clients.ts';
import { nullOnError } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { BatchctlError, isKind } from '../errors.ts';
import { roleName } from '../lib/stack-names.ts';
import { type AwsContext, callEc2, collectPages, describeAlive, retryUntilConsistent } from './call-aws.ts';
import { IamAccess } from './iam.ts';
import { foreignOwner, unmarkedText } from './owner.ts';
import {
  inUse,
  type KeptReason,
  type RemovalOptions,
  type Resource,
  type ResourceState,
  stateFromDifferences,
} from './resource.ts';
import { missingRoleActions, RoleAccess } from './role.ts';
import { fromTagList, tagDifferences, tagsOf, toTagList } from './tags.ts';

/** The instance profile that gives instances their role: it holds exactly one (IAM: AddRoleToInstanceProfile). */
export class InstanceProfileResource implements Resource {
  readonly part = 'iam';
  readonly kind = 'profile';
  readonly name: string;
  readonly #who: 'worker' | 'manager';
  readonly #profile: AwsProfile;
  readonly #clients: AwsClients;
  readonly #iam: IamAccess;

  constructor(who: 'worker' | 'manager', profile: AwsProfile, clients: AwsClients) {
    this.name = roleName(profile.stack, who);
    this.#who = who;
    this.#profile = profile;
    this.#clients = clients;
    this.#iam = new IamAccess(clients, { kind: 'profile', name: this.name });
  }

  async look(): Promise<ResourceState> {
    return this.#iam.translated('look at', 'iam:GetInstanceProfile', async () => {
      const found = await readInstanceProfile(this.#iam, this.name);
      if (found === null) return { state: 'absent' };
      await this.#requireOurs(found);
      if (isUntagged(found)) return { state: 'asItShould', notes: ['it has no tags: CloudFormation sets none'] };
      const held = found.Roles?.[0]?.RoleName ?? null;
      const differences = [
        ...(held === this.name ? [] : [`role ${held ?? 'none'} → ${this.name}`]),
        ...tagDifferences(fromTagList(found.Tags), tagsOf(this.#profile)),
      ];
      return stateFromDifferences(differences);
    });
  }

  async apply(): Promise<void> {
    await this.#iam.translated('make', 'iam:CreateInstanceProfile', async () => {
      const [sdk, client] = await this.#iam.open();
      const at = { InstanceProfileName: this.name };
      const Tags = toTagList(tagsOf(this.#profile));
      if ((await readInstanceProfile(this.#iam, this.name)) === null) {
        // Another `up` may have been faster.
        await nullOnError(client.send(new sdk.CreateInstanceProfileCommand({ ...at, Tags })), /^EntityAlreadyExists/);
      }
      const { InstanceProfile: found } = await retryUntilConsistent(() =>
        client.send(new sdk.GetInstanceProfileCommand(at)),
      );
      if (found !== undefined) await this.#requireOurs(found);
      if (tagDifferences(fromTagList(found?.Tags), tagsOf(this.#profile)).length > 0) {
        await retryUntilConsistent(() => client.send(new sdk.TagInstanceProfileCommand({ ...at, Tags })));
      }
      const held = found?.Roles?.[0]?.RoleName;
      if (held === this.name) return;
      if (held !== undefined) {
        await client.send(new sdk.RemoveRoleFromInstanceProfileCommand({ ...at, RoleName: held }));
      }
      const add = new sdk.AddRoleToInstanceProfileCommand({ ...at, RoleName: this.name });
      // It may have one already: another `up` was faster, or our own first try succeeded.
      await nullOnError(
        retryUntilConsistent(() => client.send(add)),
        /^LimitExceeded/,
      );
    });
  }

  /** Kept while anything else of the account starts instances with it. */
  async remove({ outcomeOf, note }: RemovalOptions): Promise<KeptReason | null> {
    return this.#iam.translated('remove', 'iam:DeleteInstanceProfile', async () => {
      const found = await readInstanceProfile(this.#iam, this.name);
      if (found === null) return null;
      const owner = await profileOwner(this.#who, this.#profile, this.#clients, found);
      if (owner !== null) return { why: owner };
      const users = await usersEverywhere({ profile: this.#profile, clients: this.#clients }, found, note);
      // One that was deleted just now may still be listed.
      const others = users.filter(
        ({ kind, name, region }) => region !== null || kind === 'instance' || outcomeOf(kind, name) !== 'removed',
      );
      if (others.length > 0) return inUse(others.map(userText));
      const [sdk, client] = await this.#iam.open();
      const at = { InstanceProfileName: this.name };
      for (const { RoleName } of found.Roles ?? []) {
        await this.#iam.nullIfMissing(client.send(new sdk.RemoveRoleFromInstanceProfileCommand({ ...at, RoleName })));
      }
      const gone = retryUntilConsistent(
        () => client.send(new sdk.DeleteInstanceProfileCommand(at)),
        ['DeleteConflict'],
      );
      await this.#iam.nullIfMissing(gone);
      return null;
    });
  }

  async #requireOurs(found: InstanceProfile): Promise<void> {
    const owner = await profileOwner(this.#who, this.#profile, this.#clients, found);
    if (owner !== null) throw this.#iam.ownerError(owner, this.#profile);
  }
}

/** An instance profile of another owner, by its name. It is inspected, and never changed or removed. */
export class GivenProfileResource implements Resource {
  readonly part = 'iam';
  readonly kind = 'profile';
  readonly name: string;
  readonly #who: 'worker' | 'manager';
  readonly #profile: AwsProfile;
  readonly #iam: IamAccess;

  constructor(name: string, who: 'worker' | 'manager', profile: AwsProfile, clients: AwsClients) {
    this.name = name;
    this.#who = who;
    this.#profile = profile;
    this.#iam = new IamAccess(clients, { kind: 'profile', name });
  }

  async look(): Promise<ResourceState> {
    return this.#iam.translated('look at', 'iam:GetInstanceProfile', async () => {
      const found = await readInstanceProfile(this.#iam, this.name);
      const field = `iam.${this.#who}Profile`;
      if (found === null) {
        throw new BatchctlError('notFound', `expected the instance profile ${this.name} (${field}), found none`, {
          hint: `correct ${field}, or omit it to let infra up create one`,
        });
      }
      const role = found.Roles?.[0]?.RoleName;
      if (role === undefined) {
        const fix = `aws iam add-role-to-instance-profile --instance-profile-name ${this.name} --role-name ROLE`;
        return { state: 'lacks', lacks: [{ what: 'it has no role', fix }] };
      }
      const lacks = await missingRoleActions(this.#iam, role, this.#who, this.#profile);
      return lacks.length === 0 ? { state: 'asItShould' } : { state: 'lacks', lacks };
    });
  }

  async apply(): Promise<void> {
    // It has another owner: what it lacks has been reported.
  }

  async remove(): Promise<KeptReason | null> {
    return null;
  }
}

/**
 * The owner of an instance profile; null if it is this home's. CloudFormation gives it no tag, and an earlier version no
 * home: then it belongs to the home whose role of the same name it holds.
 */
export async function profileOwner(
  who: 'worker' | 'manager',
  profile: AwsProfile,
  clients: AwsClients,
  found: InstanceProfile,
): Promise<string | null> {
  const access = new RoleAccess(who, profile, clients);
  const holdsNamesake = found.Roles?.[0]?.RoleName === found.InstanceProfileName;
  const ofRole = async (missing: string): Promise<string | null> => {
    const role = holdsNamesake ? await access.read() : null;
    return role === null ? missing : access.foreignOwner(role);
  };
  if (isUntagged(found) && holdsNamesake) return ofRole('was not made by batchctl');
  const isFormer = async () => (await ofRole(unmarkedText(profile))) === null;
  return foreignOwner({ profile, clients }, fromTagList(found.Tags), isFormer);
}

interface ProfileUser {
  readonly kind: 'launchTemplate' | 'instance';
  readonly name: string;
  /** Null: the stack's own. */
  readonly region: string | null;
}

const WORDS: Readonly<Record<ProfileUser['kind'], string>> = {
  launchTemplate: 'the launch template',
  instance: 'the instance',
};

const userText = ({ kind, name, region }: ProfileUser): string =>
  `${WORDS[kind]} ${name}${region === null ? '' : ` in ${region}`}`;

/**
 * What names or has an instance profile, in all regions that the account may use. Regions in which the caller may not look,
 * most often because the account's policies deny the whole region, are passed over and noted.
 */
async function usersEverywhere(
  place: AwsContext,
  found: InstanceProfile,
  note: RemovalOptions['note'],
): Promise<readonly ProfileUser[]> {
  const { region: own } = place.profile;
  const unasked: string[] = [];
  const unlessDenied = async <T>(answer: Promise<T>, none: T, where: string): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      if (!isKind(error, 'credentials') || error.denied === undefined) throw error;
      unasked.push(where);
      return none;
    }
  };
  const doing = { what: "list the account's regions", action: 'ec2:DescribeRegions', resource: '*' };
  const listed = callEc2(place, doing, async (sdk, client) => {
    const { Regions = [] } = await client.send(new sdk.DescribeRegionsCommand({}));
    return Regions.flatMap(({ RegionName }) => RegionName ?? []);
  });
  const regions = (await unlessDenied(listed, [], 'all others')).filter((region) => region !== own);
  const users = await Promise.all([
    profileUsers(place, found, null),
    ...regions.map((region) => unlessDenied(profileUsers(place, found, region), [], region)),
  ]);
  if (unasked.length > 0) {
    const where = unasked.sort().join(', ');
    note(
      `could not ask who uses the instance profile ${found.InstanceProfileName} in these regions: ${where} (denied)`,
    );
  }
  return users.flat();
}

/**
 * The launch templates of a region whose newest or default version names an instance profile, and the instances that have
 * it. IAM knows neither. `other`: null for the profile's own region.
 */
async function profileUsers(
  place: AwsContext,
  { Arn = '', InstanceProfileName }: InstanceProfile,
  other: string | null,
): Promise<readonly ProfileUser[]> {
  const ask = (action: string, what: string) => ({
    what: `find ${what} with the instance profile ${InstanceProfileName}`,
    action: `ec2:${action}`,
    resource: '*',
    region: other ?? place.profile.region,
  });
  const [templates, instances] = await Promise.all([
    callEc2(place, ask('DescribeLaunchTemplateVersions', 'launch templates'), (sdk, client) => {
      const Versions = ['$Latest', '$Default'];
      const pages = sdk.paginateDescribeLaunchTemplateVersions({ client, pageSize: 200 }, { Versions });
      return collectPages(pages, (page) => page.LaunchTemplateVersions);
    }),
    callEc2(place, ask('DescribeInstances', 'instances'), (sdk, client) =>
      describeAlive(sdk, client, [{ Name: 'iam-instance-profile.arn', Values: [Arn] }]),
    ),
  ]);
  const names = templates.flatMap(({ LaunchTemplateName = '', LaunchTemplateData = {} }) => {
    const named = LaunchTemplateData.IamInstanceProfile;
    return named?.Name === InstanceProfileName || named?.Arn === Arn ? LaunchTemplateName : [];
  });
  const user = (kind: ProfileUser['kind'], name: string): ProfileUser => ({ kind, name, region: other });
  return [
    ...[...new Set(names)].sort().map((name) => user('launchTemplate', name)),
    ...instances.map(({ InstanceId = '' }) => user('instance', InstanceId)),
  ];
}

const isUntagged = ({ Tags = [] }: InstanceProfile): boolean => Tags.length === 0;

async function readInstanceProfile(iam: IamAccess, name: string): Promise<InstanceProfile | null> {
  const [{ GetInstanceProfileCommand }, client] = await iam.open();
  const asked = new GetInstanceProfileCommand({ InstanceProfileName: name });
  return (await iam.nullIfMissing(client.send(asked)))?.InstanceProfile ?? null;
}
