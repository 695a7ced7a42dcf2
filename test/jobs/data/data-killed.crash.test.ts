// Protects: a killed upload or fetch leaves no partial file, and running it again finishes it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { listData } from '../../../src/jobs/data/data.ts';
import { upload } from '../../../src/jobs/data/upload.ts';
import { fetchOutputs } from '../../../src/jobs/fetch/fetch.ts';
import { parseTarget } from '../../../src/jobs/fetch/target.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import { dataKey } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import { collect } from '../../support/collect.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { bundled } from '../../support/run/bundled.ts';
import { openFetchingPlace } from '../fetch/fetching-place.ts';

const FIXTURE = bundled(join(import.meta.dirname, 'fixtures/data-until-killed.ts'));
const LARGE = Buffer.alloc(12 * 2 ** 20, 'all work and no play\n');
const MIDDLE = LARGE.length / 2;

describe('a killed transfer', () => {
  const place = forEachTest(openFetchingPlace);

  function runKilled(verb: 'upload' | 'fetch', bytes: number, ...more: readonly string[]): void {
    const argv = [FIXTURE, verb, place.directory, String(bytes), ...more];
    const { signal, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
    expect(signal, stderr).to.equal('SIGKILL');
  }

  it('leaves only complete files after an upload, and running it again uploads the others', async () => {
    const { store } = place.platform;
    mkdirSync(join(place.directory, 'in'));
    for (const name of ['a', 'b', 'c']) writeFileSync(join(place.directory, 'in', name), `${name}\n`);
    writeFileSync(join(place.directory, 'in', 'large'), LARGE);
    runKilled('upload', MIDDLE);
    const uploaded = await collect(listData(store, '', { checksums: true }));
    for (const { key, checksum } of uploaded) {
      expect(bytesChecksum((await store.read(dataKey(key))) ?? Buffer.from('absent'))).to.equal(checksum);
    }
    expect(uploaded.map(({ key }) => key)).to.not.include('large');
    const { skipped, files } = await upload(store, { paths: ['in'], cwd: place.directory });
    expect({ skipped, files }).to.deep.equal({ skipped: uploaded.length, files: 4 });
    expect(Buffer.compare((await store.read(dataKey('large'))) ?? Buffer.alloc(0), LARGE)).to.equal(0);
  });

  /** Fetches three outputs, until it is killed. */
  async function fetchKilled(bytes: number, output: string): Promise<JobView> {
    const view = await place.publish({ a: 'small\n', b: LARGE, c: LARGE });
    runKilled('fetch', bytes, view.record.job, output);
    return view;
  }

  it('leaves only complete files after a fetch into a directory, and running it again fetches the others', async () => {
    const view = await fetchKilled(LARGE.length, 'results/');
    const directory = join(place.directory, 'results');
    const fetched = readdirSync(directory).filter((name) => !name.startsWith('.'));
    expect(fetched.length).to.be.within(1, 3);
    for (const name of fetched) {
      expect(readFileSync(join(directory, name)).equals(name === 'a' ? Buffer.from('small\n') : LARGE)).to.equal(true);
    }
    expect((await place.fetch(view, 'results/')).kept).to.equal(fetched.length);
    expect(readFileSync(join(directory, 'c')).equals(LARGE)).to.equal(true);
  });

  const drafts = () => readdirSync(place.directory).filter((name) => name.endsWith('.part'));

  it('creates no file for a fetch into one file, and its draft is removed after an hour', async () => {
    const view = await fetchKilled(MIDDLE, 'all.bin');
    expect(existsSync(join(place.directory, 'all.bin'))).to.equal(false);
    const [draft] = drafts();
    expect(drafts()).to.have.length(1);
    await place.fetch(view, 'all.bin');
    expect(drafts()).to.deep.equal([draft]);
    const old = new Date(Date.now() - 2 * 3_600_000);
    utimesSync(join(place.directory, draft ?? ''), old, old);
    await place.fetch(view, 'other.bin');
    expect(drafts()).to.deep.equal([]);
    expect(readFileSync(join(place.directory, 'all.bin'))).to.have.length(6 + 2 * LARGE.length);
  });

  it("keeps another fetch's recent draft, however far ahead this machine's clock is", async () => {
    const view = await fetchKilled(MIDDLE, 'all.bin');
    const before = drafts();
    expect(before).to.have.length(1);
    const later = { ...place.platform, clock: new FakeClock(Date.now() + 4 * 86_400_000) };
    const target = parseTarget('all.bin', { cwd: place.directory, write: async () => {} });
    await fetchOutputs(later, view, { target, header: null });
    expect(drafts()).to.deep.equal(before);
  });
});
