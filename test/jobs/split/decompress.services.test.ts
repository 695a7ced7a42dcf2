// Protects: an input is accepted exactly if `gzip -t` or `zstd -t` accepts it, and has the content that they write.
import { spawnSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import fc from 'fast-check';
import { isKind } from '../../../src/errors.ts';
import { decompressed } from '../../../src/jobs/split/decompress.ts';
import { openPipeSource } from '../../../src/jobs/split/file-source.ts';
import { installed } from '../../support/run/lacking.ts';
import { GZIP_CASES, ZSTD_CASES } from './compressed-cases.ts';

type Program = 'gzip' | 'zstd';

function run(program: Program, args: readonly string[], input: Uint8Array): { status: number | null; out: Buffer } {
  const path = program === 'zstd' ? installed('zstd') : program;
  const { status, stdout } = spawnSync(path, [...args], { input, maxBuffer: 2 ** 28 });
  return { status, out: stdout };
}

/** The content by the program; null if it rejects the file. */
function decompressedBy(program: Program, bytes: Buffer): Buffer | null {
  return run(program, ['-t'], bytes).status === 0 ? run(program, ['-dcq'], bytes).out : null;
}

/** The content by batchctl; null if it refuses the file, `other` if it does not recognise the format. */
async function readContent(program: Program, bytes: Buffer): Promise<Buffer | null | 'other'> {
  const source = await openPipeSource(0, Readable.from([bytes]));
  if (source.compression !== program) return 'other';
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of decompressed(source)) chunks.push(chunk);
  } catch (error) {
    if (isKind(error, 'corrupt')) return null;
    throw error;
  }
  return Buffer.concat(chunks);
}

/** 300 KB that compress with matches, literals and repeats alike. */
const TEXT = Buffer.from(
  Array.from({ length: 12_000 }, (_, i) => `${i},${(i * 7919) % 10_007},claim ${i % 50}\n`).join('') +
    'x'.repeat(50_000),
);

describe('gzip -t and zstd -t', () => {
  for (const [program, cases] of [
    ['gzip', GZIP_CASES],
    ['zstd', ZSTD_CASES],
  ] as const) {
    it(`agree with the expected result of each example: ${program}`, () => {
      for (const { name, bytes, holds } of cases) {
        // Debian's zstd reads gzip, too; batchctl reads one format at a time.
        if (name === 'a gzip member after a frame') continue;
        expect(decompressedBy(program, bytes)?.toString() ?? null, name).to.equal(holds);
      }
    });
  }

  for (const [program, options] of [
    ['gzip', [[], ['-1'], ['-9']]],
    ['zstd', [[], ['--no-check'], ['--no-check', '-19'], ['-1', '--long=27']]],
  ] as const) {
    for (const flags of options) {
      it(`agree on what is damaged, truncated or appended: ${[program, ...flags].join(' ')}`, async () => {
        const unchecked = flags.some((flag) => flag === '--no-check');
        const small = run(program, [...flags, '-c', '-q'], TEXT.subarray(0, 500)).out;
        const large = run(program, [...flags, '-c', '-q'], TEXT).out;
        const whole = Buffer.concat([small, large, small]);
        const change = fc.record({
          // More often near the beginnings and ends of frames, where the formats keep headers and checksums.
          at: fc.oneof(
            fc.integer({ min: 4, max: small.length + 40 }),
            fc.integer({ min: whole.length - small.length - 40, max: whole.length - 1 }),
            fc.integer({ min: 4, max: whole.length - 1 }),
          ),
          bit: fc.integer({ min: 0, max: 7 }),
          how: fc.constantFrom('flip', 'flip', 'flip', 'cut', 'insert', 'zeros'),
        });
        const compare = async ({ at, bit, how }: { at: number; bit: number; how: string }): Promise<void> => {
          const bytes =
            how === 'cut'
              ? whole.subarray(0, at)
              : Buffer.concat([whole.subarray(0, at), Buffer.alloc(how === 'insert' ? bit : 0), whole.subarray(at)]);
          if (how === 'flip') bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
          const changed = how === 'zeros' ? Buffer.concat([whole, Buffer.alloc(bit)]) : bytes;
          const expected = decompressedBy(program, changed);
          const found = await readContent(program, changed);
          // Without a checksum some damage goes unnoticed, and decoders of zstd itself then differ.
          if (unchecked && expected !== null) return;
          expect(found?.toString('latin1')).to.equal(expected?.toString('latin1'));
        };
        await fc.assert(fc.asyncProperty(change, compare), { numRuns: 60 });
      });
    }
  }
});
