// Protects: joining outputs neither merges two records of text nor drops a line that isn't a header; bytes stay
// unchanged.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { HeaderFilter } from '../../../src/jobs/fetch/join.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import { joinOf } from '../../../src/model/job.ts';
import type { JobView } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { publishManifest, publishSmall, putJob, STEPS } from '../published-job.ts';
import { openFetchingPlace } from './fetching-place.ts';

/** By fields of the split, and of the step before. */
const DEFAULTS = [
  ['by: lines, every: 1', '', 'lines'],
  ['by: csv, every: 1', '', 'lines'],
  ['by: jsonl, every: 1', '', 'lines'],
  ['by: jsonl, every: 1', 'gather: true', 'bytes'],
  ['by: jsonl, every: 1', 'output: files, explode: true', 'bytes'],
  ['by: records, length: 8, every: 1', '', 'bytes'],
  ['by: file', '', 'bytes'],
  ['by: list', '', 'bytes'],
  ['by: range, from: 1, to: 2', '', 'bytes'],
] as const;

const LINES = STEPS.replace('by: file', 'by: csv, size: 1MB, header: true');
const otherwise = (dialect: string): string => LINES.replace('header: true', `header: true, ${dialect}`);

describe('outputs joined as lines or bytes', () => {
  const place = forEachTest(openFetchingPlace);
  const fetch = (...[view, to, more]: Parameters<typeof place.fetch>) => place.fetch(view, to, more);

  const file = () => readFileSync(join(place.directory, 'all.csv'), 'latin1');
  /** Each output is small, or large if bytes are given. */
  async function published(yaml: string, outputs: readonly (string | Uint8Array)[]): Promise<JobView> {
    const view = await putJob(
      place.platform,
      outputs.map((_, n) => ({ name: `${n}.csv` })),
      { yaml },
    );
    const job = { platform: place.platform, view };
    for (const [n, output] of outputs.entries()) {
      if (typeof output === 'string') await publishSmall(job, 'price', n, output);
      else await publishManifest(job, 'price', n, { '': output });
    }
    return view;
  }

  for (const [split, before, join] of DEFAULTS) {
    it(`are ${join} by default for { ${split} }${before === '' ? '' : ` behind a step with ${before}`}`, () => {
      const steps = ['name: a', `name: b, ${before}`, 'name: c'].map((step) => `{ run: x, ${step} }`);
      const spec = parseJobFile(`{ name: j, input: { split: { ${split} } }, steps: [${steps}] }`, { file: 'job.yaml' });
      expect(joinOf(spec, 2, { header: null })).to.equal(join);
      expect(joinOf(spec, 2, { header: 'once', join: null })).to.equal('lines');
      expect(joinOf(spec, 2, { header: 'once', join: 'bytes' })).to.equal('bytes');
      expect(joinOf(spec, 2, { header: null, join: 'lines' })).to.equal('lines');
    });
  }

  it('get a line end between records that would merge, if the parts are text', async () => {
    const view = await published(LINES, ['1\n2', '', '3\r\n4', '5\n', '6', '7']);
    expect(await fetch(view, 'all.csv')).to.include({ bytes: 15, outputs: 6, kept: 0 });
    expect(file()).to.equal('1\n2\n3\r\n4\r\n5\n6\n7');
    await fetch(view, '-');
    expect(place.stdout).to.equal(file());
    await fetch(view, 'all.csv', { join: 'bytes' });
    expect(file()).to.equal('1\n23\r\n45\n67');
  });

  it('get a line end after a large output, and between the files of one task', async () => {
    const rows = Buffer.alloc(3 * 2 ** 20 + 1, 'a row of it\r\n');
    const view = await published(LINES, [rows, rows, 'x']);
    await fetch(view, 'all.csv');
    expect(file()).to.equal(`${rows}\r\n${rows}\r\nx`);
    const many = await putJob(place.platform, [{ name: 'a' }], {
      yaml: LINES.replace('[cat]', '[cat], output: files'),
      job: 'claims-20261130-0600-abcdf',
    });
    await publishManifest({ platform: place.platform, view: many }, 'price', 0, { a: '1', b: '', c: '2' });
    await fetch(many, '-');
    expect(place.stdout).to.equal('1\n2');
  });

  it("are joined as bytes if the parts aren't text, unless requested otherwise", async () => {
    const view = await published(STEPS, ['1', '2', '3\n']);
    await fetch(view, 'all.csv');
    expect(file()).to.equal('123\n');
    await fetch(view, 'all.csv', { join: 'lines' });
    expect(file()).to.equal('1\n2\n3\n');
  });

  it("don't count as text if they have control characters that text doesn't have", async () => {
    await fetch(await published(LINES, ['\ta', 'b\x0e', 'c\x19', 'd\x1a', 'e\x1b', 'f\r\ng\r', 'h']), 'all.csv');
    expect(file()).to.equal('\ta\nb\x0ec\x19d\x1a\ne\x1b\nf\r\ng\r\nh');
  });

  it("get nothing added after an output that isn't text", async () => {
    const zipped = [gzipSync('1\n2\n'), gzipSync('3\n')].map((bytes) => new Uint8Array(bytes));
    await fetch(await published(LINES, [...zipped, 'text']), 'all.csv');
    expect(file()).to.equal(`${zipped.map((bytes) => Buffer.from(bytes).toString('latin1')).join('')}text`);
  });

  it('keep a file that is already joined in this way, and no other', async () => {
    const view = await published(LINES, ['1', '2\r\n3', '', '4\n', '5', '']);
    for (const [there, kept] of [
      ['1\n2\r\n3\r\n4\n5', 6],
      ['1,2\r\n3\r\n4\n5', 0],
      ['12\r\n34\n5', 0],
      ['1\n2\r\n3\n4\n5', 0],
      ['1\n2\r\n3\r\n4\n5\n', 0],
      ['1\n2\r\n3\r\n', 0],
    ] as const) {
      writeFileSync(join(place.directory, 'all.csv'), there);
      expect(await fetch(view, 'all.csv'), JSON.stringify(there)).to.include({ kept, bytes: 11 });
      expect(file()).to.equal('1\n2\r\n3\r\n4\n5');
    }
    writeFileSync(join(place.directory, 'all.csv'), '12\r\n34\n5');
    expect(await fetch(view, 'all.csv', { join: 'bytes' })).to.include({ kept: 6 });
  });

  for (const [what, outputs, joined] of [
    ['the first output is empty', ['', 'id,v\n1,10\n', 'id,v\n2,20\n'], 'id,v\n1,10\n2,20\n'],
    ['the last record has no line end', ['id,v\n1,10', 'id,v\n2,20'], 'id,v\n1,10\n2,20'],
    ['an output has only the header', ['id,v', 'id,v\n', 'id,v\n1,10\n', 'id,v'], 'id,v\n1,10\n'],
    ['one has a byte order mark', ['id,v\n1,10\n', '\ufeffid,v\n2,20\n'], 'id,v\n1,10\n2,20\n'],
    ['one has other line ends', ['id,v\r\n1,10', 'id,v\n2,20\n'], 'id,v\r\n1,10\r\n2,20\n'],
  ] as const) {
    it(`keep only the first header if ${what}`, async () => {
      const view = await published(STEPS, outputs);
      await fetch(view, 'all.csv');
      await fetch(view, 'all.csv', { header: 'once' });
      expect(file()).to.equal(joined);
    });
  }

  const SPANS = 'id,"v\r\nin ""EUR"""';
  const MORE = '1,"10\n"\n'.repeat(1_000);
  for (const [what, yaml, outputs, joined] of [
    [
      'its header spans lines',
      LINES,
      [`${SPANS}\n1,10`, `${SPANS}\n${MORE}`, `\ufeff${SPANS}\n`, SPANS],
      `${SPANS}\n1,10\n${MORE}`,
    ],
    ['it has another quote', otherwise(`quote: "'"`), ["'a\nb'\n1", "'a\nb'\n2"], "'a\nb'\n1\n2"],
    ['it has no quotes', otherwise('quote: ""'), ['"a\n1\n', '"a\n2\n'], '"a\n1\n2\n'],
  ] as const) {
    it(`keep only the first header of CSV if ${what}`, async () => {
      await fetch(await published(yaml, outputs), 'all.csv', { header: 'once' });
      expect(file()).to.equal(joined);
    });
  }

  it('treat a quote after other text as inches unless the data is declared as CSV', async () => {
    await fetch(await published(STEPS, ['6" pipe\n5" x\n', '6" pipe\n5" x\n']), 'all.csv', { header: 'once' });
    expect(file()).to.equal('6" pipe\n5" x\n5" x\n');
  });

  for (const [yaml, output, why] of [
    [STEPS, 'id,"v\nw"\n1,10\n', 'without split by: csv it is unclear where that line ends'],
    [LINES, 'id,"v\n1,10\n', 'and closes none'],
  ] as const) {
    it(`refuse a header whose end is unknown: ${why}`, async () => {
      const view = await published(yaml, [output, output]);
      const error = await rejection(fetch(view, 'all.csv', { header: 'once' }));
      expect(error).to.include({ kind: 'refused' });
      expect(error.message).to.include('price/0').and.include(why);
    });
  }

  it('keep only the first header of large outputs', async () => {
    const rows = 'a row of it\n'.repeat(200_000);
    const large = Buffer.from(`${'h'.repeat(70_000)}\n${rows}`);
    await fetch(await published(STEPS, [large, large]), 'all.csv', { header: 'once' });
    expect(file()).to.equal(`${large}${rows}`);
  });

  it('keep only the first header wherever chunks end', async () => {
    const source = { store: place.platform.store, job: 'claims-1', step: 'price' };
    for (let cut = 0; cut <= 8; cut += 1) {
      const header = new HeaderFilter(source, null);
      const kept: string[] = [];
      for (const [task, text] of ['id,v\n1,2', '\ufeffid,v\r\n3,4\n5'].entries()) {
        const bytes = Buffer.from(text);
        for await (const chunk of header.filter(task, [bytes.subarray(0, cut), bytes.subarray(cut)])) {
          kept.push(Buffer.from(chunk).toString());
        }
      }
      expect(kept.join('')).to.equal('id,v\n1,23,4\n5');
    }
  });

  it("pass nothing on of an output that isn't text after its first line", async () => {
    const source = { store: place.platform.store, job: 'claims-1', step: 'price' };
    const kept = new HeaderFilter(source, null).filter(0, [Buffer.from('id,v\n'), Buffer.from('\0')]);
    expect(await rejection(kept.next())).to.include({ kind: 'refused' });
  });

  it("refuse to drop a first line that isn't the header, show both, and leave the existing file", async () => {
    const view = await published(LINES, ['id,v\n1,10\n', '', '2,20\n3,30\n']);
    writeFileSync(join(place.directory, 'all.csv'), 'before\n');
    const error = await rejection(fetch(view, 'all.csv', { header: 'once' }));
    expect(error).to.include({ kind: 'refused' });
    expect(error.message).to.include('price/2').and.include('"2,20"').and.include('price/0').and.include('"id,v"');
    expect((error as { hint?: string }).hint).to.include(`batchctl fetch ${view.record.job}`);
    expect(file()).to.equal('before\n');
    expect(readdirSync(place.directory).sort()).to.deep.equal(['.batchctl', 'all.csv']);
  });

  it('show where two long first lines differ', async () => {
    const view = await published(LINES, [`${'x,'.repeat(500)}here\n`, `${'x,'.repeat(500)}there\n`]);
    const error = await rejection(fetch(view, 'all.csv', { header: 'once' }));
    expect(error.message).to.include('here"').and.include('there"');
    expect(error.message.length).to.be.below(400);
  });

  for (const [what, bytes] of [
    ['compressed', gzipSync('id,v\n1,10\n')],
    ['of equal first lines, as images are', Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1')],
    ['one endless line', Buffer.alloc(2 ** 20 + 2 ** 17, 'x')],
  ] as const) {
    it(`refuse a header of outputs that aren't text: ${what}`, async () => {
      const output = new Uint8Array(bytes);
      const error = await rejection(fetch(await published(LINES, [output, output]), 'all.csv', { header: 'once' }));
      expect(error).to.include({ kind: 'refused' });
      expect(error.message).to.include('price/0');
      expect(readdirSync(place.directory)).to.deep.equal(['.batchctl']);
    });
  }
});
