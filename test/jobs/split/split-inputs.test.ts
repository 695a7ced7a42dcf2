// Protects: every record of an input lands in exactly one part, and damaged input is named before work starts.
import { appendFileSync, readdirSync, renameSync } from 'node:fs';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { storePieces } from '../../../src/jobs/split/cut-pieces.ts';
import { openFileSource, openPipeSource } from '../../../src/jobs/split/file-source.ts';
import { parseSplit } from '../../../src/jobs/split/parse-split.ts';
import { openStoreSource } from '../../../src/jobs/split/store-source.ts';
import { pieceKey } from '../../../src/model/keys.ts';
import { parsePart, placeOf, placeText } from '../../../src/model/part.ts';
import { forEachTest } from '../../support/fixture.ts';
import { expectError, SplitBench } from './split-bench.ts';

describe('splitInputs', () => {
  const bench = forEachTest(() => new SplitBench());

  const open = (name: string, bytes: Uint8Array | string, index = 0) => openFileSource(index, bench.file(name, bytes));

  it('numbers parts through all inputs, each of which has its own header', async () => {
    const inputs = [open('a', 'h1\n1\n2\n'), open('b', ''), open('c', 'h22\n3', 2)];
    const { parts, facts } = await bench.split(inputs, parseSplit('csv:1,header'));
    expect(parts).to.deep.equal([
      { n: 0, kind: 'range', input: 0, offset: 3, length: 2, header: { offset: 0, length: 3 }, records: 1, first: 1 },
      { n: 1, kind: 'range', input: 0, offset: 5, length: 2, header: { offset: 0, length: 3 }, records: 1, first: 2 },
      { n: 2, kind: 'range', input: 2, offset: 4, length: 1, header: { offset: 0, length: 4 }, records: 1, first: 1 },
    ]);
    expect(facts.map((fact) => fact.records)).to.deep.equal([2, 0, 1]);
  });

  it('makes no part of a file with only a header', async () => {
    const { parts } = await bench.split([open('a', '\ufeffid,"no\nte"\r\n')], parseSplit('csv:1MB,header'));
    expect(parts).to.deep.equal([]);
  });

  it('puts a record larger than the size into its own part', async () => {
    const { parts } = await bench.split([open('a', `a\nb\n${'c'.repeat(50)}\nd\n`)], parseSplit('lines:10B'));
    expect(parts.map((part) => part.kind === 'range' && part.length)).to.deep.equal([4, 51, 2]);
  });

  it('names the line of an unbalanced quote in each kind of input', async () => {
    const text = `id,size\n1,"a\nb"\n2,6" pipe\n`;
    for (const split of ['csv:1KB', 'csv:2', 'csv:1KB,header']) {
      for (const origin of ['file', 'store', 'gzip'] as const) {
        const source = await bench.source(origin, Buffer.from(text));
        await expectError(bench.split([source], parseSplit(split)), 'jobFile', 'line 4', 'unquoted field');
      }
    }
    const { parts } = await bench.split([open('a', text)], parseSplit('csv:1KB,quote='));
    expect(parts).to.have.length(1);
  });

  it('names the line where a quote opens that never closes', async () => {
    const splitting = bench.split([open('a', 'a\n"b\nc\n')], parseSplit('csv:1MB'));
    await expectError(splitting, 'jobFile', 'line 2', 'a quoted field is never closed');
  });

  it('refuses a header that does not end within a mebibyte', async () => {
    const bytes = 'x'.repeat(1024 * 1024 + 1);
    await expectError(bench.split([open('a', bytes)], parseSplit('csv:1MB,header')), 'jobFile', 'header of');
  });

  it('names the bytes left over from fixed-length records before it makes a part', async () => {
    const inputs = [open('a', '12345678'), open('b', '12345678901', 1)];
    await expectError(bench.split(inputs, parseSplit('records:4:1')), 'jobFile', '11 bytes', '3 bytes remain');
    const piped = await openPipeSource(0, Readable.from([Buffer.from('12345')]));
    await expectError(bench.split([piped], parseSplit('records:4:1')), 'jobFile', '5 bytes', '1 bytes remain');
  });

  it('processes whole files, compressed or empty', async () => {
    const { parts } = await bench.split([open('a', gzipSync('x')), open('b', '', 1)], { by: 'file' });
    expect(parts).to.deep.equal([
      { n: 0, kind: 'whole', input: 0 },
      { n: 1, kind: 'whole', input: 1 },
    ]);
  });

  it('stores a pipe as one piece if it is not split', async () => {
    const source = await openPipeSource(0, Readable.from(['ab', 'cdef']));
    const { parts } = await bench.split([source], { by: 'file' });
    expect(parts).to.have.length(1);
    expect(bench.pieces.get('piece-0')?.toString()).to.equal('abcdef');
  });

  it('makes an item of each non-empty line of a list', async () => {
    const bytes = Buffer.from('\ufeffa b\r\n\n\r\nü,"x"\nlast');
    for (const origin of ['file', 'pipe', 'gzip', 'zstd'] as const) {
      const { parts } = await bench.split([await bench.source(origin, bytes)], { by: 'list' });
      expect(parts.map((part) => part.kind === 'item' && part.item)).to.deep.equal(['a b', 'ü,"x"', 'last']);
    }
  });

  it('names a line of a list that is too long or not UTF-8', async () => {
    const limit = 256 * 1024;
    const fits = await bench.split([open('a', `a\n${'x'.repeat(limit)}\r\n`)], { by: 'list' });
    expect(fits.parts).to.have.length(2);
    await expectError(bench.split([open('a', `a\n${'x'.repeat(limit + 1)}`)], { by: 'list' }), 'jobFile', 'line 2');
    await expectError(bench.split([open('a', Buffer.from([97, 10, 0xff, 10]))], { by: 'list' }), 'jobFile', 'line 2');
  });

  const rowsFrom = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, n) => `${from + n},"a\nb"\n`);
  for (const { split, places } of [
    { split: 'csv:3,header', places: ['records 1-3', 'records 4-6', 'record 7'] },
    { split: 'lines:6', places: ['lines 1-6', 'lines 7-12', 'lines 13-15'] },
    { split: 'records:8:3', places: ['records 1-3', 'records 4-6', 'record 7'] },
    { split: 'csv:20B,header', places: ['bytes 8-23', 'bytes 24-39', 'bytes 40-55', 'bytes 56-63'] },
    { split: 'lines:20B', places: ['bytes 0-15', 'bytes 16-31', 'bytes 32-47', 'bytes 48-63'] },
  ]) {
    for (const origin of ['file', 'gzip', 'pipe', 'store'] as const) {
      it(`says where each part of ${split} lies in its input (${origin})`, async () => {
        const rows = split.startsWith('records') ? 'eight..\n'.repeat(7) : ['id,size\n', ...rowsFrom(1, 7)].join('');
        const inputs = [
          await bench.source(origin, Buffer.from(rows)),
          await bench.source(origin, Buffer.from(rows), 1),
        ];
        const of = parseSplit(split);
        const { parts } = await bench.split(inputs, of);
        const found = parts.map((part) => placeOf(part, of)).map((place) => place && placeText(place));
        expect(found).to.deep.equal([...places, ...places]);
        for (const part of parts) expect(parsePart(JSON.stringify(part))).to.deep.equal(part);
      });
    }
  }

  it('counts blank lines where the split counts them', async () => {
    const placesOf = async (text: string, split: string) => {
      const { parts } = await bench.split([open('a', text)], parseSplit(split));
      return parts.map((part) => placeOf(part, parseSplit(split))).map((place) => place && placeText(place));
    };
    expect(await placesOf('a\n\n\nb\nc\n', 'lines:2')).to.deep.equal(['lines 1-2', 'lines 3-4', 'line 5']);
    expect(await placesOf('{}\n\n\n{}\n{}\n', 'jsonl:2')).to.deep.equal(['records 1-2', 'record 3']);
  });

  it('counts a range from its first number to its last', async () => {
    const { parts } = await bench.split([], { by: 'range', from: 4, to: 6 });
    expect(parts).to.deep.equal([4, 5, 6].map((i, n) => ({ n, kind: 'params', params: { index: String(i) } })));
  });

  it('combines the axes of a grid, the last one changing fastest', async () => {
    const { parts } = await bench.split([], { by: 'grid', axes: { b: ['x', 'y'], a: ['1', '2', '3'] } });
    const points = parts.map((part) => part.kind === 'params' && Object.values(part.params).join(''));
    expect(points.join()).to.equal('x1,x2,x3,y1,y2,y3');
  });

  it('refuses more parts than maxTasks, naming the limit', async () => {
    const lines = 'a\n'.repeat(10);
    const range = { by: 'range', from: 1, to: 10 } as const;
    expect((await bench.split([], range, { maxTasks: 10 })).parts).to.have.length(10);
    await expectError(bench.split([], range, { maxTasks: 9 }), 'refused', 'maxTasks (9)', 'makes 10');
    for (const split of ['lines:1', 'lines:2B', 'records:2:1', 'list']) {
      for (const origin of ['file', 'gzip'] as const) {
        const splitUpTo = async (maxTasks: number) =>
          bench.split([await bench.source(origin, Buffer.from(lines))], parseSplit(split), { maxTasks });
        expect((await splitUpTo(10)).parts).to.have.length(10);
        await expectError(splitUpTo(9), 'refused', 'maxTasks (9)', '9 so far');
      }
    }
    const files = bench.split([open('a', ''), open('b', '', 1)], { by: 'file' }, { maxTasks: 1 });
    await expectError(files, 'refused', 'maxTasks (1)');
  });

  it('notices that a file was modified, or replaced, while it was cut', async () => {
    const written = open('a', 'a\nb\n');
    appendFileSync(bench.path('a'), 'c\n');
    await expectError(bench.split([written], parseSplit('lines:1')), 'changed', bench.path('a'), '6');
    const replaced = open('b', 'a\n');
    renameSync(bench.file('c', 'x\n'), bench.path('b'));
    await expectError(bench.split([replaced], parseSplit('lines:1')), 'changed', 'another file');
  });

  it('notices that an object was overwritten while it was cut', async () => {
    const source = await bench.source('store', Buffer.from('a\nb\n'));
    await (await bench.store()).put('data/in-0', 'c\nd\n');
    await expectError(bench.split([source], parseSplit('lines:2B')), 'changed');
  });

  it('reads an object completely with several requests at a time, and each byte once', async () => {
    const bytes = Buffer.from('1,"a\nb"\n'.repeat(5_000));
    const store = await bench.store();
    await store.put('data/wide', bytes);
    for (const split of ['csv:9000B', 'csv:1000', 'lines:1000']) {
      let [open, most, read] = [0, 0, 0];
      const counting: Parameters<typeof openStoreSource>[1] = {
        head: (key) => store.head(key),
        get: (...args) => store.get(...args),
        read: async (...args: Parameters<typeof store.read>) => {
          const length = args[1]?.range?.length ?? 0;
          if (length <= 4) return store.read(...args);
          open += 1;
          most = Math.max(most, open);
          read += length;
          // Other requests of the same moment are counted as open, too.
          await setImmediate();
          open -= 1;
          return store.read(...args);
        },
      };
      const { parts } = await bench.split([await openStoreSource(0, counting, 'data/wide')], parseSplit(split), {
        chunkSize: 4096,
      });
      expect(parts).to.have.length.above(4);
      expect([most, read], split).to.deep.equal([4, bytes.length]);
    }
  });

  it("reports an input that doesn't exist", async () => {
    await expectError((async () => openFileSource(0, bench.path('none')))(), 'notFound', bench.path('none'));
    await expectError((async () => openFileSource(0, bench.directory))(), 'usage', 'not a regular file');
    await expectError(openStoreSource(0, await bench.store(), 'data/none'), 'notFound', 'data/none');
  });

  it('reports compressed data that is damaged or truncated', async () => {
    const gzip = gzipSync('line\n'.repeat(1000));
    for (const bytes of [
      gzip.subarray(0, gzip.length - 12),
      Buffer.concat([gzip.subarray(0, 15), Buffer.alloc(40, 7)]),
    ]) {
      await expectError(bench.split([open('a', bytes)], parseSplit('lines:100')), 'corrupt', 'gzip');
    }
    const source = await bench.source('zstd', Buffer.from('a\nb\n'));
    await source.close();
    const zstd = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 9, 73, 0, 0, 97]);
    await expectError(bench.split([open('a', zstd)], parseSplit('lines:1')), 'corrupt', 'zstd');
  });

  it('reads the output of the zstd program, frame after frame', async () => {
    const small = Buffer.from('one\ntwo\n');
    const stored = await bench.split([open('a', Buffer.from(TWO_FRAMES, 'base64'))], parseSplit('lines:50KB'));
    expect(stored.parts.map((part) => bench.see(part, small).body)).to.deep.equal(['one\ntwo\n']);
  });

  it('collects large pieces in files, removes these afterwards, and moves them into the store', async () => {
    const text = `id\n${Array.from({ length: 30_000 }, (_, i) => `line ${i}\n`).join('')}`;
    const store = await bench.store();
    const source = openFileSource(0, bench.file('a', gzipSync(text)));
    const options = { storePiece: storePieces(store, (n) => pieceKey('job-1', n)), inMemory: 1000 };
    const { parts } = await bench.split([source], parseSplit('csv:100KB,header'), options);
    const bodies = await Promise.all(
      parts.map(async (part) => {
        const piece = part.kind === 'piece' ? await store.read(part.key) : null;
        return Buffer.from(piece ?? [])
          .toString()
          .replace(/^id\n/, '');
      }),
    );
    expect(parts).to.have.length(4);
    expect(`id\n${bodies.join('')}`).to.equal(text);
    expect(readdirSync(bench.directory).filter((name) => name.startsWith('batchctl-piece-'))).to.deep.equal([]);
  });

  it("stops with the error if a piece can't be stored, and leaves no file behind", async () => {
    const source = openFileSource(0, bench.file('a', gzipSync('line\n'.repeat(20_000))));
    const storePiece = async () => {
      throw new BatchctlError('full', 'the store is full', { hint: 'make room' });
    };
    await expectError(bench.split([source], parseSplit('lines:10KB'), { storePiece, inMemory: 1000 }), 'full');
    expect(readdirSync(bench.directory).filter((name) => name.startsWith('batchctl-piece-'))).to.deep.equal([]);
  });

  it('ends when its signal is aborted, and reports its progress', async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const onProgress = (bytes: number): void => {
      seen.push(bytes);
      if (bytes >= 3000) controller.abort(new BatchctlError('interrupted', 'stopped', { hint: 'again' }));
    };
    const options = { chunkSize: 1000, signal: controller.signal, onProgress };
    await expectError(bench.split([open('a', 'a\n'.repeat(5000))], parseSplit('lines:7'), options), 'interrupted');
    expect(seen.at(-1)).to.equal(3000);
  });
});

/** `one\n` and `two\n`, each compressed by zstd 1.5, for machines without that program. */
const TWO_FRAMES = 'KLUv/QRYIQAAb25lCt8WaAkotS/9BFghAAB0d28KDy0E+Q==';
