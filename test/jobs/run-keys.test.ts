// Protects: the runs of a key are its own, numbered in the order of their claims, whatever other keys begin like it.
import { expect } from 'chai';
import { claimRun, existingRun, runsOf } from '../../src/jobs/run-keys.ts';
import { forEachTest } from '../support/fixture.ts';
import { openPlace } from './published-job.ts';

/** Each begins with another one, or is what another one's claims are below. */
const KEYS = ['k', 'k1', 'k-1', 'k.1', 'k11', 'k@2026-11', 'close-1', 'close-11', 'close-1.0000'];

describe('the runs of a key', () => {
  const place = forEachTest(openPlace);
  const claim = async (runKey: string, runNumber: number) => {
    const job = `job-of-${runKey.replace(/[^a-z0-9]/g, '-')}-${runNumber}`;
    const standing = await claimRun(
      place.platform.store,
      { job, runKey, runNumber },
      { format: 1, job, digest: `${runKey} ${runNumber}` },
    );
    expect(standing.job).to.equal(job);
    return job;
  };

  it('are not mixed with those of keys with the same beginning', async () => {
    const runs = new Map(KEYS.map((key, at) => [key, at % 4]));
    for (const [key, count] of runs) for (let number = 0; number < count; number += 1) await claim(key, number);
    for (const [key, count] of runs) {
      const { latest, next } = await runsOf(place.platform, key);
      expect(next, key).to.equal(count);
      expect(latest?.number ?? -1, key).to.equal(count - 1);
      expect(latest?.claim.digest ?? null, key).to.equal(count === 0 ? null : `${key} ${count - 1}`);
    }
  });

  it('have none of a submission that was discarded, although it may still claim', async () => {
    const { store } = place.platform;
    const keyed = { job: 'slow', runKey: 'k', runNumber: 0 };
    const gone = { format: 1, job: '', digest: '', discarded: 'slow' } as const;
    await claimRun(store, keyed, gone);
    const standing = await claimRun(store, keyed, { format: 1, job: 'slow', digest: 'd' });
    expect(standing).to.include({ job: '', discarded: 'slow' });
    expect((await runsOf(place.platform, 'k')).latest).to.equal(null);
  });

  it('go on after the latest, past numbers of discarded submissions', async () => {
    const first = await claim('k', 0);
    await claim('k1', 0);
    await claim('k1', 1);
    const gone = { format: 1, job: '', digest: '', discarded: 'lost' } as const;
    await claimRun(place.platform.store, { job: 'lost', runKey: 'k', runNumber: 1 }, gone);
    expect(await runsOf(place.platform, 'k')).to.deep.include({ next: 2 });
    expect((await existingRun(place.platform, 'k'))?.claim.job).to.equal(first);
    const second = await claim('k', 1);
    expect(await existingRun(place.platform, 'k')).to.deep.include({ number: 2 });
    expect((await existingRun(place.platform, 'k'))?.claim.job).to.equal(second);
  });
});
