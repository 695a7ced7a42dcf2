// Protects: prune never removes what a job submitted at the same moment is about to read.
import { expect } from 'chai';
import { requireView } from '../../../src/jobs/journal.ts';
import { choosePrunable, prune, pruneJob } from '../../../src/jobs/prune/prune.ts';
import { jobKey, jobPrefix, journalKey, outKey } from '../../../src/model/keys.ts';
import { obeyJournals } from '../../../src/worker/decisions.ts';
import { JobCache } from '../../../src/worker/job-cache.ts';
import { retryOf } from '../../model/job-of.ts';
import { addEntry } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { entryKinds, keysBelow } from '../../support/stored.ts';
import { beforeFirstPut } from '../../support/wrap-store.ts';
import { openPlace, putJob } from '../published-job.ts';
import { publishAll, submitJob } from '../submitted-job.ts';
import { finishedJob, pruneAll, readerOf } from './finished-job.ts';

describe('prune and a submission at the same time', () => {
  const place = forEachTest(openPlace);
  const isStored = async (key: string) => (await place.platform.store.head(key)) !== null;

  it('refuse a submission that reads a job that is pruned before the commit, and leave nothing of it', async () => {
    const source = await finishedJob(place);
    const { store } = place.platform;
    const racing = beforeFirstPut(
      store,
      (key) => key.endsWith('/job.json'),
      () => pruneAll(place.platform),
    );
    const late = { ...place, platform: { ...place.platform, store: racing } };
    await failsWith('notFound', submitJob(late, readerOf(source), {}));
    const left = await keysBelow(store, 'jobs/', 'open/');
    expect(left.filter((key) => !key.startsWith(jobPrefix(source.record.job)))).to.deep.equal([]);
  });

  it('keep what a job submitted meanwhile reads, until that job is closed', async () => {
    const source = await finishedJob(place);
    const choice = await choosePrunable(place.platform, 0);
    const reader = await submitJob(place, readerOf(source), {});
    // The reader was committed before the decision, and was read too early to know it.
    await prune(place.platform, choice, 0, {});
    const out = outKey(source.record.job, 'price', 0);
    expect(await isStored(out)).to.equal(true);
    const { spared } = await pruneAll(place.platform);
    expect(spared.map(({ job, why }) => [job, why])).to.deep.include([source.record.job, 'read']);
    expect(await isStored(out)).to.equal(true);
    await publishAll(place.platform, reader);
    await pruneAll(place.platform);
    expect(await isStored(out)).to.equal(false);
    expect((await entryKinds(place.platform.store, source.record.job)).at(-1)).to.equal('prune');
    expect(await isStored(jobKey(source.record.job))).to.equal(true);
  });

  it('keep a job that was retried and closed again since it was selected', async () => {
    const { platform } = place;
    const selected = await finishedJob(place);
    const { job } = selected.record;
    const view = await addEntry(platform, selected, retryOf(1, { price: '0' }));
    await addEntry(platform, view, { what: 'close', state: 'failed', reason: 'failures', round: 1 });
    expect(await pruneJob(platform, selected, {})).to.equal(null);
    expect((await entryKinds(platform.store, job)).at(-1)).to.equal('close');
    expect(await isStored(outKey(job, 'price', 0))).to.equal(true);
  });

  it("let a worker obey another job's cancel although a journal has a later version", async () => {
    const { store } = place.platform;
    const newer = await putJob(place.platform, [{ name: 'a' }], { job: 'aaa-20261130-0600-abcde' });
    const other = await putJob(place.platform, [{ name: 'a' }], { job: 'bbb-20261130-0600-abcde' });
    const base = { format: 1, id: 'x', when: '2026-11-30T06:00:00.000Z', who: 'me' };
    await store.put(journalKey(newer.record.job, 0), JSON.stringify({ ...base, what: 'freeze' }));
    await store.put(journalKey(other.record.job, 0), JSON.stringify({ ...base, what: 'cancel' }));
    const running = [newer, other].map((view) => ({
      task: { message: { job: view.record.job, step: 'price', task: 0, round: 0 }, view, index: 0 },
    }));
    const ended: string[] = [];
    const dispatcher = {
      running: () => running,
      end: (reason: string, isMeant: (attempt: unknown) => boolean) => {
        for (const attempt of running) if (isMeant(attempt)) ended.push(`${attempt.task.message.job} ${reason}`);
      },
    };
    const troubles: string[] = [];
    await obeyJournals(store, new JobCache(store, 1), dispatcher as never, (job) => troubles.push(job));
    expect(ended).to.deep.equal([`${other.record.job} cancel`]);
    expect(troubles).to.deep.equal([newer.record.job]);
    await failsWith('newer', requireView(store, newer.record.job));
  });
});
