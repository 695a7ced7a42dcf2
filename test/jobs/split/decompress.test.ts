// Protects: compressed input is read completely, or refused with the position of the error, as `gzip -t` and `zstd -t` do.
import { writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { decompressed } from '../../../src/jobs/split/decompress.ts';
import { openFileSource, openPipeSource } from '../../../src/jobs/split/file-source.ts';
import type { SplitSource } from '../../../src/jobs/split/split-source.ts';
import { forSuite } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';
import { type CompressedCase, GZIP_CASES, ZSTD_CASES } from './compressed-cases.ts';

async function read(source: SplitSource, decompress = decompressed): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of decompress(source)) chunks.push(chunk);
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
    const valid = ZSTD_CASES.find(({ holds }) => holds !== null) ?? expect.fail('no case is valid');
    for (const decompress of [decompressed, second])
      for (const source of await sources(valid.bytes)) expect(await read(source, decompress)).to.equal(valid.holds);
  });

  function cases(program: string, all: readonly CompressedCase[]): void {
    for (const { name, bytes, holds, at } of all) {
      it(`${holds === null ? 'refuses' : 'reads'} ${name}, as ${program} -t does`, async () => {
        for (const source of await sources(bytes)) {
          expect(source.compression).to.equal(program);
          if (holds !== null) {
            expect(await read(source)).to.equal(holds);
            continue;
          }
          const { message, hint } = await failsWith('corrupt', read(source));
          // A single number is exact; the last of two is the number of bytes read before the error was noticed.
          const named = [...message.matchAll(/ byte (\d+)/g)].map(([, digits]) => Number(digits));
          if (named.length === 1) expect(named, message).to.deep.equal([at]);
          else expect(at, message).to.be.at.most(Math.max(...named));
          expect(hint).to.contain(`${program} -t`);
        }
      });
    }
  }
  cases('gzip', GZIP_CASES);
  cases('zstd', ZSTD_CASES);

  it('says that a file is gzip and zstd, one after the other', async () => {
    const mixed = (all: readonly CompressedCase[], name: string) =>
      sources(all.find((each) => each.name === name)?.bytes ?? expect.fail(`no case ${name}`));
    const messageOf = async (source: SplitSource | undefined) =>
      (await failsWith('corrupt', read(source ?? expect.fail('no source')))).message;
    const [zstdFirst] = await mixed(ZSTD_CASES, 'a gzip member after a frame');
    const zstdMessage = await messageOf(zstdFirst);
    const [gzipFirst] = await mixed(GZIP_CASES, 'a zstd frame after a member');
    expect(zstdMessage).to.contain('a gzip member, not a frame, begins at byte');
    expect(await messageOf(gzipFirst)).to.contain('what follows a member is not gzip');
  });

  it('names the damaged frame', async () => {
    const { bytes = Buffer.alloc(0) } = ZSTD_CASES.find(({ name }) => name.startsWith('a wrong checksum')) ?? {};
    for (const source of await sources(bytes)) {
      const { message } = await failsWith('corrupt', read(source));
      expect(message).to.contain(`frame from byte ${bytes.length / 2} on`);
    }
  });
});
