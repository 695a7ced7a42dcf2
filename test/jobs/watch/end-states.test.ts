// Protects: a job ends as succeeded or failed by its rules, even when workers know an old journal.
import { expect } from 'chai';
import { retry } from '../../../src/jobs/change/retry.ts';
import { refreshView } from '../../../src/jobs/journal.ts';
import { listFacts } from '../../../src/jobs/listing.ts';
import { guardFailures } from '../../../src/jobs/watch/guards.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { standingOf } from '../../../src/model/decide.ts';
import { encodeMessage, type TaskMessage } from '../../../src/model/message.ts';
import { type JobView, stateOf } from '../../../src/model/view.ts';
import { admit } from '../../../src/worker/admit.ts';
import { JobCache } from '../../../src/worker/job-cache.ts';
import { addEntry, claimsJob, delivered, endedAttempt, failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { beforeFirstPut } from '../../support/wrap-store.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

describe('the end of a job', () => {
  const place = forEachTest(openPlace);
  const withoutGather = claimsJob(0).replace(/ {2}- \{ name: total.*\n/, '');

  const publish = async (view: JobView, ...tasks: readonly number[]): Promise<void> => {
    for (const task of tasks) await publishSmall({ platform: place.platform, view }, 'price', task, 'x');
  };
  const fail = async ({ record }: JobView, ...tasks: readonly number[]): Promise<void> => {
    for (const task of tasks) await failForGood(place.platform, record.job, 'price', task);
  };
  /** How a worker that has this copy of the journal treats a message. */
  async function admitted(jobs: JobCache, message: TaskMessage): Promise<string> {
    const delivery = delivered(encodeMessage(message));
    const found = await admit(place.platform.store, jobs, delivery, { group: 'default', now: Date.now() });
    return found.kind === 'refused' ? JSON.stringify(found.outcome) : found.kind;
  }

  it('is a failure if a gather failed for good, however many failures are tolerated', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(1), {});
    await publish(view, 0, 1, 2, 3);
    await look(platform, view);
    await failForGood(platform, view.record.job, 'total', 0);
    expect(stateOf((await look(platform, view)).view)).to.equal('failed');
  });

  it('counts a task with an output as done, although it also failed (law 4)', async () => {
    const view = await submitJob(place, withoutGather, {});
    await publish(view, 0, 1, 2, 3);
    await fail(view, 2);
    const { standing, view: after } = await look(place.platform, view);
    expect([standing.steps[0]?.failed, stateOf(after)]).to.deep.equal([0, 'succeeded']);
  });

  it('comes with onFailure: stop only for tasks that failed in their round and were not skipped', async () => {
    const { platform } = place;
    const view = await submitJob(place, `${claimsJob(1)}onFailure: stop\n`, {});
    const { job } = view.record;
    const ledger = await platform.ledger();
    await fail(view, 0, 1);
    await ledger.record([0, 1].map((task) => endedAttempt(job, task)));
    const stopped = await guardFailures(platform, view);
    expect(stopped.stopped).to.not.equal(null);
    const { view: retried } = await retry(platform, (await look(platform, stopped)).view);
    // One of them fails again: one is tolerated.
    await failForGood(platform, job, 'price', 0, 1);
    await ledger.record([endedAttempt(job, 0, 1)]);
    expect((await guardFailures(platform, retried)).stopped, 'stopped again').to.equal(null);
  });

  it('is decided again if the journal changed between listing and entry', async () => {
    const { platform } = place;
    const submitted = await submitJob(place, withoutGather, {});
    await publish(submitted, 0, 1, 2);
    const view = await addEntry(platform, submitted, { what: 'skip', tasks: { price: '3' }, reason: 'x' });
    const isEntry = (key: string): boolean => key.includes('/journal/');
    const store = beforeFirstPut(platform.store, isEntry, () =>
      addEntry(platform, view, { what: 'unskip', tasks: { price: '3' } }),
    );
    const { view: after } = await look({ ...platform, store }, view);
    const now = await refreshView(platform.store, after);
    const { steps } = standingOf(now, await listFacts(platform.store, now));
    expect([stateOf(now), steps[0]?.undecided.count]).to.deep.equal(['running', 1]);
  });

  it('does not come too early because a worker with an old journal drops tasks that the canary released', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const { job } = view.record;
    await fail(view, 0, 1, 2, 3);
    const { view: after } = await retry(platform, view, { canaries: 1 });
    const jobs = new JobCache(platform.store, 5_000);
    await jobs.get(job);
    await publish(after, 0);
    expect((await look(platform, after)).did).to.include('retry-rest');
    expect(await admitted(jobs, { job, step: 'price', task: 3, round: 1 })).to.equal('admitted');
  });

  it('does not come too early because a worker with an old journal drops a task whose skip was undone', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const { job } = view.record;
    const jobs = new JobCache(platform.store, 5_000);
    const skipped = await addEntry(platform, view, { what: 'skip', tasks: { price: '3' }, reason: 'x' });
    await jobs.get(job);
    await addEntry(platform, skipped, { what: 'unskip', tasks: { price: '3' } });
    expect(await admitted(jobs, { job, step: 'price', task: 3, round: 0 })).to.equal('admitted');
  });
});
