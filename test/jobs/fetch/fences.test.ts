// Protects: fetch reads only what a task staged, and writes only into its directory, whatever manifests and links contain.
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { DirectoryPlace } from '../../../src/jobs/fetch/directory-place.ts';
import { type FillOptions, fillPlace } from '../../../src/jobs/fetch/fill-place.ts';
import { Tally } from '../../../src/jobs/fetch/verified.ts';
import { findJob } from '../../../src/jobs/find.ts';
import { findOutputs } from '../../../src/jobs/submit/job-outputs.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import { CERTIFICATE_KEY, dataKey, outKey, stagedPrefix } from '../../../src/model/keys.ts';
import { META_KEY, OUTPUT_FORMAT, type OutputFile } from '../../../src/model/output.ts';
import type { JobView } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { until } from '../../support/until.ts';
import { withoutRights } from '../../support/without-rights.ts';
import { publishManifest } from '../published-job.ts';
import { MANY_FILES, openFetchingPlace } from './fetching-place.ts';

const LARGE = Buffer.alloc(3 * 2 ** 20, 'all work and no play\n');

describe('the fences of fetch', () => {
  const place = forEachTest(openFetchingPlace);

  /** A job whose task published one file. */
  const publishFile = (name = 'de.csv', text = 'de\n') =>
    place.publish({ 'a.csv': { [name]: text } }, { yaml: MANY_FILES });

  /** Puts outputs as a delivery does: with a manifest that lists what an earlier delivery put. */
  async function fillDirectory(view: JobView, more: Partial<FillOptions> = {}): Promise<void> {
    const { job, spec, createdAt } = view.record;
    const source = { store: place.platform.store, job, step: 'price' };
    await fillPlace({
      place: await DirectoryPlace.open(place.path('results'), place.platform, source),
      source,
      tasks: [0],
      nameOf: async (_, file) => `a.csv/${file}`,
      distinct: true,
      tally: new Tally(1),
      signal: undefined,
      marker: '_SUCCESS',
      mayReplace: () => null,
      mayReplaceOthers: true,
      of: { job, name: spec.name, step: 'price', round: 0, close: 1, createdAt },
      ...more,
    });
  }

  describe('into a directory', () => {
    const outside = ['../../escaped', '/escaped', 'a/../../../escaped', '.', 'a//escaped', 'a/', 'a\0b', '..'];
    for (const name of outside) {
      it(`never writes outside of it if a manifest names a file ${JSON.stringify(name)}`, async () => {
        const { message } = await failsWith('corrupt', place.fetch(await publishFile(name, 'x'), 'results/'));
        expect(message).to.include('price/out/000000000').and.include(JSON.stringify(name));
        expect(readdirSync(place.directory)).to.not.include('escaped');
        expect(readdirSync(place.path('results'))).to.deep.equal([]);
      });
    }

    it('refuses the name of an input that leads out of it', async () => {
      const view = await place.publish({ 'in/..': 'x' });
      await failsWith('refused', place.fetch(view, 'results/', { name: 'by/{input}' }));
      expect(readdirSync(place.directory)).to.not.include('results');
    });

    it("follows no link that leads out of it, and replaces a link at a file's path", async () => {
      const outputs = { 'a.csv': { 'eu/de.csv': 'de\n' }, 'b.csv': { 'eu/fr.csv': LARGE } };
      const view = await place.publish(outputs, { yaml: MANY_FILES });
      mkdirSync(place.path('elsewhere'));
      mkdirSync(place.path('results', 'b.csv', 'real'), { recursive: true });
      symlinkSync(place.path('elsewhere'), place.path('results', 'a.csv'));
      symlinkSync('real', place.path('results', 'b.csv', 'eu'));
      for (const write of [() => place.fetch(view, 'results/'), () => fillDirectory(view)]) {
        expect((await failsWith('refused', write())).message).to.include(place.path('results', 'a.csv'));
      }
      expect(readdirSync(place.path('elsewhere'))).to.deep.equal([]);
      rmSync(place.path('results', 'a.csv'));
      writeFileSync(place.path('own.txt'), 'mine');
      symlinkSync(place.path('own.txt'), place.path('results', 'b.csv', 'real', 'fr.csv'));
      await place.fetch(view, 'results/');
      expect(place.read('results/a.csv/eu/de.csv')).to.equal('de\n');
      expect(readFileSync(place.path('results', 'b.csv', 'real', 'fr.csv')).equals(LARGE)).to.equal(true);
      expect(place.read('own.txt')).to.equal('mine');
    });
  });

  it('puts a file in place of a link that leads to the very bytes, which may change later', async () => {
    const view = await publishFile();
    mkdirSync(place.path('results', 'a.csv'), { recursive: true });
    writeFileSync(place.path('own.txt'), 'de\n');
    symlinkSync(place.path('own.txt'), place.path('results', 'a.csv', 'de.csv'));
    await place.fetch(view, 'results/');
    expect(lstatSync(place.path('results', 'a.csv', 'de.csv')).isFile()).to.equal(true);
  });

  it('takes a file that it may not read for another one', async () => {
    const { platform } = place;
    const to = await DirectoryPlace.open(place.path('results'), platform, {
      store: platform.store,
      job: 'j',
      step: 's',
    });
    writeFileSync(place.path('results', 'a.csv'), 'de\n');
    const file = { size: 3, checksum: bytesChecksum(Buffer.from('de\n')) };
    const holds = () => to.holds('a.csv', file, new AbortController().signal);
    expect(await holds()).to.equal(true);
    chmodSync(place.path('results', 'a.csv'), 0);
    chmodSync(place.directory, 0o755);
    expect(await withoutRights(holds)).to.equal(false);
  });

  it('follows no link out of the directory to one whose name begins like it', async () => {
    const view = await publishFile();
    for (const name of ['results', 'results-other']) mkdirSync(place.path(name));
    symlinkSync(place.path('results-other'), place.path('results', 'a.csv'));
    for (const write of [() => place.fetch(view, 'results/'), () => fillDirectory(view)]) {
      expect((await failsWith('refused', write())).message).to.include('results-other, outside of');
    }
    expect(readdirSync(place.path('results-other'))).to.deep.equal([]);
  });

  describe('as a delivery', () => {
    for (const name of ['_SUCCESS', '_manifest.json', '_delivery', '_delivery/000000009/claim'])
      it(`gives no output the name ${name}, which is its own`, async () => {
        const nameOf = async () => name;
        await failsWith('usage', fillDirectory(await publishFile(), { nameOf }));
        expect(readdirSync(place.path('results'))).to.deep.equal([]);
      });

    it('gives no output the name of its marker, whatever that is', async () => {
      const marker = 'a.csv/de.csv';
      await failsWith('usage', fillDirectory(await publishFile(), { marker }));
    });

    it('never puts files of two tasks under one name', async () => {
      const view = await place.publish({ a: { x: '1' }, b: { x: '2' } }, { yaml: MANY_FILES });
      const nameOf = async (_: number, file: string) => file;
      await failsWith('usage', fillDirectory(view, { tasks: [0, 1], distinct: false, nameOf }));
      expect(readdirSync(place.path('results'))).to.deep.equal([]);
    });

    it('counts tasks, not their files: of many, of one and of none', async () => {
      const view = await place.publish({ a: { x: '1', y: '23' }, b: {}, c: { x: '456' } }, { yaml: MANY_FILES });
      const tally = new Tally(3);
      const nameOf = async (task: number, file: string) => `${task}-${file}`;
      await fillDirectory(view, { tasks: [0, 1, 2], nameOf, tally });
      expect(tally.now).to.deep.equal({ outputs: 3, of: 3, bytes: 6, kept: 0 });
      const manifest = JSON.parse(place.read('results/_manifest.json'));
      expect(manifest).to.include({ outputs: 3, bytes: 6 });
      expect(manifest.files.map(({ name }: { name: string }) => name)).to.deep.equal(['0-x', '0-y', '2-x']);
    });

    it('asks before it replaces the outputs of another step of the same job', async () => {
      const view = await publishFile();
      await fillDirectory(view);
      const { job, spec, createdAt } = view.record;
      const of = { job, name: spec.name, step: 'other', round: 0, close: 1, createdAt };
      const mayReplace = () => new BatchctlError('refused', 'another step');
      await failsWith('refused', fillDirectory(view, { of, mayReplace }));
      expect(JSON.parse(place.read('results/_manifest.json'))).to.include({ step: 'price' });
    });

    it('ends when it is interrupted, without a marker, and leaves the rest to the next one', async () => {
      const outputs = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`${n}.csv`, `${n}\n`]));
      const view = await place.publish(outputs);
      const stop = new AbortController();
      const filling: Partial<FillOptions> = {
        tasks: Array.from({ length: 40 }, (_, n) => n),
        nameOf: async (task) => `${task}`,
        signal: stop.signal,
        passed: (point) => void (point === 'place-file' && stop.abort()),
      };
      expect(await rejection(fillDirectory(view, filling))).to.have.property('name', 'AbortError');
      expect(readdirSync(place.path('results')))
        .to.not.include('_SUCCESS')
        .and.not.include('39');
      await fillDirectory(view, { ...filling, signal: undefined, passed: undefined });
      expect(readdirSync(place.path('results'))).to.have.length(42);
    });

    const age = (...names: readonly string[]): void => {
      const old = new Date(Date.now() - 2 * 3_600_000);
      utimesSync(place.path('results', '_delivery', ...names), old, old);
    };

    it('removes the files of one that was killed yesterday', async () => {
      const view = await publishFile();
      const passed = (point: string) => (point === 'place-file' ? Promise.reject(new Error('killed')) : undefined);
      const killed = fillDirectory(view, { nameOf: async () => 'old.csv', passed });
      expect((await rejection(killed)).message).to.include('killed');
      age('000000001');
      await fillDirectory(view, { nameOf: async () => 'new.csv' });
      expect(readdirSync(place.path('results'))).to.deep.equal(['_SUCCESS', '_manifest.json', 'new.csv']);
    });

    it('keeps no copy of the files that it removes', async () => {
      const view = await publishFile();
      await fillDirectory(view, { nameOf: async () => 'old.csv' });
      const left: string[] = [];
      const passed = (point: string): void => {
        if (point === 'place-manifest') left.push(...readdirSync(place.path('results', '_delivery', '000000002')));
      };
      await fillDirectory(view, { nameOf: async () => 'new.csv', passed });
      expect(left.sort()).to.deep.equal(['claim', 'manifest', 'marker']);
    });

    it('removes its claim in one step, so that no folder is ever without its claim', async () => {
      const view = await publishFile();
      const seen: (string | null)[] = [];
      mkdirSync(place.path('results', '_delivery'), { recursive: true });
      const watching = watch(place.path('results', '_delivery'), (_, name) => void seen.push(name));
      try {
        await fillDirectory(view);
        await until('the folder is renamed', () => seen.some((name) => name?.startsWith('gone-') === true));
      } finally {
        watching.close();
      }
    });

    it('removes half-made claims that are an hour old, and leaves those that others are making', async () => {
      const view = await publishFile();
      for (const name of ['new-old', 'gone-old', 'new-young'])
        mkdirSync(place.path('results', '_delivery', name), { recursive: true });
      age('new-old');
      age('gone-old');
      await fillDirectory(view);
      expect(readdirSync(place.path('results', '_delivery'))).to.deep.equal(['new-young']);
    });
  });

  describe('with an earlier manifest in the directory', () => {
    const own = 'mine';
    let view: JobView;
    beforeEach(async () => {
      view = await publishFile();
      writeFileSync(place.path('own.txt'), own);
      mkdirSync(place.path('results'));
    });

    function writeManifest(name: unknown): void {
      const { job, spec, createdAt } = view.record;
      const file = { name, task: 0, size: own.length, checksum: bytesChecksum(Buffer.from(own)) };
      const manifest = {
        format: 1,
        job,
        name: spec.name,
        step: 'price',
        round: 0,
        close: 0,
        generation: 1,
        id: 'earlier',
        marker: '_SUCCESS',
        createdAt,
        outputs: 1,
        bytes: own.length,
        files: [file],
      };
      writeFileSync(place.path('results', '_manifest.json'), JSON.stringify(manifest));
    }

    it('removes files that it lists and that are no longer outputs', async () => {
      writeManifest('old.txt');
      writeFileSync(place.path('results', 'old.txt'), own);
      await fillDirectory(view);
      expect(readdirSync(place.path('results'))).to.deep.equal(['_SUCCESS', '_manifest.json', 'a.csv']);
    });

    it('keeps a file that it lists if the file was changed since', async () => {
      writeManifest('old.txt');
      writeFileSync(place.path('results', 'old.txt'), 'changed since');
      await fillDirectory(view);
      expect(place.read('results/old.txt')).to.equal('changed since');
    });

    for (const name of ['../own.txt', 'a/../../own.txt', '', 7]) {
      it(`refuses a manifest that names ${JSON.stringify(name)}`, async () => {
        writeManifest(name);
        await failsWith('refused', fillDirectory(view));
        expect(readdirSync(place.directory)).to.include('own.txt');
        expect(readdirSync(place.path('results'))).to.deep.equal(['_manifest.json']);
      });
    }

    it('removes nothing through a link that leads out of it', async () => {
      writeManifest('out/own.txt');
      symlinkSync(place.directory, place.path('results', 'out'));
      await failsWith('refused', fillDirectory(view));
      expect(readdirSync(place.directory)).to.include('own.txt');
    });
  });

  describe('with a manifest that names a file that its task did not stage', () => {
    const job = 'claims-20261130-0600-abcde';
    const [own, other] = ['abcdefghijklmnop', 'bcdefghijklmnopq'];
    const file = 'files/secret.txt';
    const cases: readonly (readonly [string, string, string])[] = [
      ["the manager's key", CERTIFICATE_KEY, own],
      ['raw data', dataKey('secret.txt'), own],
      ['another output', outKey(job, 'price', 1), own],
      ["another job's file", stagedPrefix('x-20261130-0600-abcde', 'price', 0, other) + file, other],
      ["another step's file", stagedPrefix(job, 'totals', 0, other) + file, other],
      ["another task's file", stagedPrefix(job, 'price', 1, other) + file, other],
      ["another attempt's file", stagedPrefix(job, 'price', 0, other) + file, own],
      ['another file of its own', `${stagedPrefix(job, 'price', 0, own)}files/x`, own],
      ['a path out of its own', `${stagedPrefix(job, 'price', 0, '../../x')}${file}`, '../../x'],
    ];

    it('reports a missing list of files', async () => {
      const view = await place.publish({ 'a.csv': null }, { yaml: MANY_FILES });
      const metadata = { [META_KEY]: JSON.stringify({ format: OUTPUT_FORMAT, attempt: other, manifest: true }) };
      await place.platform.store.put(outKey(job, 'price', 0), JSON.stringify({ format: OUTPUT_FORMAT }), { metadata });
      await failsWith('corrupt', place.fetch(view, 'results/'));
    });

    for (const [what, key, attempt] of cases) {
      it(`refuses to read ${what}`, async () => {
        const { platform } = place;
        const view = await publishFile('secret.txt', 'the secret');
        await look(platform, view);
        await platform.store.delete([outKey(job, 'price', 0)]);
        await platform.store.put(key, 'the secret');
        const forged = { forge: (file: OutputFile) => ({ ...file, key }), attempt };
        await publishManifest({ platform, view }, 'price', 0, { 'secret.txt': 'the secret' }, forged);
        for (const to of ['results/', 'results.txt', '-']) {
          const { message } = await failsWith('corrupt', place.fetch(view, to));
          expect(message, to).to.include('price/out/000000000');
        }
        expect(place.stdout).to.equal('');
        expect(readdirSync(place.path('results'))).to.deep.equal([]);
        const find = (text: string) => findJob(platform, text);
        await failsWith('corrupt', findOutputs(`job:${job}/price`, platform.store, find));
      });
    }
  });
});
