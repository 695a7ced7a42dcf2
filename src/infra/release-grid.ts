import { AwsClients } from '../adapters/aws/clients.ts';
import { readIdentity, requireAccount } from '../adapters/aws/identity.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { MANAGER_GROUP } from '../lib/stack-names.ts';
import { callAws } from './call-aws.ts';
import { gridResources, managerResources } from './grid.ts';
import { LaunchTemplateResource } from './launch-template.ts';
import type { Resource, ResourceState } from './resource.ts';
import type { BootRelease } from './user-data.ts';

/** A group before a release. `absent`: infra up has not made it yet. */
export interface GroupTemplateState {
  readonly group: string;
  readonly state: 'absent' | 'toPoint' | 'points';
  readonly changes: readonly string[];
}

/** The part of a grid that a release changes: the template of new instances. */
export class ReleaseGrid {
  readonly account: string;
  readonly #profile: AwsProfile;
  readonly #clients: AwsClients;
  readonly #resources: readonly Resource[];

  constructor(account: string, profile: AwsProfile, clients: AwsClients, release: () => Promise<BootRelease>) {
    this.account = account;
    this.#profile = profile;
    this.#clients = clients;
    const parts = { profile, clients, release };
    this.#resources = [...gridResources(parts), ...managerResources(parts)].filter(carriesRelease);
  }

  /** Each group, and the manager's if there is one. */
  get groups(): readonly string[] {
    return [...Object.keys(this.#profile.groups), ...(this.#profile.manager === null ? [] : [MANAGER_GROUP])];
  }

  async look(group: string): Promise<GroupTemplateState> {
    const found = await Promise.all(this.#of(group).map((resource) => resource.look()));
    if (found.some(({ state }) => state === 'absent')) return { group, state: 'absent', changes: [] };
    const changes = [...new Set(found.flatMap(changesOf))];
    return { group, state: changes.length > 0 ? 'toPoint' : 'points', changes };
  }

  /** Makes a new version of the group's template, if it differs, and has the group use it. Safe to repeat. */
  async applyRelease(group: string): Promise<void> {
    for (const resource of this.#of(group)) await resource.apply();
  }

  /** The template version of a group's new instances; null until there is one. */
  async version(group: string): Promise<string | null> {
    const template = this.#of(group).find((resource) => resource instanceof LaunchTemplateResource);
    return (await template?.newestVersion())?.version ?? null;
  }

  /** Ends an instance through its group, which starts another. An instance that is already ending counts as ended. */
  async endInstance(instance: string): Promise<void> {
    const [sdk, client] = await Promise.all([import('@aws-sdk/client-auto-scaling'), this.#clients.autoScaling()]);
    const ask = { InstanceId: instance, ShouldDecrementDesiredCapacity: false };
    const action = 'autoscaling:TerminateInstanceInAutoScalingGroup';
    const doing = { what: `end the instance ${instance}`, action, resource: 'autoScalingGroup:*' };
    await callAws({ profile: this.#profile, clients: this.#clients }, doing, async () => {
      try {
        await client.send(new sdk.TerminateInstanceInAutoScalingGroupCommand(ask));
      } catch (error) {
        // It no longer exists, or is ending (Auto Scaling gives the same answer).
        if (!(error instanceof Error) || !/^(ValidationError|ScalingActivityInProgress)/.test(error.name)) throw error;
      }
    });
  }

  close(): Promise<void> {
    return this.#clients.close();
  }

  #of(group: string): readonly Resource[] {
    return this.#resources.filter((resource) => (resource.group ?? MANAGER_GROUP) === group);
  }
}

/**
 * Opens the grid, after checking the account. Throws `config` for another account than the profile's, `credentials`,
 * `unavailable`.
 */
export async function openReleaseGrid(profile: AwsProfile, release: () => Promise<BootRelease>): Promise<ReleaseGrid> {
  const { region, endpoints, aws } = profile;
  const clients = new AwsClients({ region, endpoints, profile: aws.profile, account: profile.account });
  try {
    await requireAccount(clients);
    const account = profile.account ?? (await readIdentity(clients)).account;
    return new ReleaseGrid(account, { ...profile, account }, clients, release);
  } catch (error) {
    await clients.close();
    throw error;
  }
}

const carriesRelease = ({ kind }: Resource): boolean => kind === 'launchTemplate' || kind === 'group';

function changesOf(found: ResourceState): readonly string[] {
  return found.state === 'differs' ? [...found.differences, ...(found.newer ?? [])] : [];
}
