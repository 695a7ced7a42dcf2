// Protects: a job whose retry was interrupted keeps its data for a day, and does not stay open for ever.
import { expect } from 'chai';
import { cancel } from '../../src/jobs/change/lifecycle.ts';
import { findRemovable, removeData } from '../../src/jobs/data/data.ts';
import { append, refreshView } from '../../src/jobs/journal.ts';
import { choosePrunable, prune } from '../../src/jobs/prune/prune.ts';
import { beginRound, dropUnreached, isUnreached } from '../../src/jobs/round-marks.ts';
import { JobWatcher } from '../../src/jobs/watch/job-watcher.ts';
import type { EntryKind } from '../../src/model/journal.ts';
import { dataKey, OPEN_PREFIX, openMark } from '../../src/model/keys.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forEachTest } from '../support/fixture.ts';
import { failsWith } from '../support/rejection.ts';
import { keysBelow } from '../support/stored.ts';
import { afterPuts, agedStore, beforeFirstPut, wrapStore } from '../support/wrap-store.ts';
import { openPlace, putJob } from './published-job.ts';

const DAY = 24 * 3_600_000;
const KEY = 'in/2';
const RETRY = { what: 'retry', round: 1, tasks: { price: '0' }, canaries: null, overrides: {} } as const;

describe('the mark of a round that never began', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  const store = (): ObjectStore => place.platform.store;
  const add = async (entry: EntryKind): Promise<void> => {
    view = (await append(place.platform, view, () => entry)).view;
  };
  beforeEach(async () => {
    await store().put(dataKey(KEY), 'x');
    const source = { kind: 'store', key: dataKey(KEY), etag: 'x' } as const;
    view = await putJob(place.platform, [{ name: `store:${KEY}`, source }]);
    await add({ what: 'sent' });
    await add({ what: 'close', state: 'failed', reason: 'failures', round: 0 });
    // The retry was killed between its mark and its entry.
    await store().put(openMark(view.record.job, 1), '{"format":1}');
  });

  const later = (): Platform => ({ ...place.platform, store: agedStore(store(), 2 * DAY) });
  const marks = () => keysBelow(store(), OPEN_PREFIX);
  const remove = async (from: ObjectStore) => removeData(from, await findRemovable(from, [KEY]));

  it('comes before the entry that begins the round, and again after it', async () => {
    await store().delete([openMark(view.record.job, 1)]);
    const writes: string[] = [];
    const observed = afterPuts(store(), (key) => writes.push(key.startsWith(OPEN_PREFIX) ? 'mark' : 'entry'));
    expect((await beginRound({ ...place.platform, store: observed }, view, RETRY)).appended).to.equal(true);
    expect(writes).to.deep.equal(['mark', 'entry', 'mark']);
  });

  it('is not the mark of the closed round, whose closing process may have died', () => {
    const now = 10 * DAY;
    const [old, young] = [{ modified: 0 }, { modified: now - DAY + 1 }];
    expect(isUnreached(view, { round: 0, ...old }, now)).to.equal(false);
    expect(isUnreached(view, { round: 1, ...old }, now)).to.equal(true);
    expect(isUnreached(view, { round: 1, ...young }, now)).to.equal(false);
    expect(isUnreached({ ...view, cancelled: true }, { round: 1, ...young }, now)).to.equal(true);
  });

  it('is not the mark that a killed close left, so the data that the job read may be removed', async () => {
    await store().delete([openMark(view.record.job, 1)]);
    await store().put(openMark(view.record.job, 0), '{"format":1}');
    await remove(store());
    expect(await store().head(dataKey(KEY))).to.equal(null);
  });

  it('protects its data from removal for a day, and no longer', async () => {
    await failsWith('refused', remove(store()));
    await remove(later().store);
    expect(await store().head(dataKey(KEY))).to.equal(null);
  });

  it('is deleted by the next watcher after a day, by the clock of the store', async () => {
    await new JobWatcher(place.platform, 15).round();
    const fast = { ...place.platform, clock: new FakeClock(Date.now() + 2 * DAY) };
    await new JobWatcher(fast, 15).round();
    expect(await marks()).to.have.length(1);
    await new JobWatcher(later(), 15).round();
    expect(await marks()).to.deep.equal([]);
  });

  it('is deleted and counted by a prune that has nothing else to remove', async () => {
    const pruned = async (dryRun: boolean) => {
      const choice = await choosePrunable(later(), 365_000 * DAY);
      return (await prune(later(), choice, 365_000 * DAY, { dryRun })).leftovers.marks;
    };
    expect(await pruned(true)).to.deep.equal({ objects: 1, bytes: 12 });
    expect(await marks()).to.have.length(1);
    expect(await pruned(false)).to.deep.equal({ objects: 1, bytes: 12 });
    expect(await marks()).to.deep.equal([]);
  });

  it('stops counting as soon as its job is cancelled', async () => {
    const other = await putJob(place.platform, [{ name: 'a' }], { job: 'other-20261130-0600-abcde' });
    const { view: gone } = await cancel(place.platform, other);
    await store().put(openMark(gone.record.job, 1), '{"format":1}');
    await dropUnreached(place.platform, gone);
    expect(await marks()).to.deep.equal([openMark(view.record.job, 1)]);
  });

  it('is put again if the round begins after all', async () => {
    // A machine that slept for days between the mark and the entry, while a watcher deleted its mark.
    const isEntry = (key: string): boolean => key.includes('/journal/');
    const slept = beforeFirstPut(store(), isEntry, () => dropUnreached(later(), view));
    const begun = await beginRound({ ...place.platform, store: slept }, view, RETRY);
    expect(stateOf(begun.view)).to.equal('running');
    expect(await marks()).to.deep.equal([openMark(view.record.job, 1)]);
  });

  it('is put back by a process that deletes it at the moment its round begins', async () => {
    const racing = wrapStore(later().store, {
      delete: async (keys) => {
        await append(place.platform, view, () => RETRY);
        await store().delete(keys);
      },
    });
    await dropUnreached({ ...place.platform, store: racing }, view);
    expect(stateOf(await refreshView(store(), view))).to.equal('running');
    expect(await marks()).to.deep.equal([openMark(view.record.job, 1)]);
  });
});
