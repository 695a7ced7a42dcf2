// Protects: a worker never goes back to an older journal than it has read, and reads only files that the named task staged.
import { expect } from 'chai';
import { CERTIFICATE_KEY, dataKey, journalKey, stagedKey, stepPartShardKey } from '../../src/model/keys.ts';
import type { FilePart } from '../../src/model/part.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { addEntry, claimsJob } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { failsWith } from '../support/rejection.ts';
import { wrapStore } from '../support/wrap-store.ts';

describe('the journals that a worker has read', () => {
  const place = forEachTest(openPlace);

  it('stay as new as they were if a read that began earlier ends later', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    let continueRead = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      continueRead = resolve;
    });
    let isFirst = true;
    const store = wrapStore(platform.store, {
      read: async (key, options) => {
        const found = await platform.store.read(key, options);
        if (key === journalKey(view.record.job, view.next) && isFirst) {
          isFirst = false;
          await held;
        }
        return found;
      },
    });
    const jobs = new JobCache(store, 1e9);
    await jobs.get(view.record.job);
    const slow = jobs.refresh(view);
    const paused = await addEntry(platform, view, { what: 'pause', now: false, reason: 'me' });
    expect((await jobs.refresh(view)).next).to.equal(paused.next);
    continueRead();
    expect((await slow).next).to.equal(paused.next);
    expect(jobs.hasNewer(view)).to.equal(true);
    expect(await jobs.get(view.record.job)).to.have.property('next', paused.next);
  });
});

describe('a part that a worker reads after an explode', () => {
  const place = forEachTest(openPlace);
  const SPLIT = `
name: claims
input: { split: { by: range, from: 1, to: 3 } }
steps:
  - { name: split, output: files, explode: true, run: [cat] }
  - { name: count, run: [cat] }
`;

  it('is refused if it names an object that its task did not stage', async () => {
    const { platform } = place;
    const view = await submitJob(place, SPLIT, {});
    const { job } = view.record;
    const write = (change: Partial<FilePart>) => {
      const key = stagedKey(job, 'split', 1, 'abcdefghijklmnop', 'a');
      const part = { n: 0, kind: 'file', key, size: 1, checksum: 'sha256:x', from: 'split/1', name: 'a', ...change };
      return platform.store.put(stepPartShardKey(job, 'count', 0), `${JSON.stringify(part)}\n`);
    };
    const part = () => new JobCache(platform.store, 1e9).filePart(view, 1, 0);
    await write({});
    expect(await part()).to.include({ from: 'split/1' });
    for (const change of [
      { key: CERTIFICATE_KEY },
      { key: dataKey('a') },
      { key: stagedKey(job, 'split', 2, 'abcdefghijklmnop', 'a') },
      { key: stagedKey(job, 'count', 1, 'abcdefghijklmnop', 'a') },
      { key: stagedKey('claims-20261130-0600-other', 'split', 1, 'abcdefghijklmnop', 'a') },
      { from: 'count/1' },
      { from: 'split/2' },
      { from: 'split/' },
    ]) {
      await write(change);
      await failsWith('corrupt', part());
    }
  });
});
