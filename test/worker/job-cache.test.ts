// Protects: a worker never goes back to an older journal than it has read.
import { expect } from 'chai';
import { journalKey } from '../../src/model/keys.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { addEntry, claimsJob } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { wrapStore } from '../support/wrap-store.ts';

describe('the journals that a worker has read', () => {
  const place = forEachTest(openPlace);

  it('stay as new as they were if a read that began earlier ends later', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    let continueRead = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      continueRead = resolve;
    });
    let isFirst = true;
    const store = wrapStore(platform.store, {
      read: async (key, options) => {
        const found = await platform.store.read(key, options);
        if (key === journalKey(view.record.job, view.next) && isFirst) {
          isFirst = false;
          await held;
        }
        return found;
      },
    });
    const jobs = new JobCache(store, 1e9);
    await jobs.get(view.record.job);
    const slow = jobs.refresh(view);
    const paused = await addEntry(platform, view, { what: 'pause', now: false, reason: 'me' });
    expect((await jobs.refresh(view)).next).to.equal(paused.next);
    continueRead();
    expect((await slow).next).to.equal(paused.next);
    expect(jobs.hasNewer(view)).to.equal(true);
    expect(await jobs.get(view.record.job)).to.have.property('next', paused.next);
  });
});
