import type * as sdk from '@aws-sdk/client-auto-scaling';
import type { AutoScalingClient, AutoScalingGroup, LifecycleHook } from '@aws-sdk/client-auto-scaling';
import { asked, type GridPlace } from './asked.ts';
import { onceSettled } from './settled.ts';

/** What Auto Scaling says of an instance profile, a template or a role of its own that is not known everywhere yet. */
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

/** One Auto Scaling group, asked for and changed. What it throws is ours, with Auto Scaling's own as the cause. */
export class GroupAccess {
  readonly #place: GridPlace;
  readonly #name: string;

  constructor(place: GridPlace, name: string) {
    this.#place = place;
    this.#name = name;
  }

  async find(): Promise<AutoScalingGroup | null> {
    return this.#asked('look at', 'DescribeAutoScalingGroups', async (commands, client) => {
      const found = await client.send(
        new commands.DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [this.#name] }),
      );
      return found.AutoScalingGroups?.[0] ?? null;
    });
  }

  async hooks(): Promise<readonly LifecycleHook[]> {
    return this.#asked('look at the hooks of', 'DescribeLifecycleHooks', async (commands, client) => {
      const at = { AutoScalingGroupName: this.#name };
      return (await client.send(new commands.DescribeLifecycleHooksCommand(at))).LifecycleHooks ?? [];
    });
  }

  /** Sends a change, again for as long as what it needs is not known everywhere; two minutes at most. */
  async send(
    verb: string,
    action: string,
    change: (client: AutoScalingClient, commands: typeof sdk) => Promise<unknown>,
  ) {
    await this.#asked(verb, action, (commands, client) => onceSettled(() => change(client, commands), UNSETTLED));
  }

  async #asked<T>(
    verb: string,
    action: string,
    work: (commands: typeof sdk, client: AutoScalingClient) => Promise<T>,
  ): Promise<T> {
    const resource = `autoScalingGroup:*:autoScalingGroupName/${this.#name}`;
    const doing = { what: `${verb} the Auto Scaling group ${this.#name}`, action: `autoscaling:${action}`, resource };
    return asked(this.#place, doing, async () => {
      const [commands, client] = await Promise.all([
        import('@aws-sdk/client-auto-scaling'),
        this.#place.clients.autoScaling(),
      ]);
      return work(commands, client);
    });
  }
}

/** True of one that is being deleted: nothing changes that (Auto Scaling: AutoScalingGroup.Status). */
export const isGoing = ({ Status }: AutoScalingGroup): boolean => Status !== undefined && Status !== '';

export const hasMetrics = ({ EnabledMetrics = [] }: AutoScalingGroup): boolean => EnabledMetrics.length > 0;
