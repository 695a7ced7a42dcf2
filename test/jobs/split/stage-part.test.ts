// Protects: a task reads exactly its part of the input, and fails when that input has changed.
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { expect } from 'chai';
import { CutError } from '../../../src/jobs/split/cut-check.ts';
import { filePin } from '../../../src/jobs/split/file-source.ts';
import { stagePart } from '../../../src/jobs/split/stage-part.ts';
import type { JobInput } from '../../../src/model/job.ts';
import type { Part, RangePart } from '../../../src/model/part.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { expectError, SplitBench } from './split-bench.ts';

const facts = { checksum: null, records: null, compression: null };
const range = (offset: number, length: number): RangePart => ({ n: 0, kind: 'range', input: 0, offset, length });
const withHeader = (part: RangePart): RangePart => ({ ...part, header: { offset: 0, length: 3 } });

describe('stagePart', () => {
  const bench = forEachTest(() => new SplitBench());

  function fileInput(bytes: Uint8Array | string): JobInput {
    const path = bench.file('input', bytes);
    const stat = statSync(path, { bigint: true });
    return { ...facts, name: 'input.csv', size: Number(stat.size), source: { kind: 'file', path, pin: filePin(stat) } };
  }

  async function storeInput(bytes: Uint8Array | string): Promise<JobInput> {
    const { etag } = await (await bench.store()).put('data/input', bytes);
    return { ...facts, name: 'input.csv', size: bytes.length, source: { kind: 'store', key: 'data/input', etag } };
  }

  async function stage(part: Part, input: JobInput | null, headers?: Map<string, Uint8Array>): Promise<string> {
    const target = bench.path('target');
    const store = await bench.store();
    const { bytes } = await stagePart(part, { input, store, target, ...(headers && { headers }) });
    const found = readFileSync(target);
    expect(bytes).to.equal(found.length);
    return found.toString('latin1');
  }

  it('writes the header and then the range, for a file and for an object', async () => {
    for (const input of [fileInput('h1\n1\n2\n3\n4\n'), await storeInput('h1\n1\n2\n3\n4\n')]) {
      expect(await stage(withHeader(range(5, 4)), input)).to.equal('h1\n2\n3\n');
      expect(await stage(range(3, 2), input)).to.equal('1\n');
      expect(await stage({ n: 0, kind: 'whole', input: 0 }, input)).to.equal('h1\n1\n2\n3\n4\n');
    }
  });

  it('refuses a part with assumed cuts that begins or ends within a record, at its last byte', async () => {
    const input = await storeInput('a,"b\nc"\nd,"e"\n');
    const store = await bench.store();
    const split = { by: 'csv', size: 4, header: false, delimiter: ',', quote: '"' } as const;
    const staged = (offset: number, length: number) =>
      stagePart({ ...range(offset, length), assumed: true }, { input, store, target: bench.path('target'), split });
    expect(await staged(0, 8)).to.deep.equal({ bytes: 8, checked: true });
    expect(await staged(8, 6)).to.deep.equal({ bytes: 6, checked: true });
    for (const [offset, length] of [
      [0, 5],
      [0, 10],
      [8, 4],
    ] as const)
      expect(await rejection(staged(offset, length)), `${offset}+${length}`).to.be.instanceOf(CutError);
  });

  it('reads the header of an object once for all parts', async () => {
    const input = await storeInput('h1\n1\n2\n');
    const headers = new Map<string, Uint8Array>();
    const part = withHeader(range(3, 2));
    expect(await stage(part, input, headers)).to.equal('h1\n1\n');
    for (const [key] of headers) headers.set(key, Buffer.from('H1\n'));
    expect(await stage(part, input, headers)).to.equal('H1\n1\n');
  });

  it('keeps headers of objects and versions apart even if they have the same length', async () => {
    const headers = new Map<string, Uint8Array>();
    const part = withHeader(range(3, 2));
    const one = await storeInput('h1\n1\n2\n');
    expect(await stage(part, one, headers)).to.equal('h1\n1\n');
    const store = await bench.store();
    const { etag } = await store.put('data/other', 'h2\n3\n4\n');
    const other: JobInput = { ...one, source: { kind: 'store', key: 'data/other', etag } };
    expect(await stage(part, other, headers)).to.equal('h2\n3\n');
    expect(await stage(part, await storeInput('h3\n5\n6\n'), headers)).to.equal('h3\n5\n');
  });

  it('copies ranges larger than its buffers', async () => {
    const bytes = Buffer.alloc(18_000_000);
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = (i * 31 + (i >> 12)) % 251;
    const part = range(1, 17_999_990);
    const expected = bytes.subarray(1, 17_999_991).toString('latin1');
    expect((await stage(part, fileInput(bytes))) === expected).to.equal(true);
    expect((await stage(part, await storeInput(bytes))) === expected).to.equal(true);
  });

  it('represents an item as a line, an index as a number, a grid as JSON', async () => {
    expect(await stage({ n: 0, kind: 'item', input: 0, item: 'ü x' }, null)).to.equal(
      Buffer.from('ü x\n').toString('latin1'),
    );
    expect(await stage({ n: 0, kind: 'params', params: { index: '7' } }, null)).to.equal('7\n');
    expect(await stage({ n: 0, kind: 'params', params: { a: '1', b: 'x' } }, null)).to.equal('{"a":"1","b":"x"}\n');
  });

  it('writes nothing for an empty input, and clears the target file', async () => {
    expect(await stage({ n: 0, kind: 'item', input: 0, item: 'old' }, null)).to.equal('old\n');
    expect(await stage({ n: 0, kind: 'whole', input: 0 }, fileInput(''))).to.equal('');
    expect(await stage({ n: 0, kind: 'whole', input: 0 }, await storeInput(''))).to.equal('');
  });

  it('fails if a file is modified while it is copied', async () => {
    const size = 48 * 2 ** 20;
    const input = fileInput(Buffer.alloc(size, 'a\n'));
    const options = { input, store: await bench.store(), target: bench.path('target') };
    const staged = stagePart({ n: 0, kind: 'whole', input: 0 }, options);
    // The copy has begun, and lets others run after every 16 MiB.
    const fd = openSync(bench.path('input'), 'r+');
    writeSync(fd, 'x', size - 1);
    closeSync(fd);
    await expectError(staged, 'changed', 'written to');
  });

  it('fails if a file was modified, replaced, touched or removed', async () => {
    const part = range(0, 2);
    const longer = fileInput('a\nb\n');
    appendFileSync(bench.path('input'), 'c\n');
    await expectError(stage(part, longer), 'changed', 'input.csv has changed');
    const replaced = fileInput('a\nb\n');
    renameSync(bench.file('other', 'c\nd\n'), bench.path('input'));
    await expectError(stage(part, replaced), 'changed', 'another file');
    const touched = fileInput('a\nb\n');
    utimesSync(bench.path('input'), 1, 1);
    await expectError(stage(part, touched), 'changed', 'written to');
    const removed = fileInput('a\nb\n');
    rmSync(bench.path('input'));
    await expectError(stage(part, removed), 'changed', 'no longer exists');
  });

  it('fails if an object was overwritten or removed', async () => {
    const part = range(0, 2);
    const input = await storeInput('a\nb\n');
    await storeInput('c\nd\n');
    await expectError(stage(part, input), 'changed', 'it was overwritten');
    await (await bench.store()).delete(['data/input']);
    await expectError(stage(part, input), 'changed', 'it is gone');
  });

  it('writes a stored piece, and fails if it is gone or altered', async () => {
    const store = await bench.store();
    const checksum = `sha256:${createHash('sha256').update('h\n1\n').digest('hex')}`;
    const piece: Part = { n: 3, kind: 'piece', input: 0, key: 'jobs/j/pieces/3', size: 4, checksum, header: 2 };
    await expectError(stage(piece, null), 'corrupt', 'is gone');
    await store.put(piece.key, 'h\n1\n');
    expect(await stage(piece, null)).to.equal('h\n1\n');
    await store.put(piece.key, 'h\n2\n');
    await expectError(stage(piece, null), 'corrupt', 'part 3');
  });
});
