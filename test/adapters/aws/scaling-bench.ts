import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { ScalingGroup } from '../../../src/adapters/aws/scaling-group.ts';
import { UnmanagedGroup } from '../../../src/adapters/aws/unmanaged-group.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { gridName } from '../../../src/lib/stack-names.ts';
import type { OnDemandShare } from '../../../src/model/group-status.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { worker } from '../../contracts/ledger-events.ts';
import { workerGroupContract } from '../../contracts/worker-group.ts';
import { openClients } from '../../support/aws-clients.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forSuite } from '../../support/fixture.ts';
import { type Cloud, startCloud } from '../../support/grid/cloud.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import {
  createScalingGroup,
  newStackName,
  type ScalingGroupOptions,
  takeGroupCalls,
} from '../../support/scaling-group.ts';
import { until } from '../../support/until.ts';

type Spot = Pick<OnDemandShare, 'usual' | 'most'> | null;

/** Set-up of tests of a group on Auto Scaling: an emulated account, with a group of its own for each test. */
export class ScalingBench {
  readonly cloud: Cloud;
  readonly #spot: Spot;
  readonly #fieldsOf: (stack: string) => ScalingGroupOptions['more'];
  readonly #cleanup: Cleanup;

  /** For a suite. `fieldsOf` returns fields that its groups have in addition to those of `makeScalingGroup`. */
  constructor(spot: Spot = null, fieldsOf: (stack: string) => ScalingGroupOptions['more'] = () => undefined) {
    this.cloud = forSuite(() => startCloud({ sqs: 'moto' }));
    this.#cleanup = forSuite(() => new Cleanup());
    this.#spot = spot;
    this.#fieldsOf = fieldsOf;
    afterEach(() => this.cloud.grid.failLaunches(null));
  }

  /** The adapter of a process that starts now. Its clock may be ahead. */
  open(stack: string, ahead = { ms: 0 }, store = new MemoryStore()): ScalingGroup {
    const clients = this.#cleanup.use(openClients({ autoscaling: this.cloud.url }));
    const clock = { ...systemClock, now: () => Date.now() + ahead.ms };
    const ledger = { workers: async () => [worker({ worker: 'w-up', seenAt: clock.now() })] };
    const platform = { store, clock, leaseSeconds: 120, ledger: async () => ledger };
    const here = new UnmanagedGroup('default', 20, platform as unknown as Platform);
    return new ScalingGroup({
      group: 'default',
      name: gridName(stack, 'default'),
      clients,
      here,
      slots: 2,
      clock,
      spot: this.#spot,
      allowed: async () => undefined,
    });
  }

  async createGroup(
    options: ScalingGroupOptions = {},
  ): Promise<{ readonly group: ScalingGroup; readonly stack: string }> {
    const stack = newStackName();
    await createScalingGroup(this.cloud, stack, { ...options, more: this.#fieldsOf(stack) });
    this.cloud.takeCalls();
    return { group: this.open(stack), stack };
  }

  /** The instances of the stack's group in the emulated account. */
  instances(stack: string) {
    return this.cloud.grid.instances(gridName(stack, 'default'));
  }

  async untilInService(group: ScalingGroup, count: number): Promise<void> {
    const inService = async () => (await group.describe()).machines?.inService;
    await until(`${count} instances are in service`, async () => (await inService()) === count);
  }

  /** The changes of groups since the last call. */
  takeChanges(): readonly string[] {
    return takeGroupCalls(this.cloud);
  }

  /** The SDK's own client. */
  client(): AutoScalingClient {
    const client = new AutoScalingClient({ region: 'us-east-1', endpoint: this.cloud.url });
    this.#cleanup.defer(() => client.destroy());
    return client;
  }

  contract(name: string): void {
    workerGroupContract(name, async () => {
      const { stack } = await this.createGroup();
      const store = new MemoryStore();
      const group = this.open(stack, { ms: 0 }, store);
      return { group, again: async () => this.open(stack), worker: 'w-up', store, close: async () => undefined };
    });
  }
}
