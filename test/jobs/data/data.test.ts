// Protects: raw data is listed in order, and never removed while an open job reads it.
import { expect } from 'chai';
import { findRemovable, listData, removeData } from '../../../src/jobs/data/data.ts';
import { parseDataKey, parseDataPrefix } from '../../../src/jobs/data/data-key.ts';
import { append } from '../../../src/jobs/journal.ts';
import { dataKey, openMark } from '../../../src/model/keys.ts';
import { forEachTest } from '../../support/fixture.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { rejection } from '../../support/rejection.ts';
import { openPlace, putJob } from '../published-job.ts';

describe('raw data', () => {
  it('is listed below a prefix in key order, with checksums only on request', async () => {
    const store = new MemoryStore(() => 1_000);
    await store.put(dataKey('b'), 'bb');
    await store.put(dataKey('a/2'), '', { metadata: { sha256: 'f00' } });
    await store.put('jobs/x/job.json', '{}');
    const list = async (prefix: string, checksums: boolean) => {
      const rows = [];
      for await (const row of listData(store, prefix, { checksums })) rows.push(row);
      return rows;
    };
    expect(await list('', true)).to.deep.equal([
      { key: 'a/2', size: 0, modified: 1_000, checksum: 'sha256:f00' },
      { key: 'b', size: 2, modified: 1_000, checksum: null },
    ]);
    expect(await list('store:a/', false)).to.deep.equal([{ key: 'a/2', size: 0, modified: 1_000, checksum: null }]);
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
    async function left(): Promise<readonly string[]> {
      const keys: string[] = [];
      for await (const { key } of listData(store(), '', { checksums: false })) keys.push(key);
      return keys;
    }

    it('is removed by key, and by prefix', async () => {
      expect(await remove('a', 'in/')).to.deep.equal(['a', 'in/1', 'in/2']);
      expect(await left()).to.deep.equal([]);
    });

    it('is not removed at all when one of the keys is unknown', async () => {
      for (const text of ['b', 'in', 'inn/', 'x*']) {
        expect(await rejection(remove('a', text)), text).to.include({ kind: 'notFound' });
      }
      expect(await rejection(remove('../jobs/x'))).to.include({ kind: 'usage' });
      expect(await left()).to.have.length(3);
    });

    it('is not removed while an open job reads it, but can be removed once that job is closed', async () => {
      const view = await putJob(place.platform, [
        { name: 'store:in/2', source: { kind: 'store', key: dataKey('in/2'), etag: 'x' } },
      ]);
      const { job } = view.record;
      await store().put(openMark(job, 0), '');
      const error = await rejection(remove('a', 'in/*'));
      expect(error).to.include({ kind: 'refused' });
      expect(error.message).to.include('in/2').and.include(job);
      expect(await left()).to.have.length(3);
      // The process that closed the job was killed right afterwards and left its mark.
      const close = { what: 'close', state: 'succeeded', reason: null, round: 0 } as const;
      await append(place.platform, view, () => close);
      // A retry that has begun: its mark comes before its entry.
      await store().put(openMark(job, 1), '');
      expect(await rejection(remove('in/2'))).to.include({ kind: 'refused' });
      await store().delete([openMark(job, 1)]);
      expect(await remove('a', 'in/*')).to.have.length(3);
    });
  });
});
