// Protects: no input, however unusual, loses, repeats or breaks a record when it is split.
import { expect } from 'chai';
import fc from 'fast-check';
import { BatchctlError } from '../../../src/errors.ts';
import type { RecordSplit } from '../../../src/jobs/split/cut-rules.ts';
import type { SplitBy } from '../../../src/model/job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { reference } from './reference.ts';
import { type Origin, SplitBench } from './split-bench.ts';

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** Special characters in any order. */
const noise = fc
  .array(fc.constantFrom('"', ',', '\n', '\r\n', '\r', 'a', 'bc', 'é', '中', '🙂', '""', '\n\n', '"\n', ',"', ';'), {
    maxLength: 60,
  })
  .map((tokens) => tokens.join(''));

/** CSV as programs write it: quotes around fields that need them. */
const field = fc.oneof(
  fc.constantFrom('', 'x', '1.50', 'ünï', 'long enough to pass a small size'),
  fc.constantFrom('""', '"a,b"', '"two\nlines"', '"three\r\n\r\nlines"', '"said ""no"""', '"\n"', '"中\n🙂"'),
);
const csv = fc
  .tuple(
    fc.array(fc.array(field, { minLength: 1, maxLength: 4 }), { maxLength: 14 }),
    fc.constantFrom('\n', '\r\n'),
    fc.boolean(),
  )
  .map(([rows, end, last]) => rows.map((row) => row.join(',')).join(end) + (last ? end : ''));

const content = fc
  .tuple(fc.oneof(noise, csv, fc.constant(''), fc.constant('x'.repeat(300))), fc.boolean())
  .map(([text, bom]) => (bom ? Buffer.concat([BOM, Buffer.from(text)]) : Buffer.from(text)));

const by: fc.Arbitrary<SplitBy> = fc.oneof(
  fc.integer({ min: 1, max: 80 }).map((size) => ({ size })),
  fc.integer({ min: 1, max: 5 }).map((every) => ({ every })),
);

const lineSplit: fc.Arbitrary<RecordSplit> = fc
  .tuple(fc.constantFrom('lines' as const, 'jsonl' as const), by)
  .map(([kind, amount]) => ({ by: kind, ...amount }));
const csvSplit: fc.Arbitrary<RecordSplit> = fc
  .tuple(fc.boolean(), fc.constantFrom(',', ';'), fc.constantFrom('"', '"', '"', ''), by)
  .map(([header, delimiter, quote, amount]) => ({ by: 'csv', header, delimiter, quote, ...amount }));

const ORIGINS: readonly Origin[] = ['file', 'store', 'pipe', 'gzip', 'zstd'];

describe('splitting any input into parts', () => {
  const bench = forEachTest(() => new SplitBench());

  async function compare(
    origin: Origin,
    bytes: Buffer,
    split: RecordSplit,
    chunkSize: number,
    count: boolean,
  ): Promise<void> {
    const expected = reference(bytes, split);
    const source = await bench.source(origin, bytes);
    let found: Awaited<ReturnType<SplitBench['split']>>;
    try {
      found = await bench.split([source], split, { chunkSize, inMemory: 16, countRecords: count });
    } catch (error) {
      if (!(error instanceof BatchctlError) || !('line' in expected)) throw error;
      expect(error.kind).to.equal('jobFile');
      expect(error.message).to.contain(`, line ${expected.line}: `);
      return;
    }
    if ('line' in expected) throw new Error(`a quote on line ${expected.line} went unnoticed`);
    const counted = count || split.every !== undefined || split.by === 'records';
    const text = bytes.toString('latin1');
    expect(found.parts.map((part) => bench.see(part, bytes))).to.deep.equal(
      expected.parts.map(({ start, end, records }) => ({
        header: text.slice(0, expected.header),
        body: text.slice(start, end),
        records: counted ? records : undefined,
      })),
    );
    expect(found.parts.map(({ n }) => n)).to.deep.equal(found.parts.map((_, n) => n));
    const records = expected.parts.reduce((sum, part) => sum + part.records, 0);
    expect(found.facts).to.deep.equal([
      { index: 0, parts: expected.parts.length, bytes: bytes.length, records: counted ? records : null },
    ]);
  }

  for (const origin of ORIGINS) {
    const numRuns = origin === 'file' ? 1500 : 300;
    const chunkSize = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(65_536));

    it(`cuts lines and JSON Lines of a ${origin} as a byte-by-byte reader would`, async () => {
      await fc.assert(
        fc.asyncProperty(content, lineSplit, chunkSize, fc.boolean(), (...values) => compare(origin, ...values)),
        { numRuns },
      );
    });

    it(`cuts CSV of a ${origin} as a byte-by-byte reader would, and finds every unbalanced quote`, async () => {
      await fc.assert(
        fc.asyncProperty(content, csvSplit, chunkSize, fc.boolean(), (...values) => compare(origin, ...values)),
        { numRuns },
      );
    });

    it(`cuts fixed-length records of a ${origin} at multiples of their length`, async () => {
      const cases = fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 30 }),
        by,
        chunkSize,
        fc.boolean(),
        (length, count, amount, chunk, counts) => {
          const bytes = Buffer.from(Array.from({ length: length * count }, (_, i) => (i * 7) % 256));
          // Otherwise some bytes would look like a compressed file.
          bytes.fill(1, 0, Math.min(4, bytes.length));
          return compare(origin, bytes, { by: 'records', length, ...amount }, chunk, counts);
        },
      );
      await fc.assert(cases, { numRuns: numRuns / 5 });
    });
  }
});
