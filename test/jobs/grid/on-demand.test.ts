// Protects: on-demand instances replace missing spot only as a deadline needs and cost limits allow.
import { expect } from 'chai';
import { onDemandNeeded } from '../../../src/jobs/grid/raise.ts';
import { DEFAULT_SIZING_TIMES } from '../../../src/model/capacity.ts';
import type { Load } from '../../../src/model/load.ts';
import type { GroupStatus, SpotTroubles, WorkerGroup } from '../../../src/ports/worker-group.ts';

describe('the number of on-demand instances in a group', () => {
  const status: GroupStatus = {
    ...{ group: 'default', desired: 20, min: 0, max: 40, mode: 'auto', running: 0, until: null },
    machines: { inService: 1, pending: 1, terminating: 3, protected: 0 },
    onDemand: { base: 0, usual: 0, most: 10, raisedAt: null },
  };
  const due = { job: 'claims', in: 3_600, coming: 0, deviation: 10, after: 0 };
  const loads: readonly Load[] = [{ tasks: 1_200, seconds: 60, slots: 1, atOnce: null, due }];
  const refused: SpotTroubles = { refused: true, refusedToo: false, takenBack: 0 };
  const now = 1_000_000;

  /** The result, and whether the group's service was queried. */
  async function needed(
    change: Partial<GroupStatus> = {},
    { troubles = refused, paid = Number.POSITIVE_INFINITY, waiting = loads } = {},
  ): Promise<{ readonly onDemand: number | null; readonly asked: number }> {
    let asked = 0;
    const spotTroubles = async (): Promise<SpotTroubles> => {
      asked += 1;
      return troubles;
    };
    const group = { spotTroubles } as unknown as WorkerGroup;
    const about = { slots: 2, pace: DEFAULT_SIZING_TIMES, now, paid: async () => paid };
    return { onDemand: await onDemandNeeded(group, { ...status, ...change }, waiting, about), asked };
  }

  it('covers what a deadline needs, counting only instances that are up or starting', async () => {
    const { onDemand } = await needed();
    expect(onDemand).to.be.within(9, 10);
    const machines = { inService: 6, pending: 3, terminating: 0, protected: 0 };
    expect((await needed({ machines })).onDemand).to.be.within(3, 5);
  });

  it('needs a request to the service only when a deadline lacks instances', async () => {
    const many = { inService: 14, pending: 1, terminating: 0, protected: 0 };
    expect(await needed({ machines: many })).to.deep.equal({ onDemand: null, asked: 0 });
    const [{ due: _, ...free } = { tasks: 0 }] = loads;
    expect(await needed({}, { waiting: [free as Load] })).to.deep.equal({ onDemand: null, asked: 0 });
    const lately = { base: 2, usual: 0, most: 10, raisedAt: now - 60_000 };
    expect(await needed({ onDemand: lately })).to.deep.equal({ onDemand: null, asked: 0 });
    const { onDemand: __, ...bare } = status;
    expect(
      await onDemandNeeded({} as WorkerGroup, bare, loads, {
        slots: 2,
        pace: DEFAULT_SIZING_TIMES,
        now,
        paid: async () => 1,
      }),
    ).to.equal(null);
  });

  it('is zero if spot is available after all', async () => {
    const troubles = { ...refused, refused: false };
    expect(await needed({}, { troubles })).to.deep.equal({ onDemand: null, asked: 1 });
  });

  it('is limited by the cost limits, at three times the price', async () => {
    expect((await needed({}, { paid: 10 })).onDemand).to.equal(3);
    expect((await needed({}, { paid: 2 })).onDemand).to.equal(null);
  });
});
