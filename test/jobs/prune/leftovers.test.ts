// Protects: prune keeps leftovers that are still needed: code, logs of live workers, notices of open jobs.
import { expect } from 'chai';
import {
  bootLogKey,
  codeKey,
  jobKey,
  journalKey,
  noticeSentKey,
  openMark,
  workerLogKey,
} from '../../../src/model/keys.ts';
import { worker } from '../../contracts/ledger-events.ts';
import { retryOf } from '../../model/job-of.ts';
import { addEntry } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { keysBelow } from '../../support/stored.ts';
import { agedStore } from '../../support/wrap-store.ts';
import { openPlace, putJob } from '../published-job.ts';
import { DAY, pruneAll } from './finished-job.ts';

describe('prune of leftovers', () => {
  const place = forEachTest(openPlace);

  /** Prunes, and returns which of the keys are left. All objects are 40 days old, except those that `isNew` selects. */
  async function prunedTo(keys: readonly string[], isNew?: Parameters<typeof agedStore>[2]) {
    const { store } = place.platform;
    await pruneAll({ ...place.platform, store: agedStore(store, 40 * DAY, isNew) }, 30 * DAY);
    const left = new Set(await keysBelow(store, ''));
    return keys.filter((key) => left.has(key));
  }
  const putCode = async (digit: string): Promise<string> => {
    const key = codeKey(digit.repeat(64));
    await place.platform.store.put(key, 'x');
    return key;
  };

  it('keeps code that a schedule or a fixed round names, and code that was put again since it was listed', async () => {
    const { store } = place.platform;
    const [scheduled = '', fixed = '', again = '', unused = ''] = await Promise.all(['1', '2', '3', '4'].map(putCode));
    await store.put('schedules/nightly/000000.json', JSON.stringify({ format: 1, code: '1'.repeat(64) }));
    const view = await putJob(place.platform, [{ name: 'a' }]);
    await addEntry(place.platform, view, retryOf(1, { price: '0' }, { overrides: { code: '2'.repeat(64) } }));
    const left = await prunedTo([scheduled, fixed, again, unused], (key, call) => key === again && call === 'head');
    expect(left).to.deep.equal([scheduled, fixed, again]);
  });

  it("keeps all code while a job can't be read, because its code is unknown", async () => {
    const unused = await putCode('4');
    await place.platform.store.put(jobKey('newer-20261130-0600-abcde'), '{"format":9}');
    expect(await prunedTo([unused])).to.deep.equal([unused]);
  });

  it('keeps logs of a worker with a recent heartbeat, or with a new log', async () => {
    const { store } = place.platform;
    const keys = ['w-alive', 'w-gone', 'w-new'].flatMap((name) => [bootLogKey(name), workerLogKey(name)]);
    for (const key of keys) await store.put(key, 'x');
    await (await place.platform.ledger()).heartbeat(worker({ worker: 'w-alive', seenAt: Date.now() - DAY / 2 }));
    const kept = keys.filter((key) => !key.includes('w-gone'));
    expect(await prunedTo(keys, (key) => key === workerLogKey('w-new'))).to.deep.equal(kept);
  });

  it('keeps notices of open jobs, so that nothing is sent twice', async () => {
    const { store } = place.platform;
    const { record } = await putJob(place.platform, [{ name: 'a' }]);
    await store.put(openMark(record.job, 0), '{"format":1}');
    const keys = [record.job, 'closed-20261130-0600-abcde'].map((job) =>
      noticeSentKey(`${job}.3.late`, '0'.repeat(12)),
    );
    for (const key of keys) await store.put(key, '{}');
    expect(await prunedTo(keys)).to.deep.equal(keys.slice(0, 1));
  });

  it('keeps a job with a journal, because it was committed once', async () => {
    const { store } = place.platform;
    const { record } = await putJob(place.platform, [{ name: 'a' }]);
    await store.put(jobKey(record.job), JSON.stringify({ ...record, runKey: 'june', runNumber: 0 }));
    const keys = [jobKey(record.job), journalKey(record.job, 0)];
    await store.put(journalKey(record.job, 0), '{}');
    expect(await prunedTo(keys)).to.deep.equal(keys);
    await store.delete([journalKey(record.job, 0)]);
    expect(await prunedTo(keys)).to.deep.equal([]);
  });
});
