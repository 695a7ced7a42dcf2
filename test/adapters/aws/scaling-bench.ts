import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { ScalingGroup } from '../../../src/adapters/aws/scaling-group.ts';
import { UnmanagedGroup } from '../../../src/adapters/aws/unmanaged-group.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { gridName } from '../../../src/lib/stack-names.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { OnDemandShare } from '../../../src/ports/worker-group.ts';
import { workerGroupContract } from '../../contracts/worker-group.ts';
import { signWithAnyKeys } from '../../support/aws-keys.ts';
import { forSuite } from '../../support/fixture.ts';
import { type Cloud, startCloud } from '../../support/grid/cloud.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { freshStack, type MadeGroup, makeScalingGroup, takeGroupChanges } from '../../support/scaling-group.ts';

const WORKER = {
  ...{ worker: 'w-up', group: 'default', host: 'h', pid: 1, version: '1', state: 'idle', slots: 2, busy: [] },
  ...{ done: 0, failed: 0, startedAt: 0 },
};

type Spot = Pick<OnDemandShare, 'usual' | 'most'> | null;

/** Set-up of tests of a group on Auto Scaling: an emulated account, with a group of its own for each test. */
export class ScalingBench {
  readonly cloud: Cloud;
  readonly #spot: Spot;
  readonly #more: (stack: string) => MadeGroup['more'];
  readonly #closing: (() => Promise<void> | void)[] = [];

  /** For a suite. `more`: what its groups have beyond those of `makeScalingGroup`. */
  constructor(spot: Spot = null, more: (stack: string) => MadeGroup['more'] = () => undefined) {
    this.cloud = forSuite(() => startCloud({ sqs: 'moto' }));
    this.#spot = spot;
    this.#more = more;
    before(signWithAnyKeys);
    after(async () => {
      for (const close of this.#closing) await close();
    });
    afterEach(() => this.cloud.grid.failLaunches(null));
  }

  /** The adapter as a newly started process has it. Its clock may be set ahead. */
  open(stack: string, ahead = { ms: 0 }, store = new MemoryStore()): ScalingGroup {
    const clients = new AwsClients({
      ...{ region: 'us-east-1', profile: null, account: null, env: {} },
      endpoints: { autoscaling: this.cloud.url },
    });
    this.#closing.push(() => clients.close());
    const clock = { ...systemClock, now: () => Date.now() + ahead.ms };
    const ledger = { workers: async () => [{ ...WORKER, seenAt: clock.now() }] };
    const platform = { store, clock, leaseSeconds: 120, ledger: async () => ledger };
    const here = new UnmanagedGroup('default', 20, platform as unknown as Platform);
    return new ScalingGroup({
      ...{ group: 'default', name: gridName(stack, 'default'), clients, here, slots: 2, clock, spot: this.#spot },
      allowed: async () => undefined,
    });
  }

  async made(options: MadeGroup = {}): Promise<{ readonly group: ScalingGroup; readonly stack: string }> {
    const stack = freshStack();
    await makeScalingGroup(this.cloud, stack, { ...options, more: this.#more(stack) });
    this.cloud.takeCalls();
    return { group: this.open(stack), stack };
  }

  changes(): readonly string[] {
    return takeGroupChanges(this.cloud);
  }

  /** The SDK's client, past the adapter. */
  client(): AutoScalingClient {
    const client = new AutoScalingClient({ region: 'us-east-1', endpoint: this.cloud.url });
    this.#closing.push(() => client.destroy());
    return client;
  }

  contract(name: string): void {
    workerGroupContract(name, async () => {
      const { stack } = await this.made();
      const store = new MemoryStore();
      const group = this.open(stack, { ms: 0 }, store);
      return { group, again: async () => this.open(stack), worker: 'w-up', store, close: async () => undefined };
    });
  }
}
