// Protects: raw data is listed in order, and never removed while an open job reads it.
import { expect } from 'chai';
import { findRemovable, listData, removeData } from '../../../src/jobs/data/data.ts';
import { parseDataKey, parseDataPrefix } from '../../../src/jobs/data-key.ts';
import { dataKey, openMark } from '../../../src/model/keys.ts';
import { addEntry } from '../../support/claims-job.ts';
import { collect } from '../../support/collect.ts';
import { forEachTest } from '../../support/fixture.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { keysBelow } from '../../support/stored.ts';
import { openPlace, putJob } from '../published-job.ts';

describe('raw data', () => {
  it('is listed below a prefix in key order, with checksums only on request', async () => {
    const store = new MemoryStore(() => 1_000);
    await store.put(dataKey('b'), 'bb');
    await store.put(dataKey('a/2'), '', { metadata: { sha256: 'f00' } });
    await store.put('jobs/x/job.json', '{}');
    expect(await collect(listData(store, '', { checksums: true }))).to.deep.equal([
      { key: 'a/2', size: 0, modified: 1_000, checksum: 'sha256:f00' },
      { key: 'b', size: 2, modified: 1_000, checksum: null },
    ]);
    expect(await collect(listData(store, 'store:a/', { checksums: false }))).to.deep.equal([
      { key: 'a/2', size: 0, modified: 1_000, checksum: null },
    ]);
  });

  it('only has keys below data/', () => {
    expect(parseDataKey('store:claims/2026-11.csv')).to.equal('data/claims/2026-11.csv');
    expect(parseDataPrefix('claims')).to.equal('claims/');
    expect(parseDataPrefix('claims/')).to.equal('claims/');
    expect(parseDataPrefix('')).to.equal('');
    const wrong = ['', '../jobs/x', 'a/../../b', './a', '/a', 'a//b', 'a/', 'a\nb', 'x'.repeat(1_020)];
    for (const key of wrong) expect(() => parseDataKey(key), key).to.throw('is not a valid key');
  });

  describe('in a store with jobs', () => {
    const place = forEachTest(openPlace);
    beforeEach(async () => {
      for (const key of ['a', 'in/1', 'in/2']) await place.platform.store.put(dataKey(key), key);
    });

    const store = () => place.platform.store;
    const remove = async (...texts: readonly string[]) => {
      const entries = await findRemovable(store(), texts);
      await removeData(store(), entries);
      return entries.map(({ key }) => key);
    };
    const storedKeys = () => keysBelow(store(), 'data/');

    it('is removed by key, and by prefix', async () => {
      expect(await remove('a', 'in/')).to.deep.equal(['a', 'in/1', 'in/2']);
      expect(await storedKeys()).to.deep.equal([]);
    });

    it('is not removed at all when one of the keys is unknown', async () => {
      for (const text of ['b', 'in', 'inn/', 'x*']) {
        expect(await rejection(remove('a', text)), text).to.include({ kind: 'notFound' });
      }
      await failsWith('usage', remove('../jobs/x'));
      expect(await storedKeys()).to.have.length(3);
    });

    it('is not removed while an open job reads it, but can be once that job is closed', async () => {
      const view = await putJob(place.platform, [
        { name: 'store:in/2', source: { kind: 'store', key: dataKey('in/2'), etag: 'x' } },
      ]);
      const { job } = view.record;
      await store().put(openMark(job, 0), '');
      expect((await failsWith('refused', remove('a', 'in/*'))).message)
        .to.include('in/2')
        .and.include(job);
      expect(await storedKeys()).to.have.length(3);
      // The process that closed the job was killed right afterwards and left its mark.
      await addEntry(place.platform, view, { what: 'close', state: 'succeeded', reason: null, round: 0 });
      // A retry that has begun: its mark comes before its entry.
      await store().put(openMark(job, 1), '');
      await failsWith('refused', remove('in/2'));
      await store().delete([openMark(job, 1)]);
      expect(await remove('a', 'in/*')).to.have.length(3);
    });
  });
});
