// Protects: a job ends as succeeded or failed by its rules, even when workers know an old journal.
import { expect } from 'chai';
import { retry } from '../../../src/jobs/change/retry.ts';
import { refreshView } from '../../../src/jobs/journal.ts';
import { listFacts } from '../../../src/jobs/listing.ts';
import { guardFailures } from '../../../src/jobs/watch/guards.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { standingOf } from '../../../src/model/decide.ts';
import { encodeMessage } from '../../../src/model/message.ts';
import { stateOf } from '../../../src/model/view.ts';
import { admit } from '../../../src/worker/admit.ts';
import { JobCache } from '../../../src/worker/job-cache.ts';
import { addEntry, attemptEnded, claimsJob, delivered, failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { beforeFirstPut } from '../../support/wrap-store.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

describe('verdicts', () => {
  const place = forEachTest(openPlace);

  it('a gather that failed for good fails the job, however many failures are tolerated', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(1), {});
    const { job } = view.record;
    for (let n = 0; n < 4; n += 1) await publishSmall({ platform, view }, 'price', n, 'x');
    await look(platform, view);
    await failForGood(platform, job, 'total', 0);
    const after = await look(platform, view);
    expect(stateOf(after.view)).to.equal('failed');
  });

  it('an output outranks the failure of its task (law 4)', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0).replace(/ {2}- \{ name: total.*\n/, ''), {});
    for (let n = 0; n < 4; n += 1) await publishSmall({ platform, view }, 'price', n, 'x');
    await failForGood(platform, view.record.job, 'price', 2);
    const { standing, view: after } = await look(platform, view);
    expect([standing.steps[0]?.failed, stateOf(after)]).to.deep.equal([0, 'succeeded']);
  });

  it('onFailure: stop counts only tasks that failed in its round and were not skipped', async () => {
    const { platform } = place;
    const view = await submitJob(place, `${claimsJob(1)}onFailure: stop\n`, {});
    const { job } = view.record;
    const ledger = await platform.ledger();
    for (const task of [0, 1]) {
      await failForGood(platform, job, 'price', task);
      await ledger.record([attemptEnded(job, task)]);
    }
    let now = await guardFailures(platform, view);
    expect(now.stopped).to.not.equal(null);
    now = (await look(platform, now)).view;
    const { view: retried } = await retry(platform, now);
    // One of them fails again: one is tolerated.
    await failForGood(platform, job, 'price', 0, 1);
    await ledger.record([attemptEnded(job, 0, 1)]);
    const after = await guardFailures(platform, retried);
    expect(after.stopped, 'stopped again').to.equal(null);
  });

  it('a close decides again if the journal moved between listing and entry', async () => {
    const { platform } = place;
    const view0 = await submitJob(place, claimsJob(0).replace(/ {2}- \{ name: total.*\n/, ''), {});
    for (const n of [0, 1, 2]) await publishSmall({ platform, view: view0 }, 'price', n, 'x');
    const view = await addEntry(platform, view0, { what: 'skip', tasks: { price: '3' }, reason: 'x' });
    const isEntry = (key: string): boolean => key.includes('/journal/');
    const store = beforeFirstPut(platform.store, isEntry, () =>
      addEntry(platform, view, { what: 'unskip', tasks: { price: '3' } }),
    );
    const { view: after } = await look({ ...platform, store }, view);
    const now = await refreshView(platform.store, after);
    const standing = standingOf(now, await listFacts(platform.store, now));
    expect({ state: stateOf(now), undecided: standing.steps[0]?.undecided.count }).to.deep.equal({
      state: 'running',
      undecided: 1,
    });
  });

  it("a worker with an old copy of the journal doesn't drop tasks that the canary released", async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const { job } = view.record;
    for (let n = 0; n < 4; n += 1) await failForGood(platform, job, 'price', n);
    const { view: after } = await retry(platform, view, { canaries: 1 });
    const jobs = new JobCache(platform.store, 5_000);
    await jobs.get(job);
    await publishSmall({ platform, view: after }, 'price', 0, 'x');
    const { did } = await look(platform, after);
    expect(did).to.include('retry-rest');
    const found = await admit(
      platform.store,
      jobs,
      delivered(encodeMessage({ job, step: 'price', task: 3, round: 1 })),
      { group: 'default', now: Date.now() },
    );
    expect(found.kind === 'refused' ? found.outcome : found.kind).to.equal('admitted');
  });

  it('a worker drops nothing that an undone skip requests again', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const { job } = view.record;
    const jobs = new JobCache(platform.store, 5_000);
    let now = await addEntry(platform, view, { what: 'skip', tasks: { price: '3' }, reason: 'x' });
    await jobs.get(job);
    now = await addEntry(platform, now, { what: 'unskip', tasks: { price: '3' } });
    const found = await admit(
      platform.store,
      jobs,
      delivered(encodeMessage({ job, step: 'price', task: 3, round: 0 })),
      { group: 'default', now: Date.now() },
    );
    expect(found.kind === 'refused' ? found.outcome : found.kind).to.equal('admitted');
  });
});
