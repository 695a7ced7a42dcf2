// Protects: on-demand instances replace missing spot only as a deadline needs and cost limits allow.
import { expect } from 'chai';
import { onDemandNeeded } from '../../../src/jobs/grid/raise.ts';
import { DEFAULT_SIZING_TIMES } from '../../../src/model/capacity.ts';
import type { SpotTroubles } from '../../../src/model/group-status.ts';
import type { Load } from '../../../src/model/load.ts';
import { fakeWorkerGroup, groupStatus } from '../../support/fake-worker-group.ts';

describe('the number of on-demand instances in a group', () => {
  const status = groupStatus({
    max: 40,
    machines: { inService: 1, pending: 1, terminating: 3, protected: 0 },
    onDemand: { base: 0, usual: 0, most: 10, raisedAt: null },
  });
  const due = { job: 'claims', in: 3_600, coming: 0, deviation: 10, after: 0 };
  const load: Load = { tasks: 1_200, seconds: 60, slots: 1, atOnce: null };
  const refused: SpotTroubles = { refused: true, refusedToo: false, takenBack: 0 };
  const now = 1_000_000;

  /** The result, and whether the group's service was queried. */
  async function needed(
    group = status,
    { troubles = refused, paid = Number.POSITIVE_INFINITY, waiting = { ...load, due } as Load } = {},
  ): Promise<{ readonly onDemand: number | null; readonly requests: number }> {
    let requests = 0;
    const spotTroubles = async (): Promise<SpotTroubles> => {
      requests += 1;
      return troubles;
    };
    const about = { slots: 2, pace: DEFAULT_SIZING_TIMES, now, paid: async () => paid };
    return { onDemand: await onDemandNeeded(fakeWorkerGroup({ spotTroubles }), group, [waiting], about), requests };
  }

  it('covers what a deadline needs, counting only instances that are up or starting', async () => {
    expect((await needed()).onDemand).to.be.within(9, 10);
    const machines = { inService: 6, pending: 3, terminating: 0, protected: 0 };
    expect((await needed({ ...status, machines })).onDemand).to.be.within(3, 5);
  });

  it('needs a request to the service only when a deadline lacks instances', async () => {
    const many = { inService: 14, pending: 1, terminating: 0, protected: 0 };
    const none = { onDemand: null, requests: 0 };
    expect(await needed({ ...status, machines: many })).to.deep.equal(none);
    expect(await needed(status, { waiting: load })).to.deep.equal(none);
    const lately = { base: 2, usual: 0, most: 10, raisedAt: now - 60_000 };
    expect(await needed({ ...status, onDemand: lately })).to.deep.equal(none);
    const { onDemand: _, ...withoutSpot } = status;
    expect(await needed(withoutSpot)).to.deep.equal(none);
  });

  it('is zero if spot is available after all', async () => {
    const troubles = { ...refused, refused: false };
    expect(await needed(status, { troubles })).to.deep.equal({ onDemand: null, requests: 1 });
  });

  it('is limited by the cost limits, at three times the price', async () => {
    expect((await needed(status, { paid: 10 })).onDemand).to.equal(3);
    expect((await needed(status, { paid: 2 })).onDemand).to.equal(null);
  });
});
