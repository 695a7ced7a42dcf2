import { ScalingRequests } from '../adapters/aws/auto-scaling.ts';
import { nullOnError } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { gridName, MANAGER_GROUP } from '../lib/stack-names.ts';
import { type AwsContext, callAws, loadAutoScaling, openAccount } from './call-aws.ts';
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
  readonly #place: AwsContext;
  readonly #resources: readonly Resource[];

  constructor({ account, ...place }: AwsContext & { readonly account: string }, release: () => Promise<BootRelease>) {
    this.account = account;
    this.#place = place;
    const parts = { ...place, release };
    this.#resources = [...gridResources(parts), ...managerResources(parts)].filter(carriesRelease);
  }

  /** Each group, and the manager's if there is one. */
  get groups(): readonly string[] {
    const { groups, manager } = this.#place.profile;
    return [...Object.keys(groups), ...(manager === null ? [] : [MANAGER_GROUP])];
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

  /** The number of a worker group's instances that stay, and have another version of its template. */
  async countOldInstances(group: string, version: string | null): Promise<number> {
    const { profile, clients } = this.#place;
    const found = await new ScalingRequests(clients, gridName(profile.stack, group)).read();
    const stay = found?.Instances?.filter(({ LifecycleState = '' }) => !LifecycleState.startsWith('Terminat')) ?? [];
    return stay.filter(({ LaunchTemplate }) => (LaunchTemplate?.Version ?? null) !== version).length;
  }

  /** Ends an instance through its group, which starts another. An instance that is already ending counts as ended. */
  async endInstance(instance: string): Promise<void> {
    const [sdk, client] = await loadAutoScaling(this.#place);
    const ask = { InstanceId: instance, ShouldDecrementDesiredCapacity: false };
    const action = 'autoscaling:TerminateInstanceInAutoScalingGroup';
    const doing = { what: `end the instance ${instance}`, action, resource: 'autoScalingGroup:*' };
    await callAws(this.#place, doing, () => {
      const answer = client.send(new sdk.TerminateInstanceInAutoScalingGroupCommand(ask));
      // It no longer exists, or is ending (Auto Scaling gives the same answer).
      return nullOnError(answer, /^(ValidationError|ScalingActivityInProgress)/);
    });
  }

  close(): Promise<void> {
    return this.#place.clients.close();
  }

  #of(group: string): readonly Resource[] {
    return this.#resources.filter((resource) => (resource.group ?? MANAGER_GROUP) === group);
  }
}

/** Opens the grid, after checking the account. Throws the errors of `openAccount`. */
export const openReleaseGrid = async (profile: AwsProfile, release: () => Promise<BootRelease>): Promise<ReleaseGrid> =>
  new ReleaseGrid(await openAccount(profile), release);

const carriesRelease = ({ kind }: Resource): boolean => kind === 'launchTemplate' || kind === 'group';

function changesOf(found: ResourceState): readonly string[] {
  return found.state === 'differs' ? [...found.differences, ...(found.newer ?? [])] : [];
}
