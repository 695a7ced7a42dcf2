import type * as sdk from '@aws-sdk/client-auto-scaling';
import type { AutoScalingClient, AutoScalingGroup, LifecycleHook } from '@aws-sdk/client-auto-scaling';
import { nullOnError } from '../adapters/aws/errors.ts';
import { BatchctlError } from '../errors.ts';
import { BOUNDS_TAG, gridName, STAND_IN_TAG } from '../lib/stack-names.ts';
import { formatMany } from '../lib/units.ts';
import { type AwsContext, callAws, loadAutoScaling, retryUntilConsistent } from './call-aws.ts';
import type { LaunchTemplateResource } from './launch-template.ts';
import { foreignOwner, requireOurs } from './owner.ts';
import type { KeptReason, RemovalOptions, Resource, ResourceState } from './resource.ts';
import type { MachineGroup } from './scaling-request.ts';
import {
  boundsText,
  chooseBounds,
  drainHook,
  type GroupPlan,
  groupDifferences,
  groupFields,
  groupRequest,
  groupTagList,
  hookDifferences,
  isRebalancing,
  METRICS,
  namedVersion,
  suspendedByOthers,
  suspendRequest,
} from './scaling-request.ts';
import { fromTagList, groupTags, tagDifferences } from './tags.ts';

const STILL_THERE = 'StillThere';

interface ScalingGroupParts
  extends Pick<MachineGroup, 'part' | 'group' | 'instances' | 'spot' | 'onDemandBase' | 'drains' | 'min' | 'max'> {
  readonly template: LaunchTemplateResource;
  readonly subnets: () => Promise<readonly string[]>;
}

/** A worker group's Auto Scaling group. Its size belongs to operators, workers and keepers: `up` never lowers it. */
export class ScalingGroupResource implements Resource {
  readonly part: 'grid' | 'manager';
  readonly kind = 'group';
  readonly name: string;
  readonly group?: string;
  readonly #parts: ScalingGroupParts;
  readonly #place: AwsContext;
  readonly #access: GroupAccess;

  constructor(place: AwsContext, parts: ScalingGroupParts) {
    this.part = parts.part;
    this.name = gridName(place.profile.stack, parts.group);
    if (parts.part === 'grid') this.group = parts.group;
    this.#parts = parts;
    this.#place = place;
    this.#access = new GroupAccess(place, this.name);
  }

  async look(): Promise<ResourceState> {
    const group = await this.#access.find();
    if (group === null || isBeingDeleted(group)) return { state: 'absent' };
    await this.#requireOurs(group);
    const newest = await this.#parts.template.newestVersion();
    const { bounds, note } = this.#bounds(group);
    const hooks = await this.#access.hooks();
    const template = await this.#templateDrift(group, newest);
    const differences = [
      ...template.differences,
      ...groupDifferences(group, groupFields(await this.#plan(newest ?? { id: '', version: '' }, group), bounds)),
      ...(this.#parts.drains ? hookDifferences(hooks, this.name) : []),
      ...(isRebalancing(group) ? ['zones are rebalanced'] : []),
      ...(hasMetrics(group) ? [] : ['metrics are not collected']),
      ...this.#tagDrift(group),
    ];
    if (differences.length + template.newer.length > 0) {
      return { state: 'differs', differences, newer: template.newer };
    }
    const suspended = suspendedByOthers(group).map((process) => `${process} is suspended`);
    const standIn = this.#base(group).note;
    const notes = [...(note === null ? [] : [note]), ...(standIn === null ? [] : [standIn]), ...suspended];
    return { state: 'asItShould', ...(notes.length > 0 && { notes }) };
  }

  async apply(): Promise<void> {
    const newest = await this.#parts.template.newestVersion();
    if (newest === null) {
      const hint = 'batchctl infra up creates it first';
      throw new BatchctlError('notFound', `the launch template of ${this.name} does not exist`, { hint });
    }
    const group = (await this.#findUsable()) ?? (await this.#create(await this.#plan(newest, null)));
    await this.#requireOurs(group);
    const plan = await this.#plan(newest, group);
    const { bounds } = this.#bounds(group);
    const fields = groupFields(plan, bounds);
    const pointed = namedVersion(group, newest.id) === newest.version;
    if (!pointed || groupDifferences(group, fields).length > 0) {
      await this.#access.send('change', 'UpdateAutoScalingGroup', (client, sdk) =>
        client.send(new sdk.UpdateAutoScalingGroupCommand(fields)),
      );
    }
    if (this.#parts.drains && hookDifferences(await this.#access.hooks(), this.name).length > 0) {
      const hook = drainHook(this.name);
      await this.#access.send('put a hook on', 'PutLifecycleHook', (client, sdk) =>
        client.send(new sdk.PutLifecycleHookCommand(hook)),
      );
    }
    if (isRebalancing(group)) {
      const suspend = suspendRequest(this.name);
      await this.#access.send('set', 'SuspendProcesses', (client, sdk) =>
        client.send(new sdk.SuspendProcessesCommand(suspend)),
      );
    }
    if (!hasMetrics(group)) {
      const metrics = { AutoScalingGroupName: this.name, ...METRICS };
      const action = 'EnableMetricsCollection';
      await this.#access.send('enable metrics of', action, (client, sdk) =>
        client.send(new sdk.EnableMetricsCollectionCommand(metrics)),
      );
    }
    // Last: the tag says that the bounds are set.
    if (this.#tagDrift(group).length > 0) {
      const Tags = [...groupTagList(this.name, this.#propagated(), this.#boundsTag(group))];
      await this.#access.send('tag', 'CreateOrUpdateTags', (client, sdk) =>
        client.send(new sdk.CreateOrUpdateTagsCommand({ Tags })),
      );
    }
    await this.#parts.template.deleteOldVersions(newest.version);
  }

  async remove({ force }: RemovalOptions): Promise<KeptReason | null> {
    const group = await this.#access.find();
    if (group === null) return null;
    const owner = await foreignOwner(this.#place, fromTagList(group.Tags));
    if (owner !== null) return { why: owner };
    const left = isBeingDeleted(group) ? null : await this.#delete(group, force);
    if (left === null) await this.#waitUntilDeleted();
    return left;
  }

  async #delete(group: AutoScalingGroup, ForceDelete: boolean): Promise<KeptReason | null> {
    const asked = { AutoScalingGroupName: this.name, ForceDelete };
    try {
      await this.#access.send('delete', 'DeleteAutoScalingGroup', (client, sdk) =>
        client.send(new sdk.DeleteAutoScalingGroupCommand(asked)),
      );
      return null;
    } catch (error) {
      const { cause } = error instanceof Error ? error : { cause: null };
      const name = cause instanceof Error ? cause.name : '';
      if (!name.startsWith('ResourceInUse')) throw error;
      const held = group.Instances?.length ?? 0;
      return { why: `it has ${formatMany(held, 'instance')}` };
    }
  }

