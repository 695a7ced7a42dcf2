// Protects: an output that is gone or altered is never written as if it were whole, and no file but an input is spared.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { expect } from 'chai';
import { outputSource, verifiedOutput, writeChunks } from '../../../src/jobs/fetch/verified.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import type { JobInput } from '../../../src/model/job.ts';
import type { JobView } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { publishManifest, publishSmall, putJob } from '../published-job.ts';
import { MANY_FILES, openFetchingPlace } from './fetching-place.ts';

describe('an output whose bytes are gone', () => {
  const place = forEachTest(openFetchingPlace);

  for (const to of ['results/', 'all.csv', '-']) {
    it(`is not written as an empty one to ${to}`, async () => {
      const view = await place.publish({ 'a.csv': { a: 'one\n' }, 'b.csv': null }, { yaml: MANY_FILES });
      const [file] = await publishManifest({ platform: place.platform, view }, 'price', 1, { b: 'two\n' });
      await place.platform.store.delete([file?.key ?? '']);
      const { message } = await failsWith('proof', place.fetch(view, to));
      expect(message).to.include('price/1').and.include('found nothing');
      expect(existsSync(place.path('results', 'b.csv'))).to.equal(false);
      expect(existsSync(place.path('all.csv'))).to.equal(false);
    });
  }

  it('is named with the command that makes it again', async () => {
    const view = await place.publish({ a: null });
    const error = await failsWith('proof', verifiedOutput(outputSource(place.platform.store, view, 'price'), 0));
    expect(error.message).to.include('price/0 was published, but is gone');
    expect(error.hint).to.equal(`batchctl verify ${view.record.job} --repair`);
  });
});

describe('a file at the place of an output', () => {
  const place = forEachTest(openFetchingPlace);
  const text = 'id,v\n1,10\n';
  const checksum = bytesChecksum(Buffer.from(text));

  async function publish(input: Partial<JobInput> & Pick<JobInput, 'name'>, host = 'here'): Promise<JobView> {
    const view = await putJob(place.platform, [{ size: text.length, checksum, ...input }]);
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'output\n');
    return { ...view, record: { ...view.record, host } };
  }
  const pin = { size: text.length, mtimeNs: '0', inode: '1' };
  const file = (): JobInput['source'] => ({ kind: 'file', path: place.path('a.csv'), pin });
  const stored: JobInput['source'] = { kind: 'store', key: 'data/a.csv', etag: 'e' };

  const rows: readonly (readonly [string, string, string, () => Partial<JobInput>, string, boolean])[] = [
    ['is spared if it is an input of the job', 'a.csv', text, () => ({ source: file() }), hostname(), true],
    [
      'is replaced if its path is an input on another machine',
      'a.csv',
      text,
      () => ({ source: file() }),
      'there',
      false,
    ],
    ['is spared if it has the bytes of an uploaded input', 'a.csv', text, () => ({ source: stored }), 'there', true],
    ['is replaced if it only has as many', 'a.csv', 'id,v\n9,99\n', () => ({ source: stored }), 'there', false],
    ['is replaced if the input was never a file', 'store:a.csv', text, () => ({ source: stored }), 'there', false],
  ];
  for (const [title, name, content, more, host, isSpared] of rows) {
    it(title, async () => {
      const view = await publish({ name, ...more() }, host);
      writeFileSync(place.path('a.csv'), content);
      for (const target of ['a.csv', '.']) {
        if (isSpared) await failsWith('refused', place.fetch(view, target, { name: 'a.csv' }));
        else expect(await place.fetch(view, target, { name: 'a.csv' })).to.include({ outputs: 1 });
        expect(place.read('a.csv'), target).to.equal(isSpared ? content : 'output\n');
        writeFileSync(place.path('a.csv'), content);
      }
      expect(readdirSync(place.directory).sort()).to.deep.equal(['.batchctl', 'a.csv']);
    });
  }
});

describe('chunks that are written to a file', () => {
  const place = forEachTest(openFetchingPlace);

  it('have the mode that is asked for, as an input may be confidential', async () => {
    const chunks = async function* () {
      yield Buffer.from('one ');
      yield Buffer.from('two');
    };
    await writeChunks(place.path('input'), chunks(), { mode: 0o600 });
    expect(readFileSync(place.path('input'), 'utf8')).to.equal('one two');
    expect(statSync(place.path('input')).mode & 0o777).to.equal(0o600);
  });

  it('are no whole file if the attempt is interrupted, although more chunks come', async () => {
    const stop = new AbortController();
    const chunks = async function* () {
      yield Buffer.from('one ');
      stop.abort();
      yield Buffer.from('two');
    };
    const error = await rejection(writeChunks(place.path('input'), chunks(), { signal: stop.signal }));
    expect(error).to.have.property('name', 'AbortError');
  });
});
