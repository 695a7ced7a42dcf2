// Protects: fetch reads only what a task staged, and writes only into its directory, whatever manifests and links say.
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { DirectoryPlace } from '../../../src/jobs/fetch/directory-place.ts';
import { fillPlace } from '../../../src/jobs/fetch/fill-place.ts';
import { Tally } from '../../../src/jobs/fetch/verified.ts';
import { findJob } from '../../../src/jobs/find.ts';
import { findOutputs } from '../../../src/jobs/submit/job-outputs.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import { CERTIFICATE_KEY, dataKey, outKey, stagedPrefix } from '../../../src/model/keys.ts';
import { META_KEY } from '../../../src/model/output.ts';
import type { JobView } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { publishManifest, publishSmall, putJob, STEPS } from '../published-job.ts';
import { openFetchingPlace } from './fetching-place.ts';

const LARGE = Buffer.alloc(3 * 2 ** 20, 'all work and no play\n');
const MANY = STEPS.replace('run: [cat]', 'run: [cat], output: files');

describe('the fences of fetch', () => {
  const place = forEachTest(openFetchingPlace);
  const directory = () => join(place.directory, 'results');
  const read = (name: string) => readFileSync(join(directory(), name), 'utf8');
  const fetch = (...[view, to, more]: Parameters<typeof place.fetch>) => place.fetch(view, to, more);

  /** Puts outputs as a delivery does: with a manifest that lists what an earlier delivery put. */
  async function fillDirectory(view: JobView): Promise<void> {
    const { job, spec, createdAt } = view.record;
    const source = { store: place.platform.store, job, step: 'price' };
    await fillPlace({
      place: await DirectoryPlace.open(directory(), place.platform, source),
      ...{ source, tasks: [0], nameOf: async (_, file) => `a.csv/${file}`, distinct: true },
      ...{ tally: new Tally(1), signal: undefined, marker: '_SUCCESS', mayReplace: () => null },
      of: { job, name: spec.name, step: 'price', round: 0, close: 1, createdAt },
    });
  }

  describe('into a directory', () => {
    const outside = ['../../escaped', '/escaped', 'a/../../../escaped', '.', 'a//escaped', 'a/', 'a\0b', '..'];
    for (const name of outside) {
      it(`never writes outside of it if a manifest names a file ${JSON.stringify(name)}`, async () => {
        const view = await putJob(place.platform, [{ name: 'a.csv' }], { yaml: MANY });
        await publishManifest({ platform: place.platform, view }, 'price', 0, { [name]: 'x' });
        const error = await rejection(fetch(view, 'results/'));
        expect(error).to.include({ kind: 'corrupt' });
        expect(error.message).to.include('price/out/000000000').and.include(JSON.stringify(name));
        expect(readdirSync(place.directory)).to.not.include('escaped');
        expect(readdirSync(directory())).to.deep.equal([]);
      });
    }

    it('refuses the name of an input that leads out of it', async () => {
      const view = await putJob(place.platform, [{ name: 'in/..' }]);
      await publishSmall({ platform: place.platform, view }, 'price', 0, 'x');
      expect(await rejection(fetch(view, 'results/', { name: 'by/{input}' }))).to.include({ kind: 'refused' });
      expect(readdirSync(place.directory)).to.not.include('results');
    });

    it("follows no link that leads out of it, and replaces a link at a file's path", async () => {
      const view = await putJob(place.platform, [{ name: 'a.csv' }, { name: 'b.csv' }], { yaml: MANY });
      const job = { platform: place.platform, view };
      await publishManifest(job, 'price', 0, { 'eu/de.csv': 'de\n' });
      await publishManifest(job, 'price', 1, { 'eu/fr.csv': LARGE });
      mkdirSync(join(place.directory, 'elsewhere'));
      mkdirSync(join(directory(), 'b.csv', 'real'), { recursive: true });
      symlinkSync(join(place.directory, 'elsewhere'), join(directory(), 'a.csv'));
      symlinkSync('real', join(directory(), 'b.csv', 'eu'));
      for (const write of [() => fetch(view, 'results/'), () => fillDirectory(view)]) {
        const error = await rejection(write());
        expect(error).to.include({ kind: 'refused' });
        expect(error.message).to.include(join(directory(), 'a.csv'));
      }
      expect(readdirSync(join(place.directory, 'elsewhere'))).to.deep.equal([]);
      rmSync(join(directory(), 'a.csv'));
      writeFileSync(join(place.directory, 'own.txt'), 'mine');
      symlinkSync(join(place.directory, 'own.txt'), join(directory(), 'b.csv', 'real', 'fr.csv'));
      await fetch(view, 'results/');
      expect(read('a.csv/eu/de.csv')).to.equal('de\n');
      expect(readFileSync(join(directory(), 'b.csv', 'real', 'fr.csv')).equals(LARGE)).to.equal(true);
      expect(readFileSync(join(place.directory, 'own.txt'), 'utf8')).to.equal('mine');
    });
  });

  describe('with an earlier manifest in the directory', () => {
    const own = 'mine';
    let view: JobView;
    beforeEach(async () => {
      view = await putJob(place.platform, [{ name: 'a.csv' }], { yaml: MANY });
      await publishManifest({ platform: place.platform, view }, 'price', 0, { 'de.csv': 'de\n' });
      writeFileSync(join(place.directory, 'own.txt'), own);
      mkdirSync(directory());
    });

    function writeManifest(name: unknown): void {
      const { job, spec, createdAt } = view.record;
      const file = { name, task: 0, size: own.length, checksum: bytesChecksum(Buffer.from(own)) };
      const head = {
        format: 1,
        job,
        name: spec.name,
        step: 'price',
        round: 0,
        createdAt,
        outputs: 1,
        bytes: own.length,
      };
      writeFileSync(join(directory(), '_manifest.json'), JSON.stringify({ ...head, files: [file] }));
    }

    it('removes the files in it that are no longer outputs', async () => {
      writeManifest('old.txt');
      writeFileSync(join(directory(), 'old.txt'), own);
      await fillDirectory(view);
      expect(readdirSync(directory())).to.deep.equal(['_SUCCESS', '_manifest.json', 'a.csv']);
    });

    it('keeps what someone has written under such a name since', async () => {
      writeManifest('old.txt');
      writeFileSync(join(directory(), 'old.txt'), 'changed since');
      await fillDirectory(view);
      expect(readFileSync(join(directory(), 'old.txt'), 'utf8')).to.equal('changed since');
    });

    for (const name of ['../own.txt', 'a/../../own.txt', '', 7]) {
      it(`refuses it if it names ${JSON.stringify(name)}`, async () => {
        writeManifest(name);
        expect(await rejection(fillDirectory(view))).to.include({ kind: 'refused' });
        expect(readdirSync(place.directory)).to.include('own.txt');
        expect(readdirSync(directory())).to.deep.equal(['_manifest.json']);
      });
    }

    it('removes nothing through a link that leads out of it', async () => {
      writeManifest('out/own.txt');
      symlinkSync(place.directory, join(directory(), 'out'));
      expect(await rejection(fillDirectory(view))).to.include({ kind: 'refused' });
      expect(readdirSync(place.directory)).to.include('own.txt');
    });
  });

  describe('with a manifest that names what its task did not stage', () => {
    const job = 'claims-20261130-0600-abcde';
    const other = 'bcdefghijklmnopq';
    const files = 'files/secret.txt';
    const cases: readonly (readonly [string, string, string])[] = [
      ["the manager's key", CERTIFICATE_KEY, 'abcdefghijklmnop'],
      ['raw data', dataKey('secret.txt'), 'abcdefghijklmnop'],
      ['another output', outKey(job, 'price', 1), 'abcdefghijklmnop'],
      ["another job's file", stagedPrefix('x-20261130-0600-abcde', 'price', 0, other) + files, other],
      ["another step's file", stagedPrefix(job, 'totals', 0, other) + files, other],
      ["another task's file", stagedPrefix(job, 'price', 1, other) + files, other],
      ["another attempt's file", stagedPrefix(job, 'price', 0, other) + files, 'abcdefghijklmnop'],
      ['another file of its own', `${stagedPrefix(job, 'price', 0, 'abcdefghijklmnop')}files/x`, 'abcdefghijklmnop'],
      ['a path out of its own', `${stagedPrefix(job, 'price', 0, '../../x')}${files}`, '../../x'],
    ];
    it('reports a missing list of files', async () => {
      const view = await putJob(place.platform, [{ name: 'a.csv' }], { yaml: MANY });
      const metadata = { [META_KEY]: JSON.stringify({ format: 1, attempt: other, manifest: true }) };
      await place.platform.store.put(outKey(job, 'price', 0), JSON.stringify({ format: 1 }), { metadata });
      expect(await rejection(fetch(view, 'results/'))).to.include({ kind: 'corrupt' });
    });

    for (const [what, key, attempt] of cases) {
      it(`reads nothing for ${what}`, async () => {
        const view = await putJob(place.platform, [{ name: 'a.csv' }], { yaml: MANY });
        const of = { platform: place.platform, view };
        const contents = { 'secret.txt': 'the secret' };
        await publishManifest(of, 'price', 0, contents);
        await look(place.platform, view);
        await place.platform.store.delete([outKey(job, 'price', 0)]);
        await place.platform.store.put(key, 'the secret');
        await publishManifest(of, 'price', 0, contents, { forge: (file) => ({ ...file, key }), attempt });
        for (const to of ['results/', 'results.txt', '-']) {
          const error = await rejection(fetch(view, to));
          expect(error, to).to.include({ kind: 'corrupt' });
          expect(error.message).to.include('price/out/000000000');
        }
        expect(place.stdout).to.equal('');
        expect(readdirSync(directory())).to.deep.equal([]);
        const find = (text: string) => findJob(place.platform, text);
        expect(await rejection(findOutputs(`job:${job}/price`, place.platform.store, find))).to.include({
          kind: 'corrupt',
        });
      });
    }
  });
});
