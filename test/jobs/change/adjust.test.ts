// Protects: adjusting a running job changes exactly the requested fields, and never closes or delays it by accident.
import { expect } from 'chai';
import { adjust } from '../../../src/jobs/change/adjust.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { statusOf } from '../../../src/jobs/status.ts';
import { type JobView, stateOf } from '../../../src/model/view.ts';
import { claimsJob, failForGood } from '../../support/claims-job.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { entryKinds } from '../../support/stored.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { submitJob, work } from '../submitted-job.ts';

describe('adjusting a job', () => {
  const place = forEachTest(openPlace);
  const clock = forEachTest(() => new FakeClock());
  let view: JobView;
  beforeEach(async () => {
    view = await submitJob(place, claimsJob(1), {});
  });

  const reread = () => requireView(place.platform.store, view.record.job);
  const entries = () => entryKinds(place.platform.store, view.record.job);
  const change = async (wanted: Parameters<typeof adjust>[2], dryRun = false) =>
    adjust({ ...place.platform, clock }, await reread(), wanted, { dryRun });

  it('reports the old and the new value, and writes nothing when nothing changes', async () => {
    const finishBy = '2027-01-01T06:00:00.000Z';
    expect((await change({ finishBy, tolerate: '1', maxRunning: 2 })).changes).to.deep.equal([
      { field: 'finishBy', from: null, to: finishBy },
      { field: 'maxRunning', from: null, to: 2 },
    ]);
    expect((await statusOf(place.platform, await reread())).finishBy).to.equal(finishBy);
    expect(await change({ finishBy, tolerate: '1' })).to.deep.include({ changes: [], changed: false });
    expect((await change({ finishBy: null }, true)).changes).to.deep.equal([
      { field: 'finishBy', from: finishBy, to: null },
    ]);
    expect(await entries()).to.deep.equal(['sent', 'adjust']);
    expect((await change({ finishBy: null })).view.finishBy).to.equal(null);
  });

  it('opens the gather that waited for a higher tolerance, before a watcher closes the job under the lower one', async () => {
    for (const n of [0, 1]) await publishSmall({ platform: place.platform, view }, 'price', n, 'x');
    for (const n of [2, 3]) await failForGood(place.platform, view.record.job, 'price', n);
    const { view: after, changed } = await change({ tolerate: '50%' });
    expect({ state: stateOf(after), changed }).to.deep.equal({ state: 'running', changed: true });
    // Two messages for failed tasks, two for published ones, and one for the gather.
    expect((await (await place.platform.queue('default')).backlog()).visible).to.equal(5);
  });

  it('refuses a closed job, and says how to reopen it', async () => {
    for (const n of [0, 1, 2, 3]) await failForGood(place.platform, view.record.job, 'price', n);
    await change({ maxRunning: 5 });
    expect(stateOf(await reread())).to.equal('failed');
    expect((await failsWith('refused', change({ tolerate: '4' }))).hint).to.include('batchctl retry');
  });

  it('refuses an invalid tolerance', async () => {
    expect(await rejection(change({ tolerate: 'some' }))).to.be.instanceOf(RangeError);
    expect(await entries()).to.deep.equal(['sent']);
  });

  describe('a job with a start time', () => {
    const HOUR = 3_600_000;
    const timeIn = (ms: number): string => new Date(clock.now() + ms).toISOString();
    async function submitAt(notBefore: string): Promise<void> {
      const yaml = JSON.stringify(rangeJob('claims', 2, { name: 'price', run: ['cat'] }));
      view = await submitJob(place, yaml, {}, notBefore);
    }

    it('starts at the new time, and at once if that has come', async () => {
      const at = timeIn(HOUR);
      await submitAt(at);
      const later = timeIn(30 * 24 * HOUR);
      expect((await change({ notBefore: later })).changes).to.deep.equal([{ field: 'notBefore', from: at, to: later }]);
      expect((await statusOf(place.platform, await reread())).notBefore).to.equal(later);
      expect((await change({ notBefore: later })).changed).to.equal(false);
      await change({ notBefore: timeIn(0) });
      await work(place.platform);
      expect(stateOf(await reread())).to.equal('succeeded');
    });

    it("can't be delayed once a worker may have started it, but can start sooner", async () => {
      await submitAt(timeIn(5_000));
      const { message, hint } = await failsWith('refused', change({ notBefore: timeIn(HOUR) }));
      expect(message).to.include("is about to start, so its start time can't be changed");
      expect(hint).to.include('batchctl pause');
      expect((await change({ notBefore: timeIn(0) })).changed).to.equal(true);
      const started = await failsWith('refused', change({ notBefore: timeIn(HOUR) }));
      expect(started.message).to.include('may have started already');
      expect(await entries()).to.deep.equal(['sent', 'adjust']);
    });

    it("can't start after its deadline, whichever of the two is changed", async () => {
      await submitAt(timeIn(HOUR));
      await change({ finishBy: timeIn(3 * HOUR) });
      for (const wanted of [{ notBefore: timeIn(4 * HOUR) }, { finishBy: timeIn(HOUR / 2) }]) {
        await failsWith('refused', change(wanted));
      }
      expect((await change({ notBefore: timeIn(4 * HOUR), finishBy: timeIn(5 * HOUR) })).changes).to.have.length(2);
    });
  });

  it('changes nothing if a started job is to start now', async () => {
    const now = new Date(clock.now()).toISOString();
    expect((await change({ notBefore: now })).changed).to.equal(false);
    expect((await change({ notBefore: now, maxRunning: 3 })).view.notBefore).to.equal(null);
  });
});
