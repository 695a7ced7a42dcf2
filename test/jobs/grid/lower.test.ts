// Protects: a group whose launches hang is lowered to what is needed, and never while work waits.
import { expect } from 'chai';
import { type LowerResult, lowerIdle } from '../../../src/jobs/grid/lower.ts';
import { tick } from '../../../src/jobs/watch/tick.ts';
import { OPEN_PREFIX } from '../../../src/model/keys.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { GroupStatus, WorkerGroup } from '../../../src/ports/worker-group.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

const JOB = 'name: claims\ninput: { split: { by: range, from: 1, to: 3 } }\nsteps: [{ name: one, run: [cat] }]\n';
const HUNG: GroupStatus = {
  ...{ group: 'default', desired: 20, min: 0, max: 50, mode: 'auto', running: 0, until: null },
  machines: { inService: 2, pending: 0, terminating: 0, protected: 0 },
};

describe('lowering a group whose launches hang', () => {
  const place = forEachTest(openPlace);
  let clock: FakeClock;
  let status: GroupStatus;
  let seen: LowerResult;
  const troubles: string[] = [];
  let groups: readonly string[];

  beforeEach(() => {
    clock = new FakeClock();
    status = HUNG;
    seen = { lowered: [], short: new Map() };
    troubles.length = 0;
    groups = ['default'];
  });

  /** A manager's round this many minutes later. */
  async function round(minutes = 0, store = place.platform.store): Promise<LowerResult['lowered']> {
    clock.pass(minutes * 60);
    const group = {
      group: 'default',
      describe: async () => status,
      lower: async (from: GroupStatus) => {
        expect(from).to.equal(status);
        const { onDemand } = from;
        return {
          ...{ ...from, desired: from.machines?.inService ?? 0 },
          ...(onDemand && { onDemand: { ...onDemand, base: onDemand.usual, raisedAt: null } }),
        };
      },
    } as unknown as WorkerGroup;
    const platform: Platform = {
      ...place.platform,
      remote: true,
      ...{ clock, store },
      groups,
      group: async () => group,
    };
    seen = await lowerIdle(platform, seen.short, (name, error) => troubles.push(`${name}: ${error}`));
    return seen.lowered;
  }

  it('happens only after ten minutes without a change', async () => {
    expect(await round()).to.deep.equal([]);
    expect(await round(9)).to.deep.equal([]);
    expect(await round(1)).to.deep.equal([{ group: 'default', from: 20, to: 2, onDemand: null }]);
    expect(seen.short.size).to.equal(0);
  });

  it('reads the running jobs once for all groups, and not at all while messages wait', async () => {
    const { store } = place.platform;
    let listings = 0;
    const counted = wrapStore(store, {
      keys: (prefix, options) => {
        if (prefix === OPEN_PREFIX) listings += 1;
        return store.keys(prefix, options);
      },
      list: (prefix, options) => {
        if (prefix === OPEN_PREFIX) listings += 1;
        return store.list(prefix, options);
      },
    });
    groups = ['default', 'gpu', 'more'];
    await round(0, counted);
    expect([...seen.short.keys()]).to.deep.equal(groups);
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
    expect(await round(10)).to.deep.equal([{ group: 'default', from: 30, to: 2, onDemand: null }]);
  });

  it('ends on-demand replacements for spot once nothing has waited for ten minutes', async () => {
    const onDemand = { base: 6, usual: 1, most: 10, raisedAt: 5 };
    status = { ...HUNG, desired: 2, onDemand };
    expect(await round()).to.deep.equal([]);
    expect(await round(9)).to.deep.equal([]);
    status = { ...status, onDemand: { ...onDemand, base: 7 } };
    expect(await round(9), 'more were requested meanwhile').to.deep.equal([]);
    expect(await round(10)).to.deep.equal([{ group: 'default', from: 2, to: 2, onDemand: 1 }]);
    status = { ...status, mode: 'manual' };
    for (const minutes of [0, 10, 10]) expect(await round(minutes)).to.deep.equal([]);
  });

  it('leaves the group alone while an open job has a task for it, even without a message', async () => {
    await submitJob(place, JOB, {});
    await (await place.platform.queue('default')).purge({});
    for (const minutes of [0, 10, 10]) expect(await round(minutes)).to.deep.equal([]);
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
    const asked: number[] = [];
    const group = {
      describe: async () => status,
      lower: async (from: GroupStatus) => {
        asked.push(from.desired);
        return { ...from, desired: 2 };
      },
    } as unknown as WorkerGroup;
    /** A new process each time: its monotonic clock starts again. */
    const later = (minutes: number): Platform => ({
      ...{ ...place.platform, remote: true, groups: ['default'], group: async () => group },
      clock: new FakeClock(clock.now() + minutes * 60_000),
    });
    expect((await tick(later(0), { dryRun: false })).lowered).to.deep.equal([]);
    expect((await tick(later(5), { dryRun: false })).lowered).to.deep.equal([]);
    expect((await tick(later(10), { dryRun: true })).lowered).to.deep.equal([]);
    expect((await tick(later(10), { dryRun: false })).lowered).to.deep.equal([
      { group: 'default', from: 20, to: 2, onDemand: null },
    ]);
    expect(asked).to.deep.equal([20]);
  });

  it("reports a group that can't be queried", async () => {
    const { BatchctlError } = await import('../../../src/errors.ts');
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
