// Protects: an older version or a late writer never damages a job that was pruned, closed or changed.
import { expect } from 'chai';
import { append, readJob, requireView } from '../../src/jobs/journal.ts';
import { choosePrunable, prune } from '../../src/jobs/prune/prune.ts';
import { repairJob } from '../../src/jobs/verify/repair.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { standingOf } from '../../src/model/decide.ts';
import { codeKey, jobKey, journalKey, outPrefix, runClaimKey, stagedPrefix } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { factsOf, viewOf } from '../model/job-of.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forEachTest } from '../support/fixture.ts';
import { failsWith } from '../support/rejection.ts';
import { entryKinds } from '../support/stored.ts';
import { agedStore, wrapStore } from '../support/wrap-store.ts';
import { attemptOf, openPlace, putJob } from './published-job.ts';
import { LINES, publishAll, submitJob } from './submitted-job.ts';

const DAY = 24 * 3_600_000;

describe('fences of the journal', () => {
  const place = forEachTest(openPlace);
  const finished = async (): Promise<JobView> =>
    publishAll(place.platform, await submitJob(place, LINES, { 'a.csv': '1\n2\n' }));
  const entries = (view: JobView) => entryKinds(place.platform.store, view.record.job);
  const pruneAll = async (platform: Platform = place.platform) =>
    prune(platform, await choosePrunable(platform, 0), 0, {});

  it('reports an entry of an unknown kind as written by a newer version, instead of ignoring it', async () => {
    const view = await putJob(place.platform, [{ name: 'a' }]);
    const entry = { format: 1, id: 'x', when: '2026-11-30T06:00:00.000Z', who: 'me', what: 'freeze' };
    await place.platform.store.put(journalKey(view.record.job, 0), JSON.stringify(entry));
    await failsWith('newer', requireView(place.platform.store, view.record.job));
  });

  it('accepts a job with a run key only if the key names it, so the loser of a claim is no job', async () => {
    const { store } = place.platform;
    const { record } = await putJob(place.platform, [{ name: 'a' }]);
    await store.put(jobKey(record.job), JSON.stringify({ ...record, runKey: 'june', runNumber: 0 }));
    expect(await readJob(store, record.job), 'not claimed yet').to.equal(null);
    const claim = { format: 1, job: 'claims-20261130-0600-other', digest: record.digest };
    await store.put(runClaimKey('june', 0), JSON.stringify(claim));
    expect(await readJob(store, record.job), 'claimed for another job').to.equal(null);
    await store.put(runClaimKey('june', 0), JSON.stringify({ ...claim, job: record.job }));
    expect((await readJob(store, record.job))?.job).to.equal(record.job);
  });

  it('writes nothing when a repair meets a prune that started meanwhile', async () => {
    const view = await finished();
    const { store } = place.platform;
    let pruned = false;
    const pruneOnce = async (prefix: string): Promise<void> => {
      if (pruned || prefix !== outPrefix(view.record.job, 'price')) return;
      pruned = true;
      await pruneAll();
    };
    const racing = wrapStore(store, {
      keys: async function* (prefix, options) {
        await pruneOnce(prefix);
        yield* store.keys(prefix, options);
      },
      list: async function* (prefix, options) {
        await pruneOnce(prefix);
        yield* store.list(prefix, options);
      },
    });
    await repairJob({ ...place.platform, store: racing }, view).catch(() => undefined);
    expect(pruned).to.equal(true);
    expect((await entries(view)).at(-1)).to.equal('prune');
  });

  it('appends nothing to a pruned job, whatever the writer decides', async () => {
    const view = await finished();
    await pruneAll();
    for (const entry of [{ what: 'resume' }, { what: 'retry-rest', round: 1 }] as const)
      expect((await append(place.platform, view, () => entry)).appended, entry.what).to.equal(false);
    expect((await look(place.platform, view)).did).to.deep.equal([]);
    expect((await entries(view)).at(-1)).to.equal('prune');
  });

  it("keeps the code of a job that prune can't read", async () => {
    const view = await finished();
    const code = codeKey(view.record.code ?? '');
    const entry = { format: 9, id: 'x', when: '2026-11-30T06:00:00.000Z', who: 'me', what: 'close' };
    await place.platform.store.put(journalKey(view.record.job, view.next), JSON.stringify(entry));
    const later = { ...place.platform, clock: new FakeClock(Date.now() + 3 * DAY) };
    const { store } = place.platform;
    await pruneAll({ ...later, store: agedStore(store, 3 * DAY) });
    expect(await store.head(code)).not.to.equal(null);
  });

  it('prunes an output file that is called opened.json', async () => {
    const view = await finished();
    const key = `${stagedPrefix(view.record.job, 'price', 0, attemptOf('price', 0))}files/opened.json`;
    await place.platform.store.put(key, '{}');
    await pruneAll();
    expect(await place.platform.store.head(key)).to.equal(null);
  });

  it('requests no task that canaries held back once the job is closed', () => {
    const view = viewOf([
      { what: 'sent' },
      { what: 'retry', round: 1, tasks: { price: '0-2' }, canaries: { price: '0' }, overrides: {} },
      { what: 'close', state: 'failed', reason: 'failures', round: 1 },
    ]);
    const facts = [factsOf(4, [0, 3], [1, 2]), factsOf(4, [0, 3]), factsOf(1, [])];
    expect(standingOf(view, facts).next.move).to.equal('wait');
  });
});
