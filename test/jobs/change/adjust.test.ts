// Protects: adjusting a running job changes exactly what was asked, and never closes or delays it by accident.
import { expect } from 'chai';
import { isBatchctlError } from '../../../src/errors.ts';
import { adjust } from '../../../src/jobs/change/adjust.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { statusOf } from '../../../src/jobs/status.ts';
import { type JobView, stateOf } from '../../../src/model/view.ts';
import { claimsJob, failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { entriesOf } from '../../support/stored.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { submitJob, work } from '../submitted-job.ts';

describe('adjusting a job', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  beforeEach(async () => {
    view = await submitJob(place, claimsJob(1), {});
  });

  const reread = () => requireView(place.platform.store, view.record.job);
  const whats = () => entriesOf(place.platform.store, view.record.job);
  const change = async (wanted: Parameters<typeof adjust>[2], dryRun = false) =>
    adjust(place.platform, await reread(), wanted, { dryRun });

  it('reports the old and the new value, and writes nothing when nothing changes', async () => {
    const finishBy = '2027-01-01T06:00:00.000Z';
    const first = await change({ finishBy, tolerate: '1', maxRunning: 2 });
    expect(first.changes).to.deep.equal([
      { field: 'finishBy', from: null, to: finishBy },
      { field: 'maxRunning', from: null, to: 2 },
    ]);
    expect((await statusOf(place.platform, await reread())).finishBy).to.equal(finishBy);
    expect(await change({ finishBy, tolerate: '1' })).to.deep.include({ changes: [], changed: false });
    expect((await change({ finishBy: null }, true)).changes).to.deep.equal([
      { field: 'finishBy', from: finishBy, to: null },
    ]);
    expect(await whats()).to.deep.equal(['sent', 'adjust']);
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
    const error = await rejection(change({ tolerate: '4' }));
    expect(error).to.include({ kind: 'refused' });
    expect(isBatchctlError(error) ? error.hint : '').to.include('batchctl skip');
  });

  it('refuses an invalid tolerance', async () => {
    expect(await rejection(change({ tolerate: 'some' }))).to.be.instanceOf(RangeError);
    expect(await whats()).to.deep.equal(['sent']);
  });

  describe('a job with a start time', () => {
    const HOUR = 3_600_000;
    const RANGE =
      'name: claims\ninput: { split: { by: range, from: 1, to: 2 } }\nsteps: [{ name: price, run: [cat] }]\n';
    const ahead = (ms: number): string => new Date(Date.now() + ms).toISOString();
    const begins = async (ms: number): Promise<string> => {
      const at = ahead(ms);
      view = await submitJob(place, RANGE, {}, at);
      return at;
    };

    it('moves its start, and starts at once if told to', async () => {
      const at = await begins(HOUR);
      const later = ahead(30 * 24 * HOUR);
      expect((await change({ notBefore: later })).changes).to.deep.equal([{ field: 'notBefore', from: at, to: later }]);
      expect((await statusOf(place.platform, await reread())).notBefore).to.equal(later);
      expect((await change({ notBefore: later })).changed).to.equal(false);
      await change({ notBefore: ahead(0) });
      await work(place.platform);
      expect(stateOf(await reread())).to.equal('succeeded');
    });

    it("can't be delayed once a worker may have started it, but can start sooner", async () => {
      await begins(5_000);
      const error = await rejection(change({ notBefore: ahead(HOUR) }));
      expect(error).to.include({ kind: 'refused' });
      expect((error as Error).message).to.include("is about to start, so its start time can't be changed");
      expect(isBatchctlError(error) ? error.hint : '').to.include('batchctl pause');
      expect((await change({ notBefore: ahead(0) })).changed).to.equal(true);
      expect((await rejection(change({ notBefore: ahead(HOUR) }))) as Error)
        .to.have.property('message')
        .that.includes('may have started already');
      expect(await whats()).to.deep.equal(['sent', 'adjust']);
    });

    it("can't start after its deadline, whichever of the two is changed", async () => {
      await begins(HOUR);
      await change({ finishBy: ahead(3 * HOUR) });
      for (const wanted of [{ notBefore: ahead(4 * HOUR) }, { finishBy: ahead(HOUR / 2) }]) {
        expect(await rejection(change(wanted))).to.include({ kind: 'refused' });
      }
      expect((await change({ notBefore: ahead(4 * HOUR), finishBy: ahead(5 * HOUR) })).changes).to.have.length(2);
    });
  });

  it('stays as it is when a started job is told to start now', async () => {
    const now = new Date().toISOString();
    expect((await change({ notBefore: now })).changed).to.equal(false);
    expect((await change({ notBefore: now, maxRunning: 3 })).view.notBefore).to.equal(null);
  });
});
