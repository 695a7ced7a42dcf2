import { BatchctlError } from '../../errors.ts';
import type { GroupMachine, GroupStatus, LaunchTrouble } from '../../model/group-status.ts';
import { aliveMs, type LedgerWorker } from '../../model/ledger/records.ts';
import type { Platform } from '../../ports/platform.ts';
import { putOrder, type WorkerGroup, type WorkerOrder } from '../../ports/worker-group.ts';

/**
 * A group whose workers are started one by one with `worker --here`. They are counted and can be given orders, but
 * nothing here starts or ends one.
 */
export class UnmanagedGroup implements WorkerGroup {
  readonly group: string;
  readonly #platform: Pick<Platform, 'store' | 'clock' | 'ledger' | 'leaseSeconds'>;
  readonly #max: number;

  constructor(group: string, max: number, platform: Pick<Platform, 'store' | 'clock' | 'ledger' | 'leaseSeconds'>) {
    this.group = group;
    this.#max = max;
    this.#platform = platform;
  }

  async describe(): Promise<GroupStatus> {
    const running = (await this.#liveWorkers()).length;
    return {
      group: this.group,
      desired: 0,
      min: 0,
      max: this.#max,
      mode: 'manual',
      running,
      byHand: true,
      until: null,
    };
  }

  /** Throws `refused`: nothing would start the workers. */
  async resize(): Promise<GroupStatus> {
    throw new BatchctlError('refused', `group ${this.group} has no Auto Scaling group, so it has no size`, {
      hint: `create it with batchctl infra up; or start a worker on any machine: batchctl worker --here --group ${this.group}`,
    });
  }

  /** Has no effect, as in every manual group. */
  raise(): Promise<GroupStatus> {
    return this.describe();
  }

  lower(): Promise<GroupStatus> {
    return this.describe();
  }

  async order(worker: string, order: WorkerOrder): Promise<void> {
    const { store, clock } = this.#platform;
    const known = (await this.#liveWorkers()).some((each) => each.worker === worker);
    await putOrder(store, { group: this.group, worker, order }, { known, when: clock.now() });
  }

  async machines(): Promise<readonly GroupMachine[]> {
    return [];
  }

  async launchTroubles(): Promise<readonly LaunchTrouble[]> {
    return [];
  }

  async #liveWorkers(): Promise<readonly LedgerWorker[]> {
    const { clock, leaseSeconds, ledger } = this.#platform;
    const seen = await (await ledger()).workers({ since: clock.now() - aliveMs(leaseSeconds) });
    return seen.filter(({ group, state }) => state !== 'gone' && group.split(',').includes(this.group));
  }
}
