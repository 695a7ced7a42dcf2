// Protects: finding jobs and open work stays cheap, because it asks the store only for names.
import { expect } from 'chai';
import { discardJob } from '../../src/jobs/discard.ts';
import { findJob, storedIds } from '../../src/jobs/find.ts';
import { openJobs } from '../../src/jobs/open-jobs.ts';
import { rebuildAll } from '../../src/jobs/verify/rebuild-all.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { historiesOf } from '../../src/jobs/why/why.ts';
import { begunKey, openMark, tryKey } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { failForGood } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { keysBelow } from '../support/stored.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { openPlace, publishSmall, putJob } from './published-job.ts';

describe('work that asks the store only for names', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  /** Refuses to list objects with size and time, because a store on disk would open each of them. */
  let blind: Platform;
  beforeEach(async () => {
    view = await putJob(place.platform, [{ name: 'a' }, { name: 'b' }]);
    const { job } = view.record;
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'x');
    await failForGood(place.platform, job, 'price', 1);
    await place.platform.store.put(tryKey(job, 'price', 1, 0, 'first'), '{"format":1}');
    await place.platform.store.put(begunKey(job, 'price', 1, 0, 'second'), '{"format":1}');
    await place.platform.store.put(openMark(job, 0), '{"format":1}');
    const list = (prefix: string): never => {
      throw new Error(`${prefix} is listed with sizes and times`);
    };
    blind = { ...place.platform, store: wrapStore(place.platform.store, { list }) };
  });
  const left = (prefix: string) => keysBelow(blind.store, prefix);

  it('finds jobs', async () => {
    const found: string[] = [];
    for await (const job of storedIds(blind.store)) found.push(job);
    expect(found).to.deep.equal([view.record.job]);
    expect((await findJob(blind, 'claims-2026')).record.job).to.equal(view.record.job);
    expect((await findJob(blind, 'last')).record.job).to.equal(view.record.job);
  });

  it('watches open jobs, looks exactly and closes them', async () => {
    expect(await openJobs(blind.store)).to.deep.equal([view.record.job]);
    expect((await look(blind, view)).did).to.deep.equal(['close']);
    expect(await left('open/')).to.deep.equal([]);
  });

  it('rebuilds a lost ledger, and counts how often a task began', async () => {
    expect(await rebuildAll(blind, { since: null, dryRun: false })).to.include({ jobs: 1, attempts: 3 });
    const running = {
      step: 'price',
      task: 1,
      state: 'running',
      round: 0,
      attempts: 1,
      worker: null,
      startedAt: null,
      endedAt: null,
      exitCode: null,
      reason: null,
      error: null,
    } as const;
    const [history] = await historiesOf(blind, await blind.ledger(), view, [], [running]);
    expect(history).to.include({ task: 1, begun: 1 });
  });

  it('discards a submission', async () => {
    await discardJob(blind.store, view.record.job);
    expect(await left('jobs/')).to.deep.equal([]);
  });
});
