// Protects: a rollout replaces instances a quarter at a time, loses no work, and stops when new ones fail.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { rollGroup } from '../../../src/jobs/release/roll.ts';
import type { GroupMachine } from '../../../src/model/group-status.ts';
import { bootMark } from '../../../src/model/keys.ts';
import type { LedgerWorker } from '../../../src/model/ledger/records.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { worker } from '../../contracts/ledger-events.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { fakeWorkerGroup, groupStatus } from '../../support/fake-worker-group.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { failsWith, rejection } from '../../support/rejection.ts';

const [OLD, NEW] = ['1', '2'];

interface Simulated {
  readonly machine: GroupMachine;
  worker: 'up' | 'draining' | 'none';
  busy: number;
}

/** A group whose machines obey and take one step per look: a worker drains, its machine ends, another starts. */
class SimulatedGroup {
  readonly store = new MemoryStore();
  readonly clock = new FakeClock();
  /** The orders that workers were given. */
  readonly orders: string[] = [];
  /** The machines that were terminated through the group. */
  readonly ended: string[] = [];
  /** The fewest machines that had a worker at any time. */
  fewest = Number.POSITIVE_INFINITY;
  desired: number;
  /** The version that new machines start with. */
  launches = NEW;
  readonly #machines = new Map<string, Simulated>();
  #launched = 0;
  onLook: () => void = () => undefined;

  constructor(size: number) {
    this.desired = size;
    for (let n = 0; n < size; n += 1) this.launch(OLD, 'up');
  }

  launch(version: string, worker: Simulated['worker'] = 'none'): void {
    this.#launched += 1;
    const instance = `i-${this.#launched}`;
    const machine: GroupMachine = {
      launchedAt: 0,
      instance,
      type: 'm7g.large',
      zone: 'a',
      state: 'InService',
      healthy: true,
      protected: true,
      version,
    };
    this.#machines.set(instance, { machine, worker, busy: 1 });
  }

  set(instance: string, change: Partial<Pick<Simulated, 'worker' | 'busy'>>): void {
    Object.assign(this.#machines.get(instance) ?? {}, change);
  }

  /** What happens between two looks. */
  #pass(): void {
    this.onLook();
    for (const [instance, each] of this.#machines) {
      if (each.worker === 'draining') this.#machines.delete(instance);
      else if (each.worker === 'none' && each.machine.version === NEW) each.worker = 'up';
    }
    while (this.#machines.size < this.desired) this.launch(this.launches);
    this.fewest = Math.min(this.fewest, [...this.#machines.values()].filter(({ worker }) => worker === 'up').length);
  }

  versions(): readonly (string | null)[] {
    return [...this.#machines.values()].map(({ machine }) => machine.version);
  }

  roll(signal = new AbortController().signal): Promise<number> {
    return rollGroup({
      platform: this.#platform(),
      group: 'default',
      version: NEW,
      signal,
      lookMs: 0,
      end: async (instance) => {
        this.ended.push(instance);
        this.#machines.delete(instance);
      },
      onProgress: () => undefined,
    });
  }

  #platform(): Platform {
    const group = fakeWorkerGroup({
      describe: async () => groupStatus({ desired: this.desired }),
      machines: async () => {
        this.#pass();
        return [...this.#machines.values()].map(({ machine }) => machine);
      },
      launchTroubles: async () => [],
      order: async (worker, order) => {
        this.orders.push(`${order} ${worker}`);
        const each = this.#machines.get(worker.slice(2));
        if (each === undefined) throw new BatchctlError('notFound', `no worker ${worker}`);
        each.worker = 'draining';
      },
    });
    const workers = async (): Promise<readonly LedgerWorker[]> =>
      [...this.#machines.values()]
        .filter(({ worker }) => worker !== 'none')
        .map(({ machine: { instance }, worker: state, busy }) =>
          worker({
            worker: `w-${instance}`,
            host: instance,
            state: state === 'draining' ? 'draining' : 'busy',
            busy: Array.from({ length: busy }, () => 'a/b/1'),
            seenAt: this.clock.now(),
          }),
        );
    const { store, clock } = this;
    const ledger = async () => ({ workers });
    return { store, clock, leaseSeconds: 30, group: async () => group, ledger } as unknown as Platform;
  }
}

describe('rolling out a release', () => {
  it('replaces a quarter at a time, and never more at once', async () => {
    const group = new SimulatedGroup(8);
    expect(await group.roll()).to.equal(8);
    expect(group.versions()).to.deep.equal(Array.from({ length: 8 }, () => NEW));
    expect(group.orders.map((order) => order.split(' ')[0])).to.deep.equal(Array(8).fill('replace'));
    expect(group.ended).to.deep.equal([]);
    expect(group.fewest).to.equal(6);
  });

  it('has nothing to do in a group of size zero, or with only new instances', async () => {
    expect(await new SimulatedGroup(0).roll()).to.equal(0);
    const group = new SimulatedGroup(2);
    await group.roll();
    expect(await group.roll()).to.equal(0);
    expect(group.orders).to.have.length(2);
  });

  it('terminates an instance without a worker through its group, and orders each other worker once to leave', async () => {
    const group = new SimulatedGroup(4);
    group.set('i-2', { worker: 'none' });
    expect(await group.roll()).to.equal(4);
    expect(group.ended).to.deep.equal(['i-2']);
    expect(group.orders).to.have.length(3);
  });

  it('begins with the worker that has the least to finish', async () => {
    const group = new SimulatedGroup(3);
    group.set('i-1', { busy: 5 });
    group.set('i-2', { busy: 0 });
    group.set('i-3', { busy: 2 });
    await group.roll();
    expect(group.orders).to.deep.equal(['replace w-i-2', 'replace w-i-3', 'replace w-i-1']);
  });

  it('stops between two quarters, and continues when run again', async () => {
    const group = new SimulatedGroup(8);
    const stop = new AbortController();
    group.onLook = () => {
      if (group.orders.length === 2) stop.abort(new Error('stopped'));
    };
    expect((await rejection(group.roll(stop.signal))).message).to.equal('stopped');
    expect(group.orders).to.have.length(2);
    group.onLook = () => undefined;
    await group.roll();
    expect(group.orders).to.have.length(8);
    expect(group.versions()).to.deep.equal(Array.from({ length: 8 }, () => NEW));
  });

  it('stops once a new instance could not be set up', async () => {
    const group = new SimulatedGroup(8);
    await group.store.put(bootMark('default', 'i-long-ago', 'failed'), '{}');
    const body = '{"format":1,"step":"setup","line":"no gpu"}';
    group.onLook = () => {
      if (group.orders.length === 2) void group.store.put(bootMark('default', 'i-9', 'failed'), body);
    };
    const { message } = await failsWith('refused', group.roll());
    expect(message).to.include('i-9, could not be set up (setup: no gpu)');
    expect(group.orders).to.have.length(2);
  });

  it('stops when another release was made meanwhile, because it would replace its instances for ever', async () => {
    const group = new SimulatedGroup(8);
    group.launches = '3';
    expect((await failsWith('refused', group.roll())).message).to.include('now have version 3,');
    expect(group.orders).to.have.length(2);
  });

  it("doesn't wait for instances that the group no longer wants", async () => {
    const group = new SimulatedGroup(4);
    group.onLook = () => {
      // Idle workers left meanwhile, which lowered the group's size.
      if (group.orders.length > 0) group.desired = 1;
    };
    await group.roll();
    expect(group.versions()).to.deep.equal([NEW]);
  });
});
