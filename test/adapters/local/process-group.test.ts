// Protects: every process obeys the size, bounds and orders of a local worker group.

import { availableParallelism } from 'node:os';
import { expect } from 'chai';
import { ProcessGroup } from '../../../src/adapters/local/process-group.ts';
import { isKind } from '../../../src/errors.ts';
import { groupKey, orderKey } from '../../../src/model/keys.ts';
import type { GroupStatus } from '../../../src/ports/worker-group.ts';
import { workerGroupContract } from '../../contracts/worker-group.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

function openGroup(store: MemoryStore, clock = new FakeClock(), onChange?: (status: GroupStatus) => Promise<void>) {
  return new ProcessGroup({
    group: 'default',
    store,
    clock,
    isKnown: async (worker) => worker === 'w-1',
    running: async () => 2,
    ...(onChange === undefined ? {} : { onChange }),
  });
}

workerGroupContract('process', async () => {
  const store = new MemoryStore();
  const group = openGroup(store);
  await group.resize({ mode: 'auto', max: 8 });
  return { group, again: async () => openGroup(store), worker: 'w-1', store, close: async () => undefined };
});

describe('the local worker group', () => {
  let store: MemoryStore;
  let clock: FakeClock;

  beforeEach(() => {
    store = new MemoryStore();
    clock = new FakeClock();
  });

  it('is manual and at zero by default, and starts nothing', async () => {
    const group = openGroup(store, clock);
    await group.raise(5);
    expect(await group.describe()).to.deep.equal({
      ...{ group: 'default', desired: 0, min: 0, max: availableParallelism() * 4 },
      ...{ mode: 'manual', running: 2, until: null },
    });
    expect(await store.head(groupKey('default'))).to.equal(null);
  });

  it('returns to the size before a temporary one when its time is over', async () => {
    const group = openGroup(store, clock);
    await group.resize({ desired: 1, max: 8 });
    await group.resize({ desired: 4, until: clock.now() + 60_000 });
    await group.resize({ desired: 6, until: clock.now() + 60_000 });
    clock.pass(59);
    expect((await group.describe()).desired).to.equal(6);
    clock.pass(1);
    const { desired, until } = await group.describe();
    expect({ desired, until }).to.deep.equal({ desired: 1, until: null });
  });

  it('adjusts the size to changed bounds', async () => {
    const group = openGroup(store, clock);
    await group.resize({ desired: 4, max: 8 });
    expect((await group.resize({ max: 2 })).desired).to.equal(2);
    expect((await group.resize({ min: 3, max: 5 })).desired).to.equal(3);
  });

  it('remembers the slots a worker gets', async () => {
    const group = openGroup(store, clock);
    expect((await group.size()).slots).to.equal(null);
    await group.resize({ slots: 3 });
    await group.resize({ desired: 1 });
    expect((await group.size()).slots).to.equal(3);
  });

  it('notifies the starter of the supervisor of each change, once it is written', async () => {
    const told: number[] = [];
    const group = openGroup(store, clock, async ({ desired }) => {
      expect((await openGroup(store, clock).describe()).desired).to.equal(desired);
      told.push(desired);
    });
    await group.resize({ desired: 2, max: 4 });
    await group.resize({ desired: 0 });
    expect(told).to.deep.equal([2, 0]);
  });

  it('numbers the orders of a worker, even if two are given at once', async () => {
    const group = openGroup(store, clock);
    await Promise.all([group.order('w-1', 'drain'), group.order('w-1', 'stop')]);
    const orders = [];
    for (const number of [0, 1]) {
      const bytes = await store.read(orderKey('w-1', number));
      const { format, order, when } = JSON.parse(new TextDecoder().decode(bytes ?? undefined));
      expect({ format, when }).to.deep.equal({ format: 1, when: clock.now() });
      orders.push(order);
    }
    expect(orders.sort()).to.deep.equal(['drain', 'stop']);
  });

  it('rejects sizes that are not whole numbers', async () => {
    const group = openGroup(store, clock);
    for (const change of [{ desired: 1.5 }, { min: -1 }, { slots: 0 }]) {
      const error = await group.resize(change).catch((thrown: unknown) => thrown);
      expect(isKind(error, 'usage'), JSON.stringify(change)).to.equal(true);
    }
  });

  it('reports a size that a later version wrote', async () => {
    await store.put(groupKey('default'), JSON.stringify({ format: 2 }));
    const error = await openGroup(store, clock)
      .describe()
      .catch((thrown: unknown) => thrown);
    expect(isKind(error, 'newer')).to.equal(true);
  });
});
