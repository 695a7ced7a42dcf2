// Protects: a rollout replaces instances a quarter at a time, loses no work, and stops when new ones fail.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { type RollProgress, rollGroup } from '../../../src/jobs/release/roll.ts';
import { bootMark } from '../../../src/model/keys.ts';
import type { LedgerWorker } from '../../../src/ports/ledger.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { GroupMachine, WorkerGroup } from '../../../src/ports/worker-group.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { failsWith, rejection } from '../../support/rejection.ts';

const [OLD, NEW] = ['1', '2'];

interface Simulated {
  readonly machine: GroupMachine;
  worker: 'up' | 'draining' | 'none';
  busy: number;
}

/** A group whose machines obey and take one step per look: drain, go, come, be seen. */
class SimulatedGroup {
  readonly store = new MemoryStore();
  readonly clock = new FakeClock();
  readonly told: string[] = [];
  readonly ended: string[] = [];
  readonly progress: RollProgress[] = [];
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

  launch(version: string, worker: Simulated['worker'] = 'none'): string {
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
    return instance;
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
      ...{ platform: this.#platform(), group: 'default', version: NEW, signal, lookMs: 0 },
      end: async (instance) => {
        this.ended.push(instance);
        this.#machines.delete(instance);
      },
      onProgress: (progress) => this.progress.push(progress),
    });
  }

  #platform(): Platform {
    const group = {
      describe: async () => ({ desired: this.desired }),
      machines: async () => {
        this.#pass();
        return [...this.#machines.values()].map(({ machine }) => machine);
      },
      launchTroubles: async () => [],
      order: async (worker: string, order: string) => {
        this.told.push(`${order} ${worker}`);
        const each = this.#machines.get(worker.slice(2));
        if (each === undefined) throw new BatchctlError('notFound', `no worker ${worker}`);
        each.worker = 'draining';
      },
    };
    const workers = async (): Promise<readonly LedgerWorker[]> =>
      [...this.#machines.values()]
        .filter(({ worker }) => worker !== 'none')
        .map(({ machine: { instance }, worker, busy }) => ({
          ...{ worker: `w-${instance}`, group: 'default', host: instance, pid: 1, version: '1', slots: 1 },
          ...{ state: worker === 'draining' ? ('draining' as const) : ('busy' as const) },
          ...{
            busy: Array.from({ length: busy }, () => 'a/b/1'),
            done: 0,
            failed: 0,
            startedAt: 0,
            seenAt: this.clock.now(),
          },
        }));
    const { store, clock } = this;
    const known = { store, clock, leaseSeconds: 30, group: async () => group as unknown as WorkerGroup };
    return { ...known, ledger: async () => ({ workers }) } as unknown as Platform;
  }
}

describe('rolling out a release', () => {
  it('replaces a quarter at a time, and never more at once', async () => {
    const group = new SimulatedGroup(8);
    expect(await group.roll()).to.equal(8);
    expect(group.versions()).to.deep.equal(Array.from({ length: 8 }, () => NEW));
    expect(group.told)
      .to.have.length(8)
      .and.satisfy((told: string[]) => told.every((each) => each.startsWith('replace ')));
    expect(group.ended).to.deep.equal([]);
    expect(group.fewest).to.equal(6);
  });

  it('has nothing to do in a group of size zero, or with only new instances', async () => {
    expect(await new SimulatedGroup(0).roll()).to.equal(0);
    const group = new SimulatedGroup(2);
    await group.roll();
    expect(await group.roll()).to.equal(0);
    expect(group.told).to.have.length(2);
  });

  it('terminates an instance without a worker through its group, and notifies each other worker once', async () => {
    const group = new SimulatedGroup(4);
    group.set('i-2', { worker: 'none' });
    expect(await group.roll()).to.equal(4);
    expect(group.ended).to.deep.equal(['i-2']);
    expect(group.told).to.have.length(3);
  });

  it('begins with the worker that has the least to finish', async () => {
    const group = new SimulatedGroup(3);
    group.set('i-1', { busy: 5 });
    group.set('i-2', { busy: 0 });
    group.set('i-3', { busy: 2 });
    await group.roll();
    expect(group.told).to.deep.equal(['replace w-i-2', 'replace w-i-3', 'replace w-i-1']);
  });

  it('stops between two quarters, and continues when run again', async () => {
    const group = new SimulatedGroup(8);
    const stop = new AbortController();
    group.onLook = () => {
      if (group.told.length === 2) stop.abort(new Error('stopped'));
    };
    expect((await rejection(group.roll(stop.signal))).message).to.equal('stopped');
    expect(group.told).to.have.length(2);
    group.onLook = () => undefined;
    await group.roll();
    expect(group.told).to.have.length(8);
    expect(group.versions()).to.deep.equal(Array.from({ length: 8 }, () => NEW));
  });

  it('stops once a new instance could not be set up', async () => {
    const group = new SimulatedGroup(8);
    await group.store.put(bootMark('default', 'i-long-ago', 'failed'), '{}');
    const body = '{"format":1,"step":"setup","line":"no gpu"}';
    group.onLook = () => {
      if (group.told.length === 2) void group.store.put(bootMark('default', 'i-9', 'failed'), body);
    };
    const error = await failsWith('refused', group.roll());
    expect(error.message).to.include('i-9, could not be set up (setup: no gpu)');
    expect(group.told).to.have.length(2);
  });

  it('stops when another release was made meanwhile, whose instances it would replace for ever', async () => {
    const group = new SimulatedGroup(8);
    group.launches = '3';
    const error = await failsWith('refused', group.roll());
    expect(error).to.have.property('message').that.includes('now have version 3,');
    expect(group.told).to.have.length(2);
  });

  it("doesn't wait for instances that the group no longer wants", async () => {
    const group = new SimulatedGroup(4);
    group.onLook = () => {
      // Idle workers left meanwhile, and the group's size shrank with them.
      if (group.told.length > 0) group.desired = 1;
    };
    await group.roll();
    expect(group.versions()).to.deep.equal([NEW]);
  });
});
