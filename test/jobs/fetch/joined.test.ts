// Protects: joining outputs neither merges two records nor drops a line that isn't a header, and leaves bytes unchanged.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { FetchOptions } from '../../../src/jobs/fetch/fetch.ts';
import { HeaderFilter } from '../../../src/jobs/fetch/header.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import { joinOf } from '../../../src/model/job.ts';
import type { JobView } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { STEPS } from '../published-job.ts';
import { openFetchingPlace } from './fetching-place.ts';

/** How outputs are joined, by fields of the split and of the step before. */
const DEFAULTS = [
  ['by: lines, every: 1', '', 'guess'],
  ['by: csv, every: 1', '', 'guess'],
  ['by: jsonl, every: 1', '', 'guess'],
  ['by: jsonl, every: 1', 'gather: true', 'bytes'],
  ['by: jsonl, every: 1', 'output: files, explode: true', 'bytes'],
  ['by: records, length: 8, every: 1', '', 'bytes'],
  ['by: file', '', 'bytes'],
  ['by: list', '', 'bytes'],
  ['by: range, from: 1, to: 2', '', 'bytes'],
] as const;

const LINES = STEPS.replace('by: file', 'by: csv, size: 1MB, header: true');
const withDialect = (dialect: string): string => LINES.replace('header: true', `header: true, ${dialect}`);

