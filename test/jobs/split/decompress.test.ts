// Protects: compressed input is read completely, or refused with the position of the error, as `gzip -t` and `zstd -t` do.
import { writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { decompressed } from '../../../src/jobs/split/decompress.ts';
import { openFileSource, openPipeSource } from '../../../src/jobs/split/file-source.ts';
import type { SplitSource } from '../../../src/jobs/split/split-source.ts';
import { forSuite } from '../../support/fixture.ts';
import { Scratch } from '../../support/scratch.ts';
import { type CompressedCase, GZIP_CASES, ZSTD_CASES } from './compressed-cases.ts';

async function read(source: SplitSource, by = decompressed): Promise<string | BatchctlError> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of by(source)) chunks.push(chunk);
  } catch (error) {
    if (error instanceof BatchctlError) return error;
    throw error;
  } finally {
    await source.close();
  }
  return Buffer.concat(chunks).toString();
}

describe('the decompression of input', () => {
  const scratch = forSuite(() => new Scratch());

  function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
    for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
  }

  function sources(bytes: Buffer): Promise<readonly SplitSource[]> {
    const path = scratch.path('in');
    writeFileSync(path, bytes);
    // Also byte by byte if that is fast enough, so that chunks end at every position.
    const sizes = bytes.length < 2000 ? [1, 7] : [4096];
    const piped = sizes.map((size) => openPipeSource(0, Readable.from(pieces(bytes, size))));
    return Promise.all([openFileSource(0, path), ...piped]);
  }

  it('works in a second copy of the module in the same process', async () => {
    const copy = '../../../src/jobs/split/decompress.ts?second';
    const { decompressed: second } = (await import(copy)) as { decompressed: typeof decompressed };
    const whole = ZSTD_CASES.find(({ holds }) => holds !== null) ?? expect.fail('no case is valid');
    for (const by of [decompressed, second])
      for (const source of await sources(whole.bytes)) expect(await read(source, by)).to.equal(whole.holds);
  });

  function cases(program: string, all: readonly CompressedCase[]): void {
    for (const { name, bytes, holds, at } of all) {
      it(`${holds === null ? 'refuses' : 'reads'} what ${program} -t ${holds === null ? 'rejects' : 'accepts'}: ${name}`, async () => {
        for (const source of await sources(bytes)) {
          expect(source.compression).to.equal(program);
          const found = await read(source);
          if (holds !== null) expect(found).to.equal(holds);
          else {
            if (!(found instanceof BatchctlError)) throw new Error(`it was read: ${found.length} characters`);
            expect(found.kind).to.equal('corrupt');
            // A single number is exact; of two, the last is how far it had read when it noticed.
            const named = [...found.message.matchAll(/ byte (\d+)/g)].map(([, digits]) => Number(digits));
            if (named.length === 1) expect(named, found.message).to.deep.equal([at]);
            else expect(at, found.message).to.be.at.most(Math.max(...named));
            expect(found.hint).to.contain(`${program} -t`);
          }
        }
      });
    }
  }
  cases('gzip', GZIP_CASES);
  cases('zstd', ZSTD_CASES);

  it('names the damaged frame', async () => {
    const { bytes = Buffer.alloc(0) } = ZSTD_CASES.find(({ name }) => name.startsWith('a wrong checksum')) ?? {};
    const [source] = await sources(bytes);
    const found = source && (await read(source));
    expect(found instanceof BatchctlError && found.message).to.contain(`frame from byte ${bytes.length / 2} on`);
  });
});
