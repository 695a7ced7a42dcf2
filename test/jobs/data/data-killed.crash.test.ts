// Protects: a killed upload or fetch leaves no half file, and running it again finishes it.
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
import { forEachTest } from '../../support/fixture.ts';
import { bundled } from '../../support/run/bundled.ts';
import { openPlace, publishManifest, publishSmall, putJob } from '../published-job.ts';

const FIXTURE = bundled(join(import.meta.dirname, 'fixtures/data-until-killed.ts'));
const LARGE = Buffer.alloc(12 * 2 ** 20, 'all work and no play\n');
const MIDDLE = LARGE.length / 2;

describe('a killed transfer', () => {
  const place = forEachTest(openPlace);

  function runKilled(verb: 'upload' | 'fetch', bytes: number, ...more: readonly string[]): void {
    const argv = [FIXTURE, verb, place.directory, String(bytes), ...more];
    const { signal, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
    expect(signal, stderr).to.equal('SIGKILL');
  }

  it('leaves whole files or none after an upload, and running it again completes it', async () => {
    const { store } = place.platform;
    mkdirSync(join(place.directory, 'in'));
    for (const name of ['a', 'b', 'c']) writeFileSync(join(place.directory, 'in', name), `${name}\n`);
    writeFileSync(join(place.directory, 'in', 'large'), LARGE);
    runKilled('upload', MIDDLE);
    const there: string[] = [];
    for await (const { key, checksum } of listData(store, '', { checksums: true })) {
      there.push(key);
      expect(bytesChecksum((await store.read(dataKey(key))) ?? Buffer.from('absent'))).to.equal(checksum);
    }
    expect(there).to.not.include('large');
    const { skipped, files } = await upload(store, { paths: ['in'], cwd: place.directory });
    expect({ skipped, files }).to.deep.equal({ skipped: there.length, files: 4 });
    expect(Buffer.compare((await store.read(dataKey('large'))) ?? Buffer.alloc(0), LARGE)).to.equal(0);
  });

  async function published(): Promise<JobView> {
    const view = await putJob(place.platform, [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'small\n');
    for (const n of [1, 2]) await publishManifest({ platform: place.platform, view }, 'price', n, { '': LARGE });
    return view;
  }
  const again = (view: JobView, output: string) =>
    fetchOutputs(place.platform, view, {
      target: parseTarget(output, { cwd: place.directory, write: async () => {} }),
      header: null,
    });

  it('leaves only whole files after a fetch into a directory, and running it again completes it', async () => {
    const view = await published();
    runKilled('fetch', LARGE.length, view.record.job, 'results/');
    const directory = join(place.directory, 'results');
    const whole = readdirSync(directory).filter((name) => !name.startsWith('.'));
    expect(whole.length).to.be.within(1, 3);
    for (const name of whole) {
      expect(readFileSync(join(directory, name)).equals(name === 'a' ? Buffer.from('small\n') : LARGE)).to.equal(true);
    }
    expect((await again(view, 'results/')).kept).to.equal(whole.length);
    expect(readFileSync(join(directory, 'c')).equals(LARGE)).to.equal(true);
  });

  it('creates no file for a fetch into one file, and its draft is removed after an hour', async () => {
    const view = await published();
    runKilled('fetch', MIDDLE, view.record.job, 'all.bin');
    expect(existsSync(join(place.directory, 'all.bin'))).to.equal(false);
    const drafts = () => readdirSync(place.directory).filter((name) => name.endsWith('.part'));
    const [left] = drafts();
    expect(drafts()).to.have.length(1);
    await again(view, 'all.bin');
    expect(drafts()).to.deep.equal([left]);
    const old = new Date(Date.now() - 2 * 3_600_000);
    utimesSync(join(place.directory, left ?? ''), old, old);
    await again(view, 'other.bin');
    expect(drafts()).to.deep.equal([]);
    expect(readFileSync(join(place.directory, 'all.bin'))).to.have.length(6 + 2 * LARGE.length);
  });

  it("keeps another fetch's recent draft, however far ahead this machine's clock is", async () => {
    const view = await published();
    runKilled('fetch', MIDDLE, view.record.job, 'all.bin');
    const drafts = () => readdirSync(place.directory).filter((name) => name.endsWith('.part'));
    const left = drafts();
    expect(left).to.have.length(1);
    const { clock } = place.platform;
    const ahead = { ...place.platform, clock: { ...clock, now: () => Date.now() + 4 * 86_400_000 } };
    const target = parseTarget('all.bin', { cwd: place.directory, write: async () => {} });
    await fetchOutputs(ahead, view, { target, header: null });
    expect(drafts()).to.deep.equal(left);
  });
});
