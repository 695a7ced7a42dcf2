// Protects: a group whose launches hang is lowered to what is needed, and never while work waits.

import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { type LowerResult, lowerIdle } from '../../../src/jobs/grid/lower.ts';
import { tick } from '../../../src/jobs/tick.ts';
import type { GroupStatus } from '../../../src/model/group-status.ts';
import { OPEN_PREFIX } from '../../../src/model/keys.ts';
import { OTHER_MACHINES } from '../../../src/platform/other-machines.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { fakeWorkerGroup, groupStatus } from '../../support/fake-worker-group.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { recordedStore } from '../../support/recorded-store.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

const JOB = JSON.stringify(rangeJob('claims', 3, { name: 'one', run: ['cat'] }));
/** Of 20 requested instances, only two were launched. */
const HUNG = groupStatus({ machines: { inService: 2, pending: 0, terminating: 0, protected: 0 } });
const LOWERED = { group: 'default', from: 20, to: 2, onDemand: null };

describe('lowering a group whose launches hang', () => {
  const place = forEachTest(openPlace);
  const clock = forEachTest(() => new FakeClock());
  let status: GroupStatus;
  /** The result of the last round. */
  let result: LowerResult;
  let troubles: string[];
  let groups: readonly string[];

  beforeEach(() => {
    status = HUNG;
    result = { lowered: [], short: new Map() };
    troubles = [];
    groups = ['default'];
  });

  /** A manager's round this many minutes later. */
  async function round(minutes = 0, store = place.platform.store): Promise<LowerResult['lowered']> {
    clock.pass(minutes * 60);
    const group = fakeWorkerGroup({
      describe: async () => status,
      lower: async (from) => {
        expect(from).to.equal(status);
        const { onDemand } = from;
        return {
          ...from,
          desired: from.machines?.inService ?? 0,
          ...(onDemand && { onDemand: { ...onDemand, base: onDemand.usual, raisedAt: null } }),
        };
      },
    });
    const platform: Platform = {
      ...place.platform,
      workplace: OTHER_MACHINES,
      clock,
      store,
      groups,
      group: async () => group,
    };
    result = await lowerIdle(platform, result.short, (name, error) => troubles.push(`${name}: ${error}`));
    return result.lowered;
  }

  it('happens only after ten minutes without a change', async () => {
    expect(await round()).to.deep.equal([]);
    expect(await round(9)).to.deep.equal([]);
    expect(await round(1)).to.deep.equal([LOWERED]);
    expect(result.short.size).to.equal(0);
  });

  it('reads the running jobs once for all groups, and never while messages wait', async () => {
    let listings = 0;
    const counted = recordedStore(place.platform.store, (_, prefix) => {
      if (prefix === OPEN_PREFIX) listings += 1;
    });
    groups = ['default', 'gpu', 'more'];
    await round(0, counted);
    expect([...result.short.keys()]).to.deep.equal(groups);
    expect(listings).to.equal(1);
    groups = ['default'];
    await (await place.platform.queue('default')).send([{ body: 'x', tenant: 'x' }]);
    await round(0, counted);
    expect(listings).to.equal(1);
  });

  it('waits again if another size was requested meanwhile, or work arrived', async () => {
    await round();
    status = { ...HUNG, desired: 30 };
    expect(await round(10)).to.deep.equal([]);
    const queue = await place.platform.queue('default');
    await queue.send([{ body: 'x', tenant: 'x' }]);
    expect(await round(10)).to.deep.equal([]);
    await queue.purge({});
    expect(await round(10)).to.deep.equal([]);
    expect(await round(10)).to.deep.equal([{ ...LOWERED, from: 30 }]);
  });

  it('ends on-demand replacements for spot once no work has waited for ten minutes', async () => {
    const onDemand = { base: 6, usual: 1, most: 10, raisedAt: 5 };
    status = { ...HUNG, desired: 2, onDemand };
    expect(await round()).to.deep.equal([]);
    expect(await round(9)).to.deep.equal([]);
    status = { ...status, onDemand: { ...onDemand, base: 7 } };
    // More were requested meanwhile.
    expect(await round(9)).to.deep.equal([]);
    expect(await round(10)).to.deep.equal([{ ...LOWERED, from: 2, onDemand: 1 }]);
    status = { ...status, mode: 'manual' };
    for (const minutes of [0, 10, 10]) expect(await round(minutes)).to.deep.equal([]);
  });

  it('leaves the group alone while an open job has a task for it, even without a message', async () => {
    await submitJob(place, JOB, {});
    await (await place.platform.queue('default')).purge({});
    for (const minutes of [0, 10, 10]) expect(await round(minutes)).to.deep.equal([]);
  });

  for (const [what, job, notBefore] of [
    ['of another group', JSON.stringify(rangeJob('claims', 3, { name: 'one', run: ['cat'], group: 'gpu' })), null],
    ['of a job that begins later', JOB, new Date(Date.now() + 86_400_000).toISOString()],
  ] as const) {
    it(`ignores tasks ${what}`, async () => {
      await submitJob(place, job, {}, notBefore);
      for (const name of ['default', 'gpu']) await (await place.platform.queue(name)).purge({});
      await round();
      expect(await round(10)).to.deep.equal([LOWERED]);
    });
  }

  it('never happens to local workers, which are started at once or not at all', async () => {
    const group = async () => fakeWorkerGroup({});
    const local: Platform = { ...place.platform, clock, groups, group };
    const fail = (name: string): never => expect.fail(name);
    expect(await lowerIdle(local, new Map(), fail)).to.deep.equal({ lowered: [], short: new Map() });
  });

  for (const [what, change] of [
    ['with the requested size', { desired: 2 }],
    ['at its minimum', { desired: 3, min: 3 }],
    ['in manual mode', { mode: 'manual' }],
    ['with a temporary size', { until: Number.MAX_SAFE_INTEGER }],
  ] as const) {
    it(`leaves a group ${what}`, async () => {
      status = { ...HUNG, ...change };
      for (const minutes of [0, 10, 10]) expect(await round(minutes)).to.deep.equal([]);
    });
  }

  it('is part of a tick, which remembers what the previous one saw', async () => {
    const loweredFrom: number[] = [];
    const group = fakeWorkerGroup({
      describe: async () => status,
      lower: async (from) => {
        loweredFrom.push(from.desired);
        return { ...from, desired: 2 };
      },
    });
    /** A tick is a new process: its monotonic clock starts again. */
    const tickAt = async (minutes: number, dryRun = false) => {
      const later = new FakeClock(clock.now() + minutes * 60_000);
      const own = { workplace: OTHER_MACHINES, groups: ['default'], group: async () => group, clock: later } as const;
      return (await tick({ ...place.platform, ...own }, { dryRun })).lowered;
    };
    expect(await tickAt(0)).to.deep.equal([]);
    expect(await tickAt(5)).to.deep.equal([]);
    expect(await tickAt(10, true)).to.deep.equal([]);
    expect(await tickAt(10)).to.deep.equal([LOWERED]);
    expect(loweredFrom).to.deep.equal([20]);
  });

  it("reports a group that can't be queried", async () => {
    status = { ...HUNG };
    Object.defineProperty(status, 'mode', {
      get: () => {
        throw new BatchctlError('credentials', 'denied');
      },
    });
    await round();
    expect(troubles.join()).to.match(/^default: .*denied/);
  });
});
