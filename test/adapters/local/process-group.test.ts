// Protects: every process obeys the size, bounds and orders of a local worker group.

import { availableParallelism } from 'node:os';
import { expect } from 'chai';
import { ProcessGroup } from '../../../src/adapters/local/process-group.ts';
import type { GroupStatus } from '../../../src/model/group-status.ts';
import { groupKey, orderKey } from '../../../src/model/keys.ts';
import { workerGroupContract } from '../../contracts/worker-group.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { readText } from '../../support/read-text.ts';
import { failsWith } from '../../support/rejection.ts';

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
  const store = forEachTest(() => new MemoryStore());
  const clock = forEachTest(() => new FakeClock());
  const group = forEachTest(() => openGroup(store, clock));

  it('is manual and at zero by default, and starts nothing', async () => {
    await group.raise(5);
    expect(await group.describe()).to.deep.equal({
      group: 'default',
      desired: 0,
      min: 0,
      max: availableParallelism() * 4,
      mode: 'manual',
      running: 2,
      until: null,
    });
    expect(await store.head(groupKey('default'))).to.equal(null);
  });

  it('returns to the earlier size when the time of a temporary size is over', async () => {
    await group.resize({ desired: 1, max: 8 });
    await group.resize({ desired: 4, until: clock.now() + 60_000 });
    await group.resize({ desired: 6, until: clock.now() + 60_000 });
    clock.pass(59);
    expect((await group.describe()).desired).to.equal(6);
    clock.pass(1);
    expect(await group.describe()).to.include({ desired: 1, until: null });
  });

  it('adjusts the size to changed bounds', async () => {
    await group.resize({ desired: 4, max: 8 });
    expect((await group.resize({ max: 2 })).desired).to.equal(2);
    expect((await group.resize({ min: 3, max: 5 })).desired).to.equal(3);
  });

  it('remembers the slots a worker gets', async () => {
    expect((await group.size()).slots).to.equal(null);
    await group.resize({ slots: 3 });
    await group.resize({ desired: 1 });
    expect((await group.size()).slots).to.equal(3);
  });

  it('notifies the starter of the supervisor of each change, once it is written', async () => {
    const sizes: number[] = [];
    const observed = openGroup(store, clock, async ({ desired }) => {
      expect((await group.describe()).desired).to.equal(desired);
      sizes.push(desired);
    });
    await observed.resize({ desired: 2, max: 4 });
    await observed.resize({ desired: 0 });
    expect(sizes).to.deep.equal([2, 0]);
  });

  it('numbers the orders of a worker, even if two are given at the same time', async () => {
    await Promise.all([group.order('w-1', 'drain'), group.order('w-1', 'stop')]);
    const texts = await Promise.all([0, 1].map((number) => readText(store, orderKey('w-1', number))));
    const expected = ['drain', 'stop'].map((order) => ({ format: 1, order, when: clock.now() }));
    expect(texts.map((text) => JSON.parse(text ?? ''))).to.have.deep.members(expected);
  });

  it('rejects sizes that are not whole numbers', async () => {
    for (const change of [{ desired: 1.5 }, { min: -1 }, { slots: 0 }]) await failsWith('usage', group.resize(change));
  });

  it('reports a size that a later version wrote', async () => {
    await store.put(groupKey('default'), JSON.stringify({ format: 2 }));
    await failsWith('newer', group.describe());
  });
});
