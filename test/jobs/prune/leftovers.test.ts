// Protects: prune keeps leftovers that are still needed: code, logs of live workers, notices of open jobs.
import { expect } from 'chai';
import { append } from '../../../src/jobs/journal.ts';
import { choosePrunable, prune } from '../../../src/jobs/prune/prune.ts';
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
import { forEachTest } from '../../support/fixture.ts';
import { agedStore } from '../../support/wrap-store.ts';
import { openPlace, putJob } from '../published-job.ts';

const DAY = 24 * 3_600_000;

describe('prune of leftovers', () => {
  const place = forEachTest(openPlace);

  /**
   * Prunes, and returns which of the keys are left. Everything is 40 days old, but some of it turns out to be new when
   * it is looked up again (`head`), or listed.
   */
  async function left(keys: readonly string[], isNew?: Parameters<typeof agedStore>[2]) {
    const { store } = place.platform;
    const platform = { ...place.platform, store: agedStore(store, 40 * DAY, isNew) };
    await prune(platform, await choosePrunable(platform, 30 * DAY), 30 * DAY, {});
    const there: string[] = [];
    for (const key of keys) if ((await store.head(key)) !== null) there.push(key);
    return there;
  }
  const code = async (digit: string): Promise<string> => {
    const key = codeKey(digit.repeat(64));
    await place.platform.store.put(key, 'x');
    return key;
  };

  it('keeps code that a schedule or a fixed round names, and what was put again since it was listed', async () => {
    const { store } = place.platform;
    const [scheduled, mended, again, unused] = [await code('1'), await code('2'), await code('3'), await code('4')];
    await store.put('schedules/nightly/000000.json', JSON.stringify({ format: 1, code: '1'.repeat(64) }));
    const view = await putJob(place.platform, [{ name: 'a' }]);
    const overrides = { code: '2'.repeat(64) };
    const entry = { what: 'retry', round: 1, tasks: { price: '0' }, canaries: null, overrides } as const;
    await append(place.platform, view, () => entry);
    const all = [scheduled, mended, again, unused];
    expect(await left(all, (key, call) => key === again && call === 'head')).to.deep.equal([scheduled, mended, again]);
  });

  it("keeps all code while a job can't be read, because its code is unknown", async () => {
    const unused = await code('4');
    await place.platform.store.put(jobKey('newer-20261130-0600-abcde'), '{"format":9}');
    expect(await left([unused])).to.deep.equal([unused]);
  });

  it('keeps logs of a worker with a recent heartbeat, or with a new log', async () => {
    const { store } = place.platform;
    const keys = ['w-alive', 'w-gone', 'w-new'].flatMap((name) => [bootLogKey(name), workerLogKey(name)]);
    for (const key of keys) await store.put(key, 'x');
    await (await place.platform.ledger()).heartbeat(worker({ worker: 'w-alive', seenAt: Date.now() - DAY / 2 }));
    const kept = keys.filter((key) => !key.includes('w-gone'));
    expect(await left(keys, (key) => key === workerLogKey('w-new'))).to.deep.equal(kept);
  });

  it('keeps notices of open jobs, so that nothing is sent twice', async () => {
    const { store } = place.platform;
    const { record } = await putJob(place.platform, [{ name: 'a' }]);
    await store.put(openMark(record.job, 0), '{"format":1}');
    const keys = [record.job, 'closed-20261130-0600-abcde'].map((job) =>
      noticeSentKey(`${job}.3.late`, '0'.repeat(12)),
    );
    for (const key of keys) await store.put(key, '{}');
    expect(await left(keys)).to.deep.equal(keys.slice(0, 1));
  });

  it('keeps a job with a journal, because it was committed once', async () => {
    const { store } = place.platform;
    const { record } = await putJob(place.platform, [{ name: 'a' }]);
    await store.put(jobKey(record.job), JSON.stringify({ ...record, runKey: 'june', runNumber: 0 }));
    const keys = [jobKey(record.job), journalKey(record.job, 0)];
    await store.put(journalKey(record.job, 0), '{}');
    expect(await left(keys)).to.deep.equal(keys);
    await store.delete([journalKey(record.job, 0)]);
    expect(await left(keys)).to.deep.equal([]);
  });
});
