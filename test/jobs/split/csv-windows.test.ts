// Protects: a large CSV on S3 is cut by reading almost none of it, and a record that was cut in two is always found.
import { expect } from 'chai';
import fc from 'fast-check';
import { BatchctlError } from '../../../src/errors.ts';
import { CutError, cutCheckOf } from '../../../src/jobs/split/cut-check.ts';
import { splitInputs } from '../../../src/jobs/split/split-inputs.ts';
import type { SplitSource } from '../../../src/jobs/split/split-source.ts';
import { openStoreSource } from '../../../src/jobs/split/store-source.ts';
import type { JobInput, SplitSpec } from '../../../src/model/job.ts';
import type { RangePart } from '../../../src/model/part.ts';
import { CsvFinder } from '../../../src/model/split/csv-finder.ts';
import { findQuoteState } from '../../../src/model/split/csv-window.ts';
import type { ReadOptions } from '../../../src/ports/object-store.ts';

const DIALECT = { delimiter: 44, quote: 34 };
const csv = (size: number, header = false) => ({ by: 'csv', header, delimiter: ',', quote: '"', size }) as const;

/** An object on S3 of `size` bytes that `read` generates; counts the bytes that are read. */
class FakeObject {
  readonly input: Pick<JobInput, 'name' | 'size'>;
  readonly #read: (offset: number, buffer: Buffer) => void;
  read = 0;

  constructor(size: number, read: (offset: number, buffer: Buffer) => void) {
    this.input = { name: 'in.csv', size };
    this.#read = read;
  }

  static of(bytes: Buffer): FakeObject {
    return new FakeObject(bytes.length, (offset, buffer) => bytes.copy(buffer, 0, offset));
  }

  async split(split: SplitSpec, windows?: { from: number; first: number; largest: number }): Promise<RangePart[]> {
    const parts: RangePart[] = [];
    const inputs = [await this.#source()];
    const options = { inputs, split, maxTasks: 1e6, storePiece: () => Promise.reject(new Error()) };
    for await (const part of splitInputs({ ...options, ...(windows && { windows }) }))
      if (part.kind === 'range') parts.push(part);
    return parts;
  }

  /** Why the worker of a part refuses it; null if it doesn't. `step`: how many bytes it sees at a time. */
  refusal(part: RangePart, split: SplitSpec, step: number): string | null {
    const check = cutCheckOf(part, this.input as JobInput, split);
    if (check === null) throw new Error('expected a part with assumed cuts');
    const { header } = part;
    try {
      if (header !== undefined) check.add(this.bytes(header.offset, header.length));
      for (let at = 0; at < part.length; at += step)
        check.add(this.bytes(part.offset + at, Math.min(step, part.length - at)));
      check.finish();
      return null;
    } catch (error) {
      if (error instanceof CutError) return error.message;
      throw error;
    }
  }

  bytes(offset: number, length: number): Buffer {
    const buffer = Buffer.alloc(length);
    this.#read(offset, buffer);
    return buffer;
  }

  #source(): Promise<SplitSource> {
    const { name, size } = this.input;
    const info = { key: name, size, etag: 'e', metadata: {}, modified: 0 };
    const read = async (_: string, { range }: ReadOptions = {}): Promise<Uint8Array> => {
      const buffer = this.bytes(range?.offset ?? 0, range?.length ?? size);
      this.read += buffer.length;
      return buffer;
    };
    return openStoreSource(0, { head: async () => info, read, get: () => Promise.reject(new Error()) }, name);
  }
}

/** The record ends of well-formed CSV; null for any other. */
function recordEnds(bytes: Buffer): ReadonlySet<number> | null {
  const finder = new CsvFinder(DIALECT);
  const ends = new Set<number>();
  try {
    finder.restart(0);
    finder.load(bytes, 0);
    for (let at = finder.next(); at !== -1; at = finder.next()) ends.add(at);
    finder.finish();
  } catch {
    return null;
  }
  return ends.add(bytes.length);
}

