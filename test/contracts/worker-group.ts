import { expect } from 'chai';
import { orderKey } from '../../src/model/keys.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { WorkerGroup } from '../../src/ports/worker-group.ts';
import { forEachTest } from '../support/fixture.ts';
import { readText } from '../support/read-text.ts';
import { failsWith } from '../support/rejection.ts';

/** A group for one test: in auto mode, with 0 to 8 workers and a desired size of 0. */
export interface GroupHarness {
  readonly group: WorkerGroup;
  /** The same group as seen by a process that starts now. */
  readonly again: () => Promise<WorkerGroup>;
  /** A worker that is up. */
  readonly worker: string;
  /** The store where the worker reads its orders. */
  readonly store: ObjectStore;
  readonly close: () => Promise<void>;
}

/** The laws of src/ports/worker-group.ts, for any adapter. */
export function workerGroupContract(name: string, open: () => Promise<GroupHarness>): void {
  describe(`worker group: ${name}`, () => {
    const harness = forEachTest(open);
    let group: WorkerGroup;

    beforeEach(() => {
      group = harness.group;
    });

    it('describes its size, bounds and mode', async () => {
      expect(await group.describe()).to.include({ desired: 0, min: 0, max: 8, mode: 'auto', until: null });
    });

    it('resizes, and leaves unspecified fields unchanged', async () => {
      await group.resize({ desired: 5 });
      await group.resize({ mode: 'manual' });
      expect(await group.describe()).to.include({ desired: 5, max: 8, mode: 'manual' });
    });

    it('returns the same when the same resize is repeated', async () => {
      // The number of running machines may have changed meanwhile.
      const { machines: _, ...first } = await group.resize({ desired: 3, min: 1, max: 6 });
      const { machines: __, ...again } = await group.resize({ desired: 3, min: 1, max: 6 });
      expect(again).to.deep.equal(first);
    });

    it('refuses a size outside the bounds, and contradictory bounds, and keeps its size', async () => {
      await group.resize({ desired: 2 });
      await failsWith('usage', group.resize({ desired: 9 }));
      await failsWith('usage', group.resize({ min: 5, max: 4 }));
      expect((await group.describe()).desired).to.equal(2);
    });

    it('raises, never lowers, and not above the maximum', async () => {
      expect((await group.raise(4)).desired).to.equal(4);
      expect((await group.raise(2)).desired).to.equal(4);
      expect((await group.raise(100)).desired).to.equal(8);
    });

    it('lowers to the number of running workers, never raises, and never below the minimum', async () => {
      await group.resize({ desired: 4, min: 1 });
      const { desired } = await group.lower(await group.describe());
      expect(desired).to.be.within(1, 4);
      expect((await (await harness.again()).describe()).desired).to.equal(desired);
    });

    it("doesn't lower a size that was requested since, nor one that a person set", async () => {
      const seen = await group.describe();
      await group.raise(3);
      expect((await group.lower(seen)).desired).to.equal(3);
      await group.resize({ mode: 'manual' });
      expect((await group.lower(await group.describe())).desired).to.equal(3);
    });

    it('has on-demand instances in place of spot only if it uses spot, and never fewer on a second request', async () => {
      const { onDemand: before } = await group.describe();
      const { onDemand, desired } = await group.raise(4, 2);
      expect(desired).to.equal(4);
      expect(onDemand === undefined).to.equal(before === undefined);
      if (onDemand === undefined) return;
      expect(onDemand.base).to.equal(2);
      expect((await group.raise(4, 1)).onDemand?.base).to.equal(2);
      expect((await group.raise(4)).onDemand?.base).to.equal(2);
      expect((await (await harness.again()).describe()).onDemand).to.include({ base: 2 });
    });

    it("returns to the profile's number of on-demand instances once lowered", async () => {
      await group.raise(0, 2);
      const { onDemand } = await group.lower(await group.describe());
      expect(onDemand?.base).to.equal(onDemand?.usual);
      expect(onDemand?.raisedAt ?? null).to.equal(null);
    });

    it('raises nothing while a person sets the size', async () => {
      await group.resize({ mode: 'manual', desired: 1 });
      expect((await group.raise(4)).desired).to.equal(1);
    });

    it('keeps its size when every local process has ended', async () => {
      await group.resize({ desired: 7, max: 7 });
      expect(await (await harness.again()).describe()).to.include({ desired: 7, max: 7 });
    });

    it('orders a worker to drain, and then to stop', async () => {
      await group.order(harness.worker, 'drain');
      await group.order(harness.worker, 'stop');
      const texts = [0, 1, 2].map((number) => readText(harness.store, orderKey(harness.worker, number)));
      const orders = (await Promise.all(texts)).map((text) => text && JSON.parse(text).order);
      expect(orders).to.deep.equal(['drain', 'stop', null]);
    });

    it('refuses orders for an unknown worker', async () => {
      await failsWith('notFound', group.order('w-unknown', 'drain'));
      await failsWith('notFound', group.order('w-unknown', 'stop'));
    });

    it('lists its machines, if it has any, and no failed launches', async () => {
      expect(await group.machines()).to.be.an('array');
      expect(await group.launchTroubles()).to.be.an('array');
      expect((await group.spotTroubles?.())?.refused ?? false).to.equal(false);
    });
  });
}