describe('outputs joined as lines or bytes', () => {
  const place = forEachTest(openFetchingPlace);
  const publish = (yaml: string, outputs: readonly (string | Uint8Array)[]) =>
    place.publish(Object.fromEntries(outputs.map((output, n) => [`${n}.csv`, output])), { yaml });
  const file = () => readFileSync(place.path('all.csv'), 'latin1');
  /** The content of the file that they are joined into. */
  async function join(outputs: JobView, options?: Partial<FetchOptions>): Promise<string> {
    await place.fetch(outputs, 'all.csv', options);
    return file();
  }

  for (const [split, before, mode] of DEFAULTS) {
    it(`are joined by the rule ${mode} without join, for { ${split} }${before && ` behind a step with ${before}`}`, () => {
      const steps = ['name: a', `name: b, ${before}`, 'name: c'].map((step) => `{ run: x, ${step} }`);
      const spec = parseJobFile(`{ name: j, input: { split: { ${split} } }, steps: [${steps}] }`, { file: 'job.yaml' });
      expect(joinOf(spec, 2, { header: null })).to.equal(mode);
      expect(joinOf(spec, 2, { header: 'once', join: null })).to.equal('lines');
      expect(joinOf(spec, 2, { header: 'once', join: 'bytes' })).to.equal('bytes');
      expect(joinOf(spec, 2, { header: null, join: 'lines' })).to.equal('lines');
    });
  }

  it('get a line end between records that would merge, if the parts are text', async () => {
    const view = await publish(LINES, ['1\n2', '', '3\r\n4', '5\n', '6', '7']);
    expect(await place.fetch(view, 'all.csv')).to.include({ bytes: 15, outputs: 6, kept: 0 });
    expect(file()).to.equal('1\n2\n3\r\n4\r\n5\n6\n7');
    await place.fetch(view, '-');
    expect(place.stdout).to.equal(file());
    expect(await join(view, { join: 'bytes' })).to.equal('1\n23\r\n45\n67');
  });

  it('get a line end after a large output, and between the files of one task', async () => {
    const rows = Buffer.alloc(3 * 2 ** 20 + 1, 'a row of it\r\n');
    expect(await join(await publish(LINES, [rows, rows, 'x']))).to.equal(`${rows}\r\n${rows}\r\nx`);
    const yaml = LINES.replace('[cat]', '[cat], output: files');
    const options = { yaml, job: 'claims-20261130-0600-abcdf' };
    await place.fetch(await place.publish({ 'a.csv': { a: '1', b: '', c: '2' } }, options), '-');
    expect(place.stdout).to.equal('1\n2');
  });

  it("are joined as bytes if the parts aren't text, unless requested otherwise", async () => {
    const view = await publish(STEPS, ['1', '2', '3\n']);
    expect(await join(view)).to.equal('123\n');
    expect(await join(view, { join: 'lines' })).to.equal('1\n2\n3\n');
  });

  it('get line ends that are declared, whatever they are', async () => {
    const view = await publish(LINES, ['a\0', 'b\x0e', 'c']);
    expect(await join(view, { join: 'lines' })).to.equal('a\0\nb\x0e\nc');
  });

  it('get nothing added if the first ones are not text, even if a later one looks like it', async () => {
    const zipped = Array.from({ length: 16 }, (_, n) => new Uint8Array(gzipSync(`${n}\n`)));
    const plain = zipped.map((bytes) => Buffer.from(bytes).toString('latin1')).join('');
    const view = await publish(LINES, [...zipped, 'text', 'more']);
    expect(await place.fetch(view, 'all.csv')).to.include({ guessed: 'bytes', bytes: plain.length + 8 });
    expect(file()).to.equal(`${plain}textmore`);
    expect(await place.fetch(view, 'all.csv')).to.include({ guessed: 'bytes', kept: 18 });
    await place.fetch(view, '-');
    expect(place.stdout.length).to.be.greaterThan(0);
  });

  it('get line ends if the first ones are text, also in another encoding, with its usual control characters', async () => {
    const latin = new Uint8Array(Buffer.from('caf\xe9', 'latin1'));
    const view = await publish(LINES, ['\ta', latin, 'd\x1a', 'e\x1b', 'f\r\ng\r', latin, 'h']);
    expect(await place.fetch(view, 'all.csv')).to.include({ guessed: 'lines' });
    expect(file()).to.equal('\ta\ncaf\xe9\nd\x1a\ne\x1b\nf\r\ng\r\ncaf\xe9\nh');
    const options = { yaml: LINES, job: 'claims-20261130-0600-abcdf' };
    expect(await join(await place.publish({ '0.csv': latin, '1.csv': latin }, options))).to.equal('caf\xe9\ncaf\xe9');
  });

  it('are guessed by the first ones that are not empty', async () => {
    const view = await publish(LINES, [...Array<string>(16).fill(''), 'b\x0e', 'c\x0f']);
    expect(await place.fetch(view, 'all.csv')).to.include({ guessed: 'bytes', bytes: 4 });
  });

  it('are not guessed if each ends with a line end, or the join is declared', async () => {
    const ended = await publish(LINES, ['a\n', 'b\0\n', '', 'c']);
    expect(await place.fetch(ended, 'all.csv')).to.include({ guessed: null });
    const options = { yaml: LINES, job: 'claims-20261130-0600-abcdf' };
    const open = await place.publish({ '0.csv': 'a', '1.csv': 'b' }, options);
    for (const how of ['lines', 'bytes'] as const)
      expect(await place.fetch(open, `${how}.csv`, { join: how })).to.include({ guessed: null });
  });

  for (const [what, outputs, named] of [
    ['the first ones are of both kinds', ['a', 'b\x0e', 'c'], ['price/0', 'price/1']],
    ['a later one is not text', [...Array<string>(16).fill('a'), 'b\x19', 'c'], ['the first ones', 'price/16']],
  ] as const) {
    it(`are refused, with what to type and nothing written, if ${what}`, async () => {
      const view = await publish(LINES, outputs);
      const error = await failsWith('refused', place.fetch(view, 'all.csv'));
      for (const text of named) expect(error.message).to.include(text);
      expect(error.hint).to.include('--join bytes').and.include('--join lines');
      expect(readdirSync(place.directory)).to.not.include('all.csv');
      expect(await join(view, { join: 'bytes' })).to.equal(outputs.join(''));
    });
  }

  it('may end with one that is not text, as nothing follows', async () => {
    const view = await publish(LINES, [...Array<string>(16).fill('a\n'), 'b', 'c\0']);
    expect(await join(view)).to.equal(`${'a\n'.repeat(16)}b\nc\0`);
  });

  it('are guessed by the end of long ones, wherever a character is cut', async () => {
    for (const shift of ['', 'x', 'xx', 'xxx']) {
      const long = `${'€'.repeat(2_000)}${shift}`;
      const options = { yaml: LINES, job: `claims-20261130-0600-abcd${'efgh'[shift.length]}` };
      const bytes = new Uint8Array([...Buffer.from(long), 0]);
      const view = await place.publish({ '0.csv': new Uint8Array(Buffer.from(long)), '1.csv': bytes }, options);
      // If the cut character hid that it is text, the two would not contradict each other.
      await failsWith('refused', place.fetch(view, 'all.csv'));
    }
  });

  it('keep a file that is already joined in this way, and no other', async () => {
    const view = await publish(LINES, ['1', '2\r\n3', '', '4\n', '5', '']);
    for (const [content, kept] of [
      ['1\n2\r\n3\r\n4\n5', 6],
      ['1,2\r\n3\r\n4\n5', 0],
      ['12\r\n34\n5', 0],
      ['1\n2\r\n3\n4\n5', 0],
      ['1\n2\r\n3\r\n4\n5\n', 0],
      ['1\n2\r\n3\r\n', 0],
    ] as const) {
      writeFileSync(place.path('all.csv'), content);
      expect(await place.fetch(view, 'all.csv'), JSON.stringify(content)).to.include({ kept, bytes: 11 });
      expect(file()).to.equal('1\n2\r\n3\r\n4\n5');
    }
    writeFileSync(place.path('all.csv'), '12\r\n34\n5');
    expect(await place.fetch(view, 'all.csv', { join: 'bytes' })).to.include({ kept: 6 });
  });

  for (const [what, outputs, joined] of [
    ['the first output is empty', ['', 'id,v\n1,10\n', 'id,v\n2,20\n'], 'id,v\n1,10\n2,20\n'],
    ['the last record has no line end', ['id,v\n1,10', 'id,v\n2,20'], 'id,v\n1,10\n2,20'],
    ['an output has only the header', ['id,v', 'id,v\n', 'id,v\n1,10\n', 'id,v'], 'id,v\n1,10\n'],
    ['one has a byte order mark', ['id,v\n1,10\n', '\ufeffid,v\n2,20\n'], 'id,v\n1,10\n2,20\n'],
    ['one has other line ends', ['id,v\r\n1,10', 'id,v\n2,20\n'], 'id,v\r\n1,10\r\n2,20\n'],
  ] as const) {
    it(`keep only the first header if ${what}`, async () => {
      const view = await publish(STEPS, outputs);
      await join(view);
      expect(await join(view, { header: 'once' })).to.equal(joined);
    });
  }

  const HEADER = 'id,"v\r\nin ""EUR"""';
  const ROWS = '1,"10\n"\n'.repeat(1_000);
  for (const [what, yaml, outputs, joined] of [
    [
      'its header spans lines',
      LINES,
      [`${HEADER}\n1,10`, `${HEADER}\n${ROWS}`, `\ufeff${HEADER}\n`, HEADER],
      `${HEADER}\n1,10\n${ROWS}`,
    ],
    ['it has another quote', withDialect(`quote: "'"`), ["'a\nb'\n1", "'a\nb'\n2"], "'a\nb'\n1\n2"],
    ['it has no quotes', withDialect('quote: ""'), ['"a\n1\n', '"a\n2\n'], '"a\n1\n2\n'],
  ] as const) {
    it(`keep only the first header of CSV if ${what}`, async () => {
      expect(await join(await publish(yaml, outputs), { header: 'once' })).to.equal(joined);
    });
  }

  it('treat a quote after other text as inches unless the data is declared as CSV', async () => {
    const view = await publish(STEPS, ['6" pipe\n5" x\n', '6" pipe\n5" x\n']);
    expect(await join(view, { header: 'once' })).to.equal('6" pipe\n5" x\n5" x\n');
  });

  for (const [yaml, output, why] of [
    [STEPS, 'id,"v\nw"\n1,10\n', 'without split by: csv it is unclear where that line ends'],
    [LINES, 'id,"v\n1,10\n', 'and closes none'],
  ] as const) {
    it(`refuse a header whose end is unknown: ${why}`, async () => {
      const { message } = await failsWith('refused', join(await publish(yaml, [output, output]), { header: 'once' }));
      expect(message).to.include('price/0').and.include(why);
    });
  }

  it('keep only the first header of large outputs', async () => {
    const rows = 'a row of it\n'.repeat(200_000);
    const large = Buffer.from(`${'h'.repeat(70_000)}\n${rows}`);
    expect(await join(await publish(STEPS, [large, large]), { header: 'once' })).to.equal(`${large}${rows}`);
  });

  it('keep only the first header up to a line of 1 MiB', async () => {
    const outputs = [1, 2].map((row) => new Uint8Array(Buffer.from(`${'h'.repeat(2 ** 20)}\n${row}\n`)));
    expect(await join(await publish(STEPS, outputs), { header: 'once' })).to.equal(`${'h'.repeat(2 ** 20)}\n1\n2\n`);
  });

  it('stop when they are interrupted, and leave the existing file', async () => {
    const view = await publish(LINES, ['1\n', '2\n', '3\n']);
    writeFileSync(place.path('all.csv'), 'before\n');
    const stop = new AbortController();
    const options = { signal: stop.signal, onProgress: () => stop.abort() };
    expect(await rejection(place.fetch(view, 'all.csv', options))).to.have.property('name', 'AbortError');
    expect(file()).to.equal('before\n');
    expect(readdirSync(place.directory).sort()).to.deep.equal(['.batchctl', 'all.csv']);
    await place.fetch(view, 'all.csv');
    // Also while an earlier result is compared.
    const again = place.fetch(view, 'all.csv', { signal: AbortSignal.abort() });
    expect(await rejection(again)).to.have.property('name', 'AbortError');
  });

  const headerFilter = () => new HeaderFilter({ store: place.platform.store, job: 'claims-1', step: 'price' }, null);

  it('keep only the first header wherever chunks end', async () => {
    for (let cut = 0; cut <= 8; cut += 1) {
      const header = headerFilter();
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

  it("refuse an output that isn't text after its first line, before any of it is written", async () => {
    const kept = headerFilter().filter(0, [Buffer.from('id,v\n'), Buffer.from('\0')]);
    await failsWith('refused', kept.next());
  });

  it("refuse to drop a first line that isn't the header, show both, and leave the existing file", async () => {
    const view = await publish(LINES, ['id,v\n1,10\n', '', '2,20\n3,30\n']);
    writeFileSync(place.path('all.csv'), 'before\n');
    const { message, hint } = await failsWith('refused', join(view, { header: 'once' }));
    expect(message).to.include('price/2').and.include('"2,20"').and.include('price/0').and.include('"id,v"');
    expect(hint).to.include(`batchctl fetch ${view.record.job}`);
    expect(file()).to.equal('before\n');
    expect(readdirSync(place.directory).sort()).to.deep.equal(['.batchctl', 'all.csv']);
  });

  it('show where two long first lines differ', async () => {
    const view = await publish(LINES, [`${'x,'.repeat(500)}here\n`, `${'x,'.repeat(500)}there\n`]);
    const { message } = await failsWith('refused', join(view, { header: 'once' }));
    expect(message).to.include('here"').and.include('there"');
    expect(message.length).to.be.below(400);
  });

  for (const [what, bytes] of [
    ['compressed', gzipSync('id,v\n1,10\n')],
    ['of equal first lines, as images are', Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1')],
    ['one endless line', Buffer.alloc(2 ** 20 + 2 ** 17, 'x')],
  ] as const) {
    it(`refuse a header of outputs that aren't text: ${what}`, async () => {
      const output = new Uint8Array(bytes);
      const { message } = await failsWith('refused', join(await publish(LINES, [output, output]), { header: 'once' }));
      expect(message).to.include('price/0');
      expect(readdirSync(place.directory)).to.deep.equal(['.batchctl']);
    });
  }
});