const noise = fc
  .array(fc.constantFrom('"', ',', '\n', '\r\n', '\r', 'a', 'bc', '""', '\n\n', '"\n', ',"', '",'), { maxLength: 80 })
  .map((tokens) => tokens.join(''));
const field = fc.oneof(
  fc.constantFrom('', 'x', '1.50', 'a longer field without quotes', '""', '"a,b"', '"two\nlines"', '"said ""no"""'),
  fc.constantFrom('"\n"', '",\n,"', '"a\nb\nc\nd\ne\nf\ng\nh"', '""""', '"\r\n,"'),
);
const rows = fc
  .tuple(fc.array(fc.array(field, { minLength: 1, maxLength: 4 }), { maxLength: 30 }), fc.constantFrom('\n', '\r\n'))
  .map(([records, end]) => records.map((record) => record.join(',') + end).join(''));
/** Well-formed CSV, the same with one byte changed or removed, and special characters in any order. */
const content = fc.oneof(
  rows,
  fc.tuple(rows, fc.nat(), fc.constantFrom('"', '', '\n', '"",')).map(([text, at, put]) => {
    const where = text.length === 0 ? 0 : at % text.length;
    return text.slice(0, where) + put + text.slice(where + 1);
  }),
  noise,
);
const windows = fc
  .tuple(fc.integer({ min: 2, max: 24 }), fc.integer({ min: 2, max: 48 }))
  .map(([first, largest]) => ({ from: 0, first, largest: Math.max(first, largest) }));
const sizes = fc.integer({ min: 1, max: 120 });

