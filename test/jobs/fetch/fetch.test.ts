// Protects: fetch writes exactly the published bytes, in task order, and names files as requested.
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { expect } from 'chai';
import { othersLine } from '../../../src/jobs/fetch/fetch.ts';
import { parseTarget, requireRoom } from '../../../src/jobs/fetch/target.ts';
import { uploadedInput } from '../../../src/jobs/submit/upload-inputs.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { publishManifest, publishSmall, putJob, STEPS } from '../published-job.ts';
import { publishAll, submitJob } from '../submitted-job.ts';
import { MANY_FILES, openFetchingPlace } from './fetching-place.ts';

const LARGE = Buffer.alloc(3 * 2 ** 20, 'all work and no play\n');
const GATHERED = `${STEPS}  - { name: totals, gather: true, run: [cat] }\n`;

describe('fetching outputs', () => {
  const place = forEachTest(openFetchingPlace);
  const target = (text: string) => parseTarget(text, { cwd: place.directory, write: async () => undefined });

  const publishThree = () =>
    place.publish({ 'in/a.csv': 'id,price\n1,10\n', 'store:b.csv': LARGE, 'in/c.csv': 'id,price\n3,30\n' });

  it('never replaces the original of an input that was uploaded from another machine', async () => {
    const text = 'id,v\n1,10\n';
    const checksum = bytesChecksum(Buffer.from(text));
    const source = uploadedInput('/elsewhere/a.csv', checksum);
    const view = await putJob(place.platform, [{ name: 'a.csv', size: text.length, checksum, source }]);
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'other\n');
    writeFileSync(place.path('a.csv'), text);
    for (const target of ['.', 'a.csv']) await failsWith('refused', place.fetch(view, target));
    expect(place.read('a.csv')).to.equal(text);
    writeFileSync(place.path('a.csv'), 'an older output');
    expect(await place.fetch(view, '.')).to.include({ outputs: 1 });
  });

  it('never replaces an input of the job with an output, whatever the path', async () => {
    const view = await publishAll(place.platform, await submitJob(place, STEPS, { 'a.csv': 'id,v\n1,10\n' }));
    symlinkSync('.', place.path('here'));
    for (const text of ['a.csv', 'here/a.csv', '.', 'here/']) {
      const { message } = await failsWith('refused', place.fetch(view, text));
      expect(message, text).to.contain(`it is an input of job ${view.record.job}`);
    }
    expect(place.read('a.csv')).to.equal('id,v\n1,10\n');
    await place.fetch(view, 'b.csv');
    expect(await place.fetch(view, 'results/', { name: '{input}' })).to.include({ outputs: 1 });
  });

  it('never replaces a file that the job reads through links, or one of these links', async () => {
    mkdirSync(place.path('data'));
    writeFileSync(place.path('data/a.csv'), 'id,v\n1,10\n');
    symlinkSync('data/a.csv', place.path('month.csv'));
    symlinkSync('month.csv', place.path('last.csv'));
    symlinkSync('data', place.path('here'));
    const yaml = STEPS.replace('a.csv', 'last.csv');
    const view = await publishAll(place.platform, await submitJob(place, yaml, {}));
    for (const text of ['last.csv', 'month.csv', 'data/a.csv', 'here/a.csv']) {
      const { message } = await failsWith('refused', place.fetch(view, text));
      expect(message, text).to.contain(`it is an input of job ${view.record.job}`);
    }
    for (const [text, name] of [
      ['.', '{input}'],
      ['.', 'month.csv'],
      ['data/', 'a.csv'],
      ['here/', 'a.csv'],
    ] as const)
      await failsWith('refused', place.fetch(view, text, { name }));
    expect(place.read('data/a.csv')).to.equal('id,v\n1,10\n');
    expect(readlinkSync(place.path('last.csv'))).to.equal('month.csv');
    expect(readlinkSync(place.path('month.csv'))).to.equal('data/a.csv');
    await place.fetch(view, 'data/', { name: 'month.csv' });
    await place.fetch(view, 'b.csv');
  });

  it('refuses a target that can not be written, before it fetches anything', () => {
    writeFileSync(place.path('taken'), '');
    symlinkSync('loop', place.path('loop'));
    const tooLong = `${'x'.repeat(300)}.csv`;
    for (const text of ['taken/', 'taken/out.csv', 'taken/deep/er/', 'loop', 'loop/out.csv', tooLong]) {
      expect(() => target(text), text)
        .to.throw(/^-o /)
        .that.includes({ kind: 'usage' });
    }
    for (const text of ['taken', 'new/deep/er/', 'new/out.csv', '/dev/null', '.']) target(text);
    expect(readdirSync(place.directory)).not.to.include('new');
  });

  it('refuses a new target on a disk with too little room, and none that has files already', () => {
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
      const view = await publishThree();
      expect(await place.fetch(view, 'results/')).to.deep.equal({
        job: view.record.job,
        step: 'price',
        outputs: 3,
        missing: 0,
        failed: 0,
        skipped: 0,
        late: 0,
        bytes: 28 + LARGE.length,
        output: 'results/',
        guessed: null,
        kept: 0,
        others: [],
      });
      const names = readdirSync(place.path('results'), { recursive: true }).sort();
      expect(names).to.deep.equal(['b.csv', 'in', 'in/a.csv', 'in/c.csv']);
      expect(place.read('results/in/c.csv')).to.equal('id,price\n3,30\n');
      expect(readFileSync(place.path('results', 'b.csv')).equals(LARGE)).to.equal(true);
    });

    it('keeps correct files, and fetches incorrect ones again', async () => {
      const view = await publishThree();
      await place.fetch(view, 'results/');
      const old = new Date('2020-01-01');
      utimesSync(place.path('results', 'b.csv'), old, old);
      writeFileSync(place.path('results', 'in/a.csv'), 'id,price\n1,99\n');
      const { kept, outputs } = await place.fetch(view, 'results');
      expect({ kept, outputs }).to.deep.equal({ kept: 2, outputs: 3 });
      expect(place.read('results/in/a.csv')).to.equal('id,price\n1,10\n');
      expect(statSync(place.path('results', 'b.csv')).mtime).to.deep.equal(old);
    });

    it('names files of an earlier fetch, because a program that reads the directory would read them', async () => {
      const view = await publishThree();
      expect((await place.fetch(view, 'results/')).others).to.deep.equal([]);
      for (const name of ['000000041', '_SUCCESS', '.hidden']) writeFileSync(place.path('results', name), '');
      expect((await place.fetch(view, 'results/')).others).to.deep.equal(['000000041']);
      // Files that are named by another pattern count as others, even if they are of the same tasks.
      const again = await place.fetch(view, 'results/', { name: '{index}.csv' });
      expect(again.others).to.deep.equal(['000000041', 'b.csv', 'in']);
      expect(othersLine(again)).to.equal(
        'results/ also contains entries that are not outputs of price, such as 000000041; an earlier fetch may have left them',
      );
    });

    it('writes no altered output, not even a part of it, and names its task', async () => {
      const view = await publishThree();
      const [file] = await publishManifest({ platform: place.platform, view }, 'price', 1, { '': LARGE });
      await place.platform.store.put(file?.key ?? '', Buffer.alloc(LARGE.length, 'x'));
      const { message } = await failsWith('proof', place.fetch(view, 'results/'));
      expect(message).to.include('price/1').and.include(file?.checksum);
      expect(readdirSync(place.path('results'))).to.not.include('b.csv');
      expect(readdirSync(place.path('results')).filter((name) => name.includes('.part'))).to.deep.equal([]);
    });

    it('names files by a pattern, and refuses one that would put two tasks into one file', async () => {
      const view = await publishThree();
      await place.fetch(view, 'results/', { name: '{step}/{input}' });
      expect(readdirSync(place.path('results', 'price'))).to.deep.equal(['a.csv', 'b.csv', 'c.csv']);
      await place.fetch(view, 'numbered/', { name: '{task}' });
      expect(readdirSync(place.path('numbered'))).to.deep.equal(['000000000', '000000001', '000000002']);
      await place.fetch(view, 'typed/', { name: '{dir}/{index}-{stem}.json' });
      const typed = readdirSync(place.path('typed'), { recursive: true }).sort();
      expect(typed).to.deep.equal(['1-b.json', 'in', 'in/0-a.json', 'in/2-c.json']);
      for (const [name, message] of [
        ['all.csv', 'tasks 0 and 1'],
        ['{step}', 'tasks 0 and 1'],
        ['{taks}', '{taks} is unknown'],
        ['../{task}', 'below the directory'],
        ['/tmp/{task}', 'below the directory'],
        ['{name}', 'one output per task'],
      ] as const) {
        expect((await failsWith('usage', place.fetch(view, 'other/', { name }))).message).to.include(message);
      }
      expect(readdirSync(place.directory)).to.not.include('other');
    });

    it('names a single file after its step if the step follows a gather', async () => {
      const view = await putJob(place.platform, [{ name: 'a.csv' }, { name: 'b.csv' }], { yaml: GATHERED });
      await publishSmall({ platform: place.platform, view }, 'totals', 0, '42\n');
      await place.fetch(view, 'results/');
      expect(readdirSync(place.path('results'))).to.deep.equal(['totals']);
    });

    it('keeps the tree of many files, below the path of their input', async () => {
      const view = await place.publish({ 'a.csv': { 'eu/de.csv': 'de\n', 'us.csv': '' } }, { yaml: MANY_FILES });
      await place.fetch(view, 'results/');
      expect(place.read('results/a.csv/eu/de.csv')).to.equal('de\n');
      expect(place.read('results/a.csv/us.csv')).to.equal('');
    });
  });

  describe('as joined outputs', () => {
    it('writes them in the order of the tasks, with every header or only the first', async () => {
      const view = await putJob(place.platform, [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
      for (const n of [2, 0, 1]) await publishSmall({ platform: place.platform, view }, 'price', n, `id\n${n}\n`);
      await place.fetch(view, '-');
      expect(place.stdout).to.equal('id\n0\nid\n1\nid\n2\n');
      const { bytes } = await place.fetch(view, 'all.csv', { header: 'once' });
      expect(place.read('all.csv')).to.equal('id\n0\n1\n2\n');
      expect(bytes).to.equal(9);
    });

    it('leaves the existing file if an output turns out to be altered', async () => {
      const view = await place.publish({ a: 'fine\n', b: null });
      await publishSmall({ platform: place.platform, view }, 'price', 1, 'altered\n', `sha256:${'0'.repeat(64)}`);
      writeFileSync(place.path('all.csv'), 'before\n');
      expect((await failsWith('proof', place.fetch(view, 'all.csv'))).message).to.include('price/1');
      expect(place.read('all.csv')).to.equal('before\n');
      expect(readdirSync(place.directory).sort()).to.deep.equal(['.batchctl', 'all.csv']);
    });

    it('removes the draft of an earlier command that was killed, once it is an hour old', async () => {
      const [old, young] = ['a', 'b'].map((letter) => `.batchctl-${letter.repeat(16)}.part`);
      for (const name of [old, young]) writeFileSync(place.path(`${name}`), '');
      const at = new Date(Date.now() - 2 * 3_600_000);
      utimesSync(place.path(`${old}`), at, at);
      await place.fetch(await publishThree(), 'all.csv');
      expect(readdirSync(place.directory).sort()).to.deep.equal(['.batchctl', young, 'all.csv']);
    });

    it('keeps a file that has exactly these bytes', async () => {
      const view = await publishThree();
      expect(await place.fetch(view, 'all.csv')).to.include({ kept: 0, outputs: 3 });
      expect(await place.fetch(view, 'all.csv')).to.include({ kept: 3, outputs: 3, bytes: 28 + LARGE.length });
      writeFileSync(place.path('all.csv'), 'more', { flag: 'a' });
      expect(await place.fetch(view, 'all.csv')).to.include({ kept: 0, outputs: 3 });
      expect(statSync(place.path('all.csv')).size).to.equal(28 + LARGE.length);
    });

    it('writes to a device without replacing it', async () => {
      const view = await publishThree();
      await place.fetch(view, '/dev/null');
      expect(statSync('/dev/null').isCharacterDevice()).to.equal(true);
    });
  });

  it('fails for a job without outputs and for an unknown step, and writes nothing', async () => {
    const view = await place.publish({ a: null });
    await failsWith('notFound', place.fetch(view, 'results/'));
    await failsWith('notFound', place.fetch(view, 'results/', { step: 'prize' }));
    expect(readdirSync(place.directory)).to.deep.equal(['.batchctl']);
  });

  it('stops on request, and leaves no partial file', async () => {
    const view = await publishThree();
    const stop = new AbortController();
    const onProgress = () => stop.abort();
    const error = await rejection(place.fetch(view, 'results/', { signal: stop.signal, onProgress }));
    expect(error.name).to.equal('AbortError');
    expect(readdirSync(place.path('results')).filter((name) => name.includes('.part'))).to.deep.equal([]);
  });
});
