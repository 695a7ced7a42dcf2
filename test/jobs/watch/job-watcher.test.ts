// Protects: a watcher looks at a job as often as it must, and one bad job never hides a failing service.
import { expect } from 'chai';
import { BatchctlError, type ErrorKind } from '../../../src/errors.ts';
import { cancel } from '../../../src/jobs/change/lifecycle.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import { jobKey } from '../../../src/model/keys.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { failsWith } from '../../support/rejection.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

describe('a watcher of jobs', () => {
  const place = forEachTest(openPlace);
  const clock = forEachTest(() => new FakeClock());
  let platform: Platform;
  let job: string;
  beforeEach(async () => {
    platform = { ...place.platform, clock };
    job = (await submitJob(place, JSON.stringify(rangeJob('claims', 5, { name: 'one', run: ['cat'] })), {})).record.job;
  });

  for (const [kind, denied, passes] of [
    ['unavailable', false, false],
    ['full', false, false],
    ['credentials', false, false],
    ['credentials', true, true],
    ['corrupt', false, true],
    ['newer', false, true],
    ['unexpected', false, true],
  ] as const satisfies readonly (readonly [ErrorKind, boolean, boolean])[]) {
    it(`${passes ? 'reports' : 'ends its round at'} an error of kind ${kind}${denied ? ' that denies one action' : ''}`, async () => {
      const other = (await submitJob(place, JSON.stringify(rangeJob('zoo', 2, { name: 'one', run: ['cat'] })), {}))
        .record;
      const error = new BatchctlError(kind, 'no', denied ? { denied: 's3:GetObject on x' } : {});
      const store = wrapStore(platform.store, {
        read: (key, options) => (key === jobKey(job) ? Promise.reject(error) : platform.store.read(key, options)),
      });
      const troubles: string[] = [];
      const onTrouble = (of: string): void => void troubles.push(of);
      const watcher = new JobWatcher({ ...platform, store }, 15, onTrouble, { raises: false });
      if (!passes) {
        await failsWith(kind, watcher.round());
        expect(troubles).to.deep.equal([]);
        return;
      }
      const looks = await watcher.round();
      expect([troubles, [...looks.keys()]]).to.deep.equal([[job], [other.job]]);
      expect(watcher.open).to.equal(2);
    });
  }

  for (const [leaseSeconds, every] of [
    [15, 30],
    [300, 60],
  ] as const) {
    it(`lists a job that stands still every ${every} s, with leases of ${leaseSeconds} s`, async () => {
      const watcher = new JobWatcher(platform, leaseSeconds, undefined, { raises: false });
      const looks = async (): Promise<boolean> => (await watcher.glance(job))?.look !== null;
      expect(await looks()).to.equal(true);
      clock.pass(every - 0.1);
      expect(await looks()).to.equal(false);
      clock.pass(0.1);
      expect(await looks()).to.equal(true);
      expect(await looks()).to.equal(false);
    });
  }

  it('continues the time that a job has stood still from an earlier process, only if nothing moved', async () => {
    const first = new JobWatcher(platform, 15, undefined, { raises: false });
    await first.glance(job);
    const began = clock.monotonic();
    expect(first.positions().get(job)?.since).to.equal(began);
    clock.pass(100);
    const again = new JobWatcher(platform, 15, undefined, { raises: false, stood: first.positions() });
    await again.glance(job);
    expect(again.positions().get(job)?.since).to.equal(began);
    const moved = new Map([[job, { is: 'elsewhere', since: began }]]);
    const other = new JobWatcher(platform, 15, undefined, { raises: false, stood: moved });
    await other.glance(job);
    expect(other.positions().get(job)?.since).to.equal(clock.monotonic());
    await cancel(platform, await requireView(platform.store, job));
    await other.glance(job, true);
    expect(other.positions().size, 'of a job that has ended').to.equal(0);
  });
});