  /** Its instances go first, which takes a minute or two (Auto Scaling: DeleteAutoScalingGroup). */
  async #waitUntilDeleted(): Promise<void> {
    try {
      await retryUntilConsistent(async () => {
        if ((await this.#access.find()) === null) return;
        throw Object.assign(new Error('still exists'), { name: STILL_THERE });
      }, [STILL_THERE]);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== STILL_THERE) throw error;
      throw new BatchctlError('notFinished', `the Auto Scaling group ${this.name} is still being deleted`, {
        hint: 'run the same command again to continue',
      });
    }
  }

  /** Waits if a group of the same name is being deleted. */
  async #findUsable(): Promise<AutoScalingGroup | null> {
    const group = await this.#access.find();
    if (group === null || !isBeingDeleted(group)) return group;
    await this.#waitUntilDeleted();
    return null;
  }

  async #create(plan: GroupPlan): Promise<AutoScalingGroup> {
    const asked = groupRequest(plan, this.#parts, this.#propagated());
    await this.#access.send('make', 'CreateAutoScalingGroup', async (client, sdk) => {
      // It may exist from our own first try, whose answer was lost, or from another `up`.
      const answer = client.send(new sdk.CreateAutoScalingGroupCommand(asked));
      await nullOnError(answer, 'AlreadyExistsFault', 'AlreadyExists');
    });
    return retryUntilConsistent(async () => {
      const made = await this.#access.find();
      if (made !== null) return made;
      throw Object.assign(new Error(`the Auto Scaling group ${this.name} was created, but does not exist`), {
        name: STILL_THERE,
      });
    }, [STILL_THERE]);
  }

  async #templateDrift(
    group: AutoScalingGroup,
    newest: { readonly id: string; readonly version: string } | null,
  ): Promise<{ readonly differences: readonly string[]; readonly newer: readonly string[] }> {
    const named = newest === null ? null : namedVersion(group, newest.id);
    const change = (to: string): string => `launch template's version ${named ?? 'none'} → ${to}`;
    const template = await this.#parts.template.look();
    if (template.state === 'asItShould') {
      const version = newest?.version ?? '';
      return { differences: named === version ? [] : [change(version)], newer: [] };
    }
    const moved = template.state === 'differs' && template.differences.length === 0 && named === newest?.version;
    return moved ? { differences: [], newer: [change('the next')] } : { differences: [change('the next')], newer: [] };
  }

  /** `found`: the group as it is; null if it is to be created. */
  async #plan(
    template: { readonly id: string; readonly version: string },
    found: AutoScalingGroup | null,
  ): Promise<GroupPlan> {
    const { instances, spot, drains, subnets } = this.#parts;
    const onDemandBase = found === null ? this.#parts.onDemandBase : this.#base(found).base;
    return { name: this.name, template, instances, spot, onDemandBase, drains, subnets: await subnets() };
  }

  #base(group: AutoScalingGroup) {
    return currentBase(group, this.#parts.onDemandBase);
  }

  #bounds({ MinSize = 0, MaxSize = 0, DesiredCapacity = 0, Tags }: AutoScalingGroup) {
    const found = { min: MinSize, max: MaxSize, desired: DesiredCapacity };
    return chooseBounds(this.#parts, found, fromTagList(Tags)[BOUNDS_TAG]);
  }

  #tagDrift(group: AutoScalingGroup): readonly string[] {
    return tagDifferences(fromTagList(group.Tags), { ...this.#propagated(), [BOUNDS_TAG]: this.#boundsTag(group) });
  }

  /** The configuration's bounds, once set; a person's bounds don't change that. */
  #boundsTag(group: AutoScalingGroup): string {
    const configured = boundsText(this.#parts);
    return fromTagList(group.Tags)[BOUNDS_TAG] === configured ? configured : boundsText(this.#bounds(group).bounds);
  }

  #propagated(): Readonly<Record<string, string>> {
    return groupTags(this.#place.profile, this.#parts.group);
  }

  #requireOurs({ Tags }: AutoScalingGroup): Promise<void> {
    return requireOurs(this.#place, `the Auto Scaling group ${this.name}`, Tags);
  }
}

/** Errors of Auto Scaling while an instance profile, a template or its own role isn't known everywhere yet. */
const UNSETTLED = [
  /Invalid IAM ?Instance ?Profile/i,
  /launch template[^.]*(does not exist|not found)/i,
  /could not find launch template/i,
  /AWSServiceRoleForAutoScaling/,
  'ResourceContention',
  'ResourceContentionFault',
  'ScalingActivityInProgress',
  'ScalingActivityInProgressFault',
];

/** Reads and changes one Auto Scaling group. Translates errors, with Auto Scaling's own as the cause. */
class GroupAccess {
  readonly #place: AwsContext;
  readonly #name: string;

  constructor(place: AwsContext, name: string) {
    this.#place = place;
    this.#name = name;
  }

  async find(): Promise<AutoScalingGroup | null> {
    return this.#callAws('look at', 'DescribeAutoScalingGroups', async (commands, client) => {
      const found = await client.send(
        new commands.DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [this.#name] }),
      );
      return found.AutoScalingGroups?.[0] ?? null;
    });
  }

  async hooks(): Promise<readonly LifecycleHook[]> {
    return this.#callAws('read the hooks of', 'DescribeLifecycleHooks', async (commands, client) => {
      const at = { AutoScalingGroupName: this.#name };
      return (await client.send(new commands.DescribeLifecycleHooksCommand(at))).LifecycleHooks ?? [];
    });
  }

  /** Sends a change, and retries it while what it needs isn't known everywhere; for at most two minutes. */
  async send(
    verb: string,
    action: string,
    change: (client: AutoScalingClient, commands: typeof sdk) => Promise<unknown>,
  ) {
    await this.#callAws(verb, action, (commands, client) =>
      retryUntilConsistent(() => change(client, commands), UNSETTLED),
    );
  }

  async #callAws<T>(
    verb: string,
    action: string,
    work: (commands: typeof sdk, client: AutoScalingClient) => Promise<T>,
  ): Promise<T> {
    const resource = `autoScalingGroup:*:autoScalingGroupName/${this.#name}`;
    const doing = { what: `${verb} the Auto Scaling group ${this.#name}`, action: `autoscaling:${action}`, resource };
    return callAws(this.#place, doing, async () => {
      const [commands, client] = await loadAutoScaling(this.#place);
      return work(commands, client);
    });
  }
}

/** True for a group that is being deleted: nothing can stop that (Auto Scaling: AutoScalingGroup.Status). */
const isBeingDeleted = ({ Status }: AutoScalingGroup): boolean => Status !== undefined && Status !== '';

const hasMetrics = ({ EnabledMetrics = [] }: AutoScalingGroup): boolean => EnabledMetrics.length > 0;

/**
 * How many instances are on demand before spot is used: as configured; but while more replace spot, as the group's tag
 * says, those stay. They are reverted once nothing waits. `note` is reported, and not changed; null if it is as
 * configured.
 */
function currentBase({ MixedInstancesPolicy, Tags }: AutoScalingGroup, configured: number) {
  const found = MixedInstancesPolicy?.InstancesDistribution?.OnDemandBaseCapacity ?? 0;
  const [, standIn = '0'] = /^(\d+) \d+$/.exec(fromTagList(Tags)[STAND_IN_TAG] ?? '') ?? [];
  if (found <= configured || found > Number(standIn)) return { base: configured, note: null };
  return { base: found, note: `${found} on demand instead of spot, for a deadline (configuration: ${configured})` };
}
