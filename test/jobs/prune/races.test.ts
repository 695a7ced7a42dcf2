// Protects: prune never removes what a job submitted at the same moment is about to read.
import { expect } from 'chai';
import { append, readEntries, requireView } from '../../../src/jobs/journal.ts';
import { choosePrunable, prune, pruneJob } from '../../../src/jobs/prune/prune.ts';
import { jobKey, jobPrefix, journalKey, outKey } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import { obeyJournals } from '../../../src/worker/decisions.ts';
import { JobCache } from '../../../src/worker/job-cache.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { keysBelow } from '../../support/stored.ts';
import { beforeFirstPut } from '../../support/wrap-store.ts';
import { openPlace, putJob } from '../published-job.ts';
import { publishAll, submitJob } from '../submitted-job.ts';

const YAML = `
name: claims
input: { from: a.csv, split: { by: lines, every: 1 } }
steps:
  - { name: price, run: [cat] }
`;

describe('prune and a submission at the same time', () => {
  const place = forEachTest(openPlace);
  const finished = async (): Promise<JobView> =>
    publishAll(place.platform, await submitJob(place, YAML, { 'a.csv': '1\n2\n' }));
  const pruneAll = async () => prune(place.platform, await choosePrunable(place.platform, 0), 0, {});
  const reading = (source: JobView) => YAML.replace('a.csv, split', `"job:${source.record.job}/price", split`);

  it('refuse a submission that reads a job pruned before its job.json exists, and leave nothing of it', async () => {
    const source = await finished();
    const { store } = place.platform;
    const racing = beforeFirstPut(store, (key) => key.endsWith('/job.json'), pruneAll);
    const late = { ...place, platform: { ...place.platform, store: racing } };
    await failsWith('notFound', submitJob(late, reading(source), {}));
    const left = await keysBelow(store, 'jobs/', 'open/');
    expect(left.filter((key) => !key.startsWith(jobPrefix(source.record.job)))).to.deep.equal([]);
  });

  it('remove nothing that a job submitted meanwhile reads, until that job is closed', async () => {
    const source = await finished();
    const choice = await choosePrunable(place.platform, 0);
    const reader = await submitJob(place, reading(source), {});
    // The reader was committed before the decision, and looked too early to see it.
    await prune(place.platform, choice, 0, {});
    const out = outKey(source.record.job, 'price', 0);
    expect(await place.platform.store.head(out)).not.to.equal(null);
    const { spared } = await pruneAll();
    expect(spared.map(({ job, why }) => [job, why])).to.deep.include([source.record.job, 'read']);
    expect(await place.platform.store.head(out)).not.to.equal(null);
    await publishAll(place.platform, reader);
    await pruneAll();
    expect(await place.platform.store.head(out)).to.equal(null);
    expect((await readEntries(place.platform.store, source.record.job)).at(-1)?.what).to.equal('prune');
    expect(await place.platform.store.head(jobKey(source.record.job))).not.to.equal(null);
  });

  it('remove nothing of a job that was retried and closed again since it was selected', async () => {
    const { store } = place.platform;
    const seen = await finished();
    const retry = { what: 'retry', round: 1, tasks: { price: '0' }, canaries: null, overrides: {} } as const;
    const { view } = await append(place.platform, seen, () => retry);
    await append(place.platform, view, () => ({ what: 'close', state: 'failed', reason: 'failures', round: 1 }));
    expect(await pruneJob(place.platform, seen, {})).to.equal(null);
    expect((await readEntries(store, seen.record.job)).at(-1)?.what).to.equal('close');
    expect(await store.head(outKey(seen.record.job, 'price', 0))).not.to.equal(null);
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
      end: (why: string, which: (a: unknown) => boolean) => {
        for (const a of running) if (which(a)) ended.push(`${a.task.message.job} ${why}`);
      },
    };
    const troubled: string[] = [];
    await obeyJournals(store, new JobCache(store, 1), dispatcher as never, (job) => troubled.push(job));
    expect(ended).to.deep.equal([`${other.record.job} cancel`]);
    expect(troubled).to.deep.equal([newer.record.job]);
    await failsWith('newer', requireView(store, newer.record.job));
  });
});
