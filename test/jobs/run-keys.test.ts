// Protects: the runs of a key are its own, numbered in the order of their claims, whatever other keys begin like it.
import { expect } from 'chai';
import { claimRun, decidingClaim, existingRun, keyedOf, runsOf } from '../../src/jobs/run-keys.ts';
import { runClaimKey } from '../../src/model/keys.ts';
import { viewOf } from '../model/job-of.ts';
import { forEachTest } from '../support/fixture.ts';
import { failsWith } from '../support/rejection.ts';
import { wrapStore } from '../support/wrap-store.ts';
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

  it('are decided each by the claim at its own number', async () => {
    for (const number of [0, 1]) await claim('k', number);
    const keyed = { job: 'job-of-k-1', runKey: 'k', runNumber: 1 };
    expect((await decidingClaim(place.platform.store, keyed))?.job).to.equal('job-of-k-1');
  });

  it('are not told by a claim that is damaged', async () => {
    await place.platform.store.put(runClaimKey('k', 0), '{"format":1,"job":"a"}');
    await failsWith('corrupt', existingRun(place.platform, 'k'));
  });

  it('are those of jobs that have both a key and a number', () => {
    const job = { ...viewOf([]).record, runKey: 'k', runNumber: 0 };
    expect(keyedOf(job)).to.deep.equal({ job: job.job, runKey: 'k', runNumber: 0 });
    expect(keyedOf({ ...job, runNumber: null })).to.equal(null);
    expect(keyedOf({ ...job, runKey: null })).to.equal(null);
  });

  it('belong to the job that claimed the number after one whose submission was discarded', async () => {
    const { store } = place.platform;
    const gone = { format: 1, job: '', digest: '', discarded: 'lost' } as const;
    await claimRun(store, { job: 'lost', runKey: 'k', runNumber: 0 }, gone);
    const keyed = { job: 'late', runKey: 'k', runNumber: 0 };
    expect(await decidingClaim(store, keyed)).to.equal(null);
    const claimed = await claimRun(store, keyed, { format: 1, job: 'late', digest: 'd' });
    expect(claimed).to.deep.equal({ format: 1, job: 'late', digest: 'd', runKey: 'k', number: 1 });
    expect(await decidingClaim(store, keyed)).to.deep.equal(claimed);
    expect(await decidingClaim(store, { ...keyed, job: 'lost' })).to.include({ discarded: 'lost' });
  });

  it('keep their numbers if earlier claims are gone', async () => {
    for (const number of [0, 1, 2]) await claim('k', number);
    await place.platform.store.delete([runClaimKey('k', 0)]);
    expect(await runsOf(place.platform, 'k')).to.deep.include({ next: 3 });
  });

  it('go on after ten thousand, whose numbers sort differently as text', async () => {
    for (const number of [999, 1_000, 9_999, 10_000, 10_001]) await claim('k', number);
    const { latest, next } = await runsOf(place.platform, 'k');
    expect([latest?.number, latest?.claim.job, next]).to.deep.equal([10_001, 'job-of-k-10001', 10_002]);
  });

  it('are claimed again if a claim vanishes before it is read', async () => {
    const { store } = place.platform;
    await claim('k', 0);
    const read: typeof store.read = async (key, options) => {
      await store.delete([runClaimKey('k', 0)]);
      return store.read(key, options);
    };
    const mine = { format: 1, job: 'mine', digest: 'd' } as const;
    await claimRun(wrapStore(store, { read }), { job: 'mine', runKey: 'k', runNumber: 0 }, mine);
    expect((await existingRun(place.platform, 'k'))?.claim.job).to.equal('mine');
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
