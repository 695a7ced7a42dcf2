// Protects: fetch writes exactly the published bytes, in task order, and names files as requested.
import { readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { othersLine } from '../../../src/jobs/fetch/fetch.ts';
import { parseTarget, requireRoom } from '../../../src/jobs/fetch/target.ts';
import { uploadedInput } from '../../../src/jobs/submit/upload-inputs.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import type { JobView } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { publishManifest, publishSmall, putJob, STEPS } from '../published-job.ts';
import { publishAll, submitJob } from '../submitted-job.ts';
import { openFetchingPlace } from './fetching-place.ts';

const LARGE = Buffer.alloc(3 * 2 ** 20, 'all work and no play\n');
const GATHERED = `${STEPS}  - { name: totals, gather: true, run: [cat] }\n`;
const MANY = STEPS.replace('run: [cat]', 'run: [cat], output: files');

describe('fetching outputs', () => {
  const place = forEachTest(openFetchingPlace);
  const directory = () => join(place.directory, 'results');
  const read = (name: string) => readFileSync(join(directory(), name), 'utf8');
  const target = (text: string) => parseTarget(text, { cwd: place.directory, write: async () => undefined });
  const fetch = (...[view, to, more]: Parameters<typeof place.fetch>) => place.fetch(view, to, more);

  async function threePublished(): Promise<JobView> {
    const view = await putJob(place.platform, [{ name: 'in/a.csv' }, { name: 'store:b.csv' }, { name: 'in/c.csv' }]);
    const job = { platform: place.platform, view };
    await publishSmall(job, 'price', 0, 'id,price\n1,10\n');
    await publishManifest(job, 'price', 1, { '': LARGE });
    await publishSmall(job, 'price', 2, 'id,price\n3,30\n');
    return view;
  }

  it('never replaces the original of an uploaded input, whose path another machine has given', async () => {
    const text = 'id,v\n1,10\n';
    const checksum = bytesChecksum(Buffer.from(text));
    const uploaded = {
      name: 'a.csv',
      size: text.length,
      checksum,
      source: uploadedInput('/elsewhere/a.csv', checksum),
    };
    const view = await putJob(place.platform, [uploaded]);
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'other\n');
    writeFileSync(join(place.directory, 'a.csv'), text);
    for (const target of ['.', 'a.csv']) expect(await rejection(fetch(view, target))).to.include({ kind: 'refused' });
    expect(readFileSync(join(place.directory, 'a.csv'), 'utf8')).to.equal(text);
    writeFileSync(join(place.directory, 'a.csv'), 'an older output');
    expect(await fetch(view, '.')).to.include({ outputs: 1 });
  });

  it('never replaces an input of the job with an output, whatever the path', async () => {
    const view = await publishAll(place.platform, await submitJob(place, STEPS, { 'a.csv': 'id,v\n1,10\n' }));
    symlinkSync('.', join(place.directory, 'here'));
    for (const text of ['a.csv', 'here/a.csv', '.', 'here/']) {
      const error = await rejection(fetch(view, text));
      expect(error, text).to.include({ kind: 'refused' });
      expect(error.message).to.contain(`it is an input of job ${view.record.job}`);
    }
    expect(readFileSync(join(place.directory, 'a.csv'), 'utf8')).to.equal('id,v\n1,10\n');
    await fetch(view, 'b.csv');
    expect(await fetch(view, 'results/', { name: '{input}' })).to.include({ outputs: 1 });
  });

  it('refuses a target that can not be written as soon as it is named', () => {
    writeFileSync(join(place.directory, 'taken'), '');
    symlinkSync('loop', join(place.directory, 'loop'));
    for (const text of [
      'taken/',
      'taken/out.csv',
      'taken/deep/er/',
      'loop',
      'loop/out.csv',
      `${'x'.repeat(300)}.csv`,
    ]) {
      expect(() => target(text), text)
        .to.throw(/^-o /)
        .that.includes({ kind: 'usage' });
    }
    for (const text of ['taken', 'new/deep/er/', 'new/out.csv', '/dev/null', '.']) target(text);
    expect(readdirSync(place.directory)).not.to.include('new');
  });

  it('refuses a new target on a disk with too little room, and judges none that has files', () => {
    const huge = 2 ** 70;
    for (const text of ['new/', 'new/out.csv']) {
      expect(() => requireRoom(target(text), huge), text)
        .to.throw(/expected about .*, but .* has .* free/)
        .that.includes({ kind: 'full' });
      requireRoom(target(text), 1);
    }
    for (const text of ['.', '-', 's3://acme/x/']) requireRoom(target(text), huge);
  });

  describe('into a directory', () => {
    it('makes one file per task, small or large, with the published bytes and the path of its input', async () => {
      const view = await threePublished();
      const result = await fetch(view, 'results/');
      expect(result).to.deep.equal({
        job: view.record.job,
        step: 'price',
        outputs: 3,
        missing: 0,
        bytes: 28 + LARGE.length,
        output: 'results/',
        kept: 0,
        others: [],
      });
      expect(readdirSync(directory(), { recursive: true }).sort()).to.deep.equal([
        'b.csv',
        'in',
        'in/a.csv',
        'in/c.csv',
      ]);
      expect(read('in/c.csv')).to.equal('id,price\n3,30\n');
      expect(readFileSync(join(directory(), 'b.csv')).equals(LARGE)).to.equal(true);
    });

    it('keeps correct files, and fetches incorrect ones again', async () => {
      const view = await threePublished();
      await fetch(view, 'results/');
      const old = new Date('2020-01-01');
      utimesSync(join(directory(), 'b.csv'), old, old);
      writeFileSync(join(directory(), 'in/a.csv'), 'id,price\n1,99\n');
      const { kept, outputs } = await fetch(view, 'results');
      expect({ kept, outputs }).to.deep.equal({ kept: 2, outputs: 3 });
      expect(read('in/a.csv')).to.equal('id,price\n1,10\n');
      expect(statSync(join(directory(), 'b.csv')).mtime).to.deep.equal(old);
    });

    it('names what an earlier fetch left in the directory, because a program that reads the directory would include it', async () => {
      const view = await threePublished();
      expect((await fetch(view, 'results/')).others).to.deep.equal([]);
      for (const name of ['000000041', '_SUCCESS', '.hidden']) writeFileSync(join(directory(), name), '');
      expect((await fetch(view, 'results/')).others).to.deep.equal(['000000041']);
      // Files of the same tasks under the names of another pattern are others as well.
      const again = await fetch(view, 'results/', { name: '{index}.csv' });
      expect(again.others).to.deep.equal(['000000041', 'b.csv', 'in']);
      expect(othersLine(again)).to.equal(
        'results/ also contains entries that are not outputs of price, such as 000000041; an earlier fetch may have left them',
      );
    });

    it('leaves no altered output, whole or in part, and names its task', async () => {
      const view = await threePublished();
      const [file] = await publishManifest({ platform: place.platform, view }, 'price', 1, { '': LARGE });
      await place.platform.store.put(file?.key ?? '', Buffer.alloc(LARGE.length, 'x'));
      const error = await rejection(fetch(view, 'results/'));
      expect(error).to.include({ kind: 'proof' });
      expect(error.message).to.include('price/1').and.include(file?.checksum);
      expect(readdirSync(directory())).to.not.include('b.csv');
      expect(readdirSync(directory()).filter((name) => name.includes('.part'))).to.deep.equal([]);
    });

    it('names files by a pattern, and refuses one that would put two tasks into one file', async () => {
      const view = await threePublished();
      await fetch(view, 'results/', { name: '{step}/{input}' });
      expect(readdirSync(join(directory(), 'price'))).to.deep.equal(['a.csv', 'b.csv', 'c.csv']);
      await fetch(view, 'numbered/', { name: '{task}' });
      expect(readdirSync(join(place.directory, 'numbered'))).to.deep.equal(['000000000', '000000001', '000000002']);
      await fetch(view, 'typed/', { name: '{dir}/{index}-{stem}.json' });
      const typed = readdirSync(join(place.directory, 'typed'), { recursive: true }).sort();
      expect(typed).to.deep.equal(['1-b.json', 'in', 'in/0-a.json', 'in/2-c.json']);
      for (const [name, message] of [
        ['all.csv', 'tasks 0 and 1'],
        ['{step}', 'tasks 0 and 1'],
        ['{taks}', '{taks} is unknown'],
        ['../{task}', 'below the directory'],
        ['/tmp/{task}', 'below the directory'],
        ['{name}', 'one output per task'],
      ] as const) {
        const error = await rejection(fetch(view, 'other/', { name }));
        expect(error).to.include({ kind: 'usage' });
        expect(error.message).to.include(message);
      }
      expect(readdirSync(place.directory)).to.not.include('other');
    });

    it('names a single file after its step if the step follows a gather', async () => {
      const view = await putJob(place.platform, [{ name: 'a.csv' }, { name: 'b.csv' }], { yaml: GATHERED });
      await publishSmall({ platform: place.platform, view }, 'totals', 0, '42\n');
      await fetch(view, 'results/');
      expect(readdirSync(directory())).to.deep.equal(['totals']);
    });

    it('keeps the tree of many files, below the path of their input', async () => {
      const view = await putJob(place.platform, [{ name: 'a.csv' }], { yaml: MANY });
      await publishManifest({ platform: place.platform, view }, 'price', 0, { 'eu/de.csv': 'de\n', 'us.csv': '' });
      await fetch(view, 'results/');
      expect(read('a.csv/eu/de.csv')).to.equal('de\n');
      expect(read('a.csv/us.csv')).to.equal('');
    });
  });

  describe('as joined outputs', () => {
    it('writes them in task order, with every header or only the first', async () => {
      const view = await putJob(place.platform, [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
      for (const n of [2, 0, 1]) await publishSmall({ platform: place.platform, view }, 'price', n, `id\n${n}\n`);
      await fetch(view, '-');
      expect(place.stdout).to.equal('id\n0\nid\n1\nid\n2\n');
      const { bytes } = await fetch(view, 'all.csv', { header: 'once' });
      expect(readFileSync(join(place.directory, 'all.csv'), 'utf8')).to.equal('id\n0\n1\n2\n');
      expect(bytes).to.equal(9);
    });

    it('leaves the existing file if an output turns out to be altered', async () => {
      const view = await putJob(place.platform, [{ name: 'a' }, { name: 'b' }]);
      const job = { platform: place.platform, view };
      await publishSmall(job, 'price', 0, 'fine\n');
      await publishSmall(job, 'price', 1, 'altered\n', `sha256:${'0'.repeat(64)}`);
      writeFileSync(join(place.directory, 'all.csv'), 'before\n');
      const error = await rejection(fetch(view, 'all.csv'));
      expect(error).to.include({ kind: 'proof' });
      expect(error.message).to.include('price/1');
      expect(readFileSync(join(place.directory, 'all.csv'), 'utf8')).to.equal('before\n');
      expect(readdirSync(place.directory).sort()).to.deep.equal(['.batchctl', 'all.csv']);
    });

    it('keeps a file that has exactly these bytes', async () => {
      const view = await threePublished();
      expect(await fetch(view, 'all.csv')).to.include({ kept: 0, outputs: 3 });
      expect(await fetch(view, 'all.csv')).to.include({ kept: 3, outputs: 3, bytes: 28 + LARGE.length });
      writeFileSync(join(place.directory, 'all.csv'), 'more', { flag: 'a' });
      expect(await fetch(view, 'all.csv')).to.include({ kept: 0, outputs: 3 });
      expect(statSync(join(place.directory, 'all.csv')).size).to.equal(28 + LARGE.length);
    });

    it('writes to a device without replacing it', async () => {
      const view = await threePublished();
      await fetch(view, '/dev/null');
      expect(statSync('/dev/null').isCharacterDevice()).to.equal(true);
    });
  });

  it('fetches the outputs so far of an unfinished job, and counts what is missing', async () => {
    const view = await putJob(place.platform, [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
    await publishSmall({ platform: place.platform, view }, 'price', 1, 'one\n');
    expect(await fetch(view, '-')).to.include({ outputs: 1, missing: 2 });
    expect(place.stdout).to.equal('one\n');
  });

  it('fails for a job without outputs and for an unknown step, and writes nothing', async () => {
    const view = await putJob(place.platform, [{ name: 'a' }]);
    expect(await rejection(fetch(view, 'results/'))).to.include({ kind: 'notFound' });
    expect(await rejection(fetch(view, 'results/', { step: 'prize' }))).to.include({ kind: 'notFound' });
    expect(readdirSync(place.directory)).to.deep.equal(['.batchctl']);
  });

  it('stops on request, leaving no half file', async () => {
    const view = await threePublished();
    const stop = new AbortController();
    const onProgress = () => stop.abort();
    const error = await rejection(fetch(view, 'results/', { signal: stop.signal, onProgress }));
    expect(error.name).to.equal('AbortError');
    expect(readdirSync(directory()).filter((name) => name.includes('.part'))).to.deep.equal([]);
  });
});
