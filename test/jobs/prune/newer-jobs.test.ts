// Protects: while an open job of a later version reads what this one can't tell, prune and rm remove nothing that it may read.
import { expect } from 'chai';
import { jobKey, openMark } from '../../../src/model/keys.ts';
import { forEachTest } from '../../support/fixture.ts';
import { keysBelow } from '../../support/stored.ts';
import { openPlace } from '../published-job.ts';
import { runHere } from '../run-here.ts';
import { finishedJob } from './finished-job.ts';

const NEWER = 'later-20261130-0600-abcde';
const DATA = 'data/claims/a.csv';

describe('an open job of a later version', () => {
  const place = forEachTest(openPlace);
  const keys = async (): Promise<readonly string[]> =>
    (await keysBelow(place.platform.store, '')).filter((key) => !/^(keepers|ledger|marks)\//.test(key));
  const putNewer = async (inputs: unknown): Promise<void> => {
    const { store } = place.platform;
    await store.put(openMark(NEWER, 0), '{"format":1}');
    await store.put(jobKey(NEWER), JSON.stringify({ format: 9, job: NEWER, inputs }));
  };

  for (const [what, inputs] of [
    ['of an unknown kind', [{ source: { kind: 'tape', reel: 7 } }, { source: 7 }]],
    ['of an unknown form', { from: 'somewhere' }],
    ['that are not listed', undefined],
  ] as const) {
    it(`with inputs ${what} keeps everything: prune and rm say which version is needed, and remove nothing`, async () => {
      await finishedJob(place);
      await place.platform.store.put(DATA, 'a\n');
      await putNewer(inputs);
      const before = await keys();
      for (const words of [
        ['prune', '--older-than', '0s', '--yes'],
        ['rm', 'claims/a.csv', '--yes'],
      ]) {
        const { code, stderr } = await runHere(place.directory, words);
        expect(code, stderr).to.equal(8);
        expect(stderr, words[0]).to.match(/later version|newer|install/);
        expect(await keys(), words[0]).to.deep.equal(before);
      }
    });
  }

  it('keeps only what it reads if it lists its inputs as this version does', async () => {
    const { store } = place.platform;
    await store.put(DATA, 'a\n');
    await store.put('data/claims/b.csv', 'b\n');
    await putNewer([{ source: { kind: 'store', key: DATA, etag: 'x', since: 9 }, more: true }]);
    expect((await runHere(place.directory, ['rm', 'claims/a.csv', '--yes'])).code).to.equal(7);
    expect((await runHere(place.directory, ['rm', 'claims/b.csv', '--yes'])).code).to.equal(0);
    expect(await keysBelow(store, 'data/')).to.deep.equal([DATA]);
  });
});
