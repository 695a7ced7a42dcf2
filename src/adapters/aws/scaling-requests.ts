import type {
  Activity,
  AutoScalingClient,
  AutoScalingGroup,
  MixedInstancesPolicy,
  Tag,
} from '@aws-sdk/client-auto-scaling';
import { BatchctlError } from '../../errors.ts';
import { partitionOf } from '../../lib/stack-names.ts';
import type { AwsClients, ClientUse } from './clients.ts';
import { translateAwsError } from './errors.ts';

/** So many activities tell what happened lately (Auto Scaling: DescribeScalingActivities, at most 100 an answer). */
const ACTIVITIES = 100;

/** The requests that are made of one Auto Scaling group, and what their errors mean. */
export class ScalingRequests {
  readonly name: string;
  readonly #clients: AwsClients;
  readonly #use: ClientUse;

  constructor(clients: AwsClients, name: string, use: ClientUse = 'control') {
    this.#clients = clients;
    this.name = name;
    this.#use = use;
  }

  /** Null where there is no such group, or it is being deleted. */
  async read(): Promise<AutoScalingGroup | null> {
    const { DescribeAutoScalingGroupsCommand } = await import('@aws-sdk/client-auto-scaling');
    const command = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [this.name] });
    const answer = await this.#ask('look at', 'DescribeAutoScalingGroups', (client) => client.send(command));
    const found = answer.AutoScalingGroups?.find(({ AutoScalingGroupName }) => AutoScalingGroupName === this.name);
    // Status is set while a group is being deleted, and only then (Auto Scaling: AutoScalingGroup).
    return found === undefined || found.Status !== undefined ? null : found;
  }

  /** The latest activities, newest first. */
  async activities(): Promise<readonly Activity[]> {
    for await (const page of this.history()) return page;
    return [];
  }

  /**
   * Page after page of the latest activities, newest first. Whoever has seen enough reads no further: an account's
   * requests are limited.
   */
  async *history(): AsyncGenerator<readonly Activity[]> {
    const { DescribeScalingActivitiesCommand } = await import('@aws-sdk/client-auto-scaling');
    for (let NextToken: string | undefined; ; ) {
      const asked = { AutoScalingGroupName: this.name, MaxRecords: ACTIVITIES, NextToken };
      const command = new DescribeScalingActivitiesCommand(asked);
      const answer = await this.#ask('read the activities of', 'DescribeScalingActivities', (client) =>
        client.send(command),
      );
      yield answer.Activities ?? [];
      NextToken = answer.NextToken;
      if (NextToken === undefined || NextToken === '') return;
    }
  }

  /** Names of its lifecycle hooks. */
  async hooks(): Promise<readonly string[]> {
    const { DescribeLifecycleHooksCommand } = await import('@aws-sdk/client-auto-scaling');
    const command = new DescribeLifecycleHooksCommand({ AutoScalingGroupName: this.name });
    const answer = await this.#ask('read the hooks of', 'DescribeLifecycleHooks', (client) => client.send(command));
    return (answer.LifecycleHooks ?? []).map(({ LifecycleHookName = '' }) => LifecycleHookName);
  }

  async setSize(desired: number): Promise<void> {
    const { SetDesiredCapacityCommand } = await import('@aws-sdk/client-auto-scaling');
    const command = new SetDesiredCapacityCommand({
      // A cooldown is for scaling by alarms; who asks here has looked at the work.
      ...{ AutoScalingGroupName: this.name, DesiredCapacity: desired, HonorCooldown: false },
    });
    await this.#ask('set the size of', 'SetDesiredCapacity', (client) => client.send(command));
  }

  async setBounds(bounds: { readonly desired: number; readonly min: number; readonly max: number }): Promise<void> {
    const { UpdateAutoScalingGroupCommand } = await import('@aws-sdk/client-auto-scaling');
    const command = new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: this.name,
      ...{ MinSize: bounds.min, MaxSize: bounds.max, DesiredCapacity: bounds.desired },
    });
    await this.#ask('set the bounds of', 'UpdateAutoScalingGroup', (client) => client.send(command));
  }

  /** Sets what it buys, and its size in the same request where one is given. */
  async setPolicy(policy: MixedInstancesPolicy, desired: number | undefined): Promise<void> {
    const { UpdateAutoScalingGroupCommand } = await import('@aws-sdk/client-auto-scaling');
    const command = new UpdateAutoScalingGroupCommand({
      ...{ AutoScalingGroupName: this.name, MixedInstancesPolicy: policy, DesiredCapacity: desired },
    });
    await this.#ask('set what is bought for', 'UpdateAutoScalingGroup', (client) => client.send(command));
  }

  async setTags(tags: readonly Tag[]): Promise<void> {
    const { CreateOrUpdateTagsCommand } = await import('@aws-sdk/client-auto-scaling');
    const command = new CreateOrUpdateTagsCommand({ Tags: [...tags] });
    await this.#ask('tag', 'CreateOrUpdateTags', (client) => client.send(command));
  }

  async #ask<T>(what: string, action: string, send: (client: AutoScalingClient) => Promise<T>): Promise<T> {
    const client = await this.#clients.autoScaling(this.#use);
    try {
      return await send(client);
    } catch (error) {
      throw this.#translated(error, what, action);
    }
  }

  #translated(error: unknown, what: string, action: string): Error {
    const { region, account, profile } = this.#clients;
    // Actions that begin with Describe know no resources (Auto Scaling: actions, resources and condition keys).
    const resource = action.startsWith('Describe')
      ? '*'
      : `arn:${partitionOf(region)}:autoscaling:${region}:${account ?? '*'}:autoScalingGroup:*:autoScalingGroupName/${this.name}`;
    if (error instanceof Error && error.name === 'ValidationError') {
      const gone = /not found|does not exist/i.test(error.message);
      return new BatchctlError(
        gone ? 'notFound' : 'refused',
        `could not ${what} the Auto Scaling group ${this.name}: ${error.message}`,
        { hint: gone ? 'batchctl infra up makes it' : 'batchctl scale shows it as it is now', cause: error },
      );
    }
    const doing = { what: `${what} the Auto Scaling group ${this.name}`, action: `autoscaling:${action}` };
    return translateAwsError(error, { ...doing, resource, profile });
  }
}