describe('cutting CSV by windows', () => {
  it('lets some worker refuse its part whenever a part begins or ends within a record', async () => {
    const seen = { right: 0, refused: 0, wellFormedRefused: 0, faulty: 0 };
    await fc.assert(
      fc.asyncProperty(content, sizes, windows, fc.integer({ min: 1, max: 9 }), async (text, size, of, step) => {
        const object = FakeObject.of(Buffer.from(text));
        const split = csv(size);
        const ends = recordEnds(Buffer.from(text));
        let parts: RangePart[];
        try {
          parts = await object.split(split, of);
        } catch (error) {
          // All bytes since the last cut were read, and a fault found.
          if (!(error instanceof BatchctlError)) throw error;
          expect(error.kind).to.equal('jobFile');
          return;
        }
        expect(parts.reduce((at, part) => (part.offset === at ? at + part.length : Number.NaN), 0)).to.equal(
          text.length,
        );
        const refused = parts.some((part) => object.refusal(part, split, step) !== null);
        const right = ends !== null && parts.every(({ offset, length }) => ends.has(offset + length));
        if (!refused) expect(right, JSON.stringify(parts)).to.equal(true);
        if (right) expect(refused).to.equal(false);
        seen.right += right && parts.length > 1 ? 1 : 0;
        seen.refused += refused ? 1 : 0;
        seen.wellFormedRefused += refused && ends !== null ? 1 : 0;
        seen.faulty += ends === null ? 1 : 0;
      }),
      { numRuns: 4_000 },
    );
    // Windows of a few bytes guess wrong often enough for this to prove something.
    for (const [what, count] of Object.entries(seen)) expect(count, what).to.be.greaterThan(20);
  });

  it('is right about each window that reveals its quotes, in CSV without faults', () => {
    let revealed = 0;
    fc.assert(
      fc.property(rows, fc.nat(), fc.integer({ min: 1, max: 40 }), (text, at, length) => {
        const bytes = Buffer.from(text);
        const low = bytes.length === 0 ? 0 : at % bytes.length;
        const known = findQuoteState(bytes.subarray(low, low + length), DIALECT);
        if (known === null) return;
        revealed += 1;
        let quotes = 0;
        for (let n = 0; n < low + known.at; n += 1) quotes += bytes[n] === 34 ? 1 : 0;
        expect(known.quoted).to.equal(quotes % 2 === 1);
      }),
      { numRuns: 4_000 },
    );
    expect(revealed).to.be.greaterThan(400);
  });

  it('makes the same cuts as a complete read, with a header, a byte order mark and long quoted fields', async () => {
    const record = (n: number): string => `${n},"a ""quoted"" field,\nof ${'two '.repeat(n % 50)}lines",x\n`;
    const text = `\ufeffid,"the\ntext",c\n${Array.from({ length: 20_000 }, (_, n) => record(n)).join('')}`;
    const object = FakeObject.of(Buffer.from(text));
    const split = csv(50_000, true);
    const parts = await object.split(split, { from: 0, first: 512, largest: 8_192 });
    const { read } = object;
    expect(read).to.be.below(text.length / 10);
    const exact = await object.split({ ...split, exact: true }, { from: 0, first: 512, largest: 8_192 });
    expect(parts.map(({ assumed, ...part }) => part)).to.deep.equal(exact);
    expect(parts.every((part) => object.refusal(part, split, 1_000) === null)).to.equal(true);
  });

  it('makes the same cuts where a window within a long field of several lines has no quote', async () => {
    const record = (n: number): string => `${n},"${'one of many lines\n'.repeat(n % 150)}",x\n`;
    const object = FakeObject.of(Buffer.from(Array.from({ length: 2_000 }, (_, n) => record(n)).join('')));
    const split = csv(10_000);
    const windows = { from: 0, first: 64, largest: 8_192 };
    const parts = await object.split(split, windows);
    const exact = await object.split({ ...split, exact: true }, windows);
    expect(parts.length).to.be.greaterThan(100);
    expect(parts.map(({ assumed, ...part }) => part)).to.deep.equal(exact);
  });

  it('plans a terabyte by reading less than a thousandth of it', async () => {
    const record = Buffer.from(`${'7'.repeat(9)},"quoted, with a line\nend and ""quotes""",${'x'.repeat(60)},"z"\n`);
    const block = Buffer.concat(Array.from({ length: 2_000 }, () => record));
    const size = Math.floor(1e12 / record.length) * record.length;
    const object = new FakeObject(size, (offset, buffer) => {
      for (let at = 0; at < buffer.length; ) {
        at += block.copy(buffer, at, (offset + at) % record.length);
      }
    });
    const parts = await object.split(csv(64e6));
    expect(parts.length).to.be.within(15_600, 15_700);
    expect(object.read / size).to.be.below(0.001);
    // Each window once, although sixteen are read ahead.
    expect(object.read).to.be.below(parts.length * 40_000);
    expect(parts.every(({ offset }) => offset % record.length === 0)).to.equal(true);
  });

  it('reads all of a small object, of one with exact, and where records must be counted', async () => {
    const object = FakeObject.of(Buffer.from('a,"b\nc"\n'.repeat(1_000)));
    const split = csv(2_000);
    for (const parts of [
      await object.split(split),
      await object.split({ ...split, exact: true }, { from: 0, first: 64, largest: 64 }),
      await object.split({ ...split, size: undefined, every: 200 }, { from: 0, first: 64, largest: 64 }),
    ]) {
      expect(parts.some(({ assumed }) => assumed === true)).to.equal(false);
      expect(parts.length).to.be.greaterThan(3);
    }
    expect(object.read).to.be.at.least(3 * 8_000);
  });

  it('names the byte of a fault that only a worker could see, and the field that avoids it', async () => {
    const good = 'a,"b\nc",d\n'.repeat(400);
    const text = `${good}a,b"c,d\n${good}`;
    const object = FakeObject.of(Buffer.from(text));
    const split = csv(1_000);
    const parts = await object.split(split, { from: 0, first: 64, largest: 256 });
    const refusals = parts.map((part) => object.refusal(part, split, 100)).filter((found) => found !== null);
    expect(refusals).to.have.length(1);
    expect(refusals[0])
      .to.include(`an unquoted field contains a quote, at byte ${good.length + 3}`)
      .and.include('exact: true');
  });
});
