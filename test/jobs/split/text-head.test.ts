// Protects: text that a split would cut in the wrong places is refused before anything is written, with the command
// that converts it.
import { execSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { BatchctlError } from '../../../src/errors.ts';
import { openPipeSource } from '../../../src/jobs/split/file-source.ts';
import { HEAD_SIZE, textHeadCheck } from '../../../src/jobs/split/split-source.ts';
import { openStoreSource } from '../../../src/jobs/split/store-source.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';
import { rawZstd } from './split-bench.ts';

const LINES = 'id,v\n1,ä\n2,b\n';

/** UTF-16 or UTF-32 as iconv writes it, with or without a mark. */
function encoded(text: string, encoding: 'UTF-16LE' | 'UTF-16BE' | 'UTF-32LE' | 'UTF-32BE', mark: boolean): Buffer {
  const characters = [...(mark ? '\ufeff' : ''), ...text];
  const width = encoding.startsWith('UTF-16') ? 2 : 4;
  const bytes = Buffer.alloc(characters.length * width);
  for (const [at, character] of characters.entries()) {
    const code = character.codePointAt(0) ?? 0;
    if (encoding.endsWith('LE')) bytes.writeUIntLE(code, at * width, width);
    else bytes.writeUIntBE(code, at * width, width);
  }
  return bytes;
}

const job = (split: string, from = 'in.csv'): string =>
  `name: j\ninput: { from: "${from}", split: ${split} }\nsteps:\n  - { name: s, run: [cat] }\n`;
const CSV = '{ by: csv, every: 1, header: true }';
/** Small files in packed formats, and the commands that unpack them. */
const PACKED = [
  ['bzip2', 'QlpoOTFBWSZTWblygC0AAAPZgAAQAAQgACQgAQAgACIZPRCGAoQlb8XckU4UJC5coAtA', 'bzip2 -dc'],
  ['xz', Buffer.from('\xfd7zXZ\0', 'latin1').toString('base64'), 'xz -dc'],
  ['lz4', Buffer.from('\x04"M\x18@', 'latin1').toString('base64'), 'lz4 -dc'],
  ['zip', Buffer.from('PK\x03\x04').toString('base64'), 'funzip'],
  ['tar', Buffer.from(`in.csv${'\0'.repeat(251)}ustar`).toString('base64'), 'tar -xOf -'],
] as const;
const TEXT_SPLITS = [CSV, '{ by: lines, every: 1 }', '{ by: jsonl, size: 1MB }', '{ by: list }'];

describe('the first bytes of an input that is cut as text', () => {
  const place = forEachTest(openPlace);

  async function refusal(split: string, bytes: Uint8Array): Promise<BatchctlError> {
    const error = await failsWith('jobFile', submitJob(place, job(split), { 'in.csv': bytes }));
    for await (const { key } of place.platform.store.list('')) throw new Error(`${key} was written`);
    return error;
  }

  /** Runs the command of the hint where the inputs are. */
  function convertedBy({ hint = '' }: BatchctlError): string {
    const [command = ''] = /(iconv|tr|gzip|zstd) .*> CONVERTED/.exec(hint) ?? [];
    execSync(command, { cwd: place.directory });
    return readFileSync(`${place.directory}/CONVERTED`, 'utf8');
  }

  for (const [encoding, name] of [
    ['UTF-16LE', 'UTF-16'],
    ['UTF-16BE', 'UTF-16'],
    ['UTF-32LE', 'UTF-32'],
    ['UTF-32BE', 'UTF-32'],
  ] as const) {
    it(`refuses ${encoding} with a byte order mark, plain or compressed`, async () => {
      const bytes = encoded(LINES, encoding, true);
      for (const split of TEXT_SPLITS) {
        const error = await refusal(split, bytes);
        expect(error.message).to.contain(`in.csv is ${name}`);
        expect(convertedBy(error)).to.equal(LINES);
      }
      const packed = await refusal(CSV, gzipSync(bytes));
      expect(packed.message).to.contain(`is ${name}`);
      expect(convertedBy(packed)).to.equal(LINES);
      expect((await refusal(CSV, rawZstd(bytes))).hint).to.contain(`zstd -dc < in.csv | iconv -f ${name} -t UTF-8`);
    });
  }

  it('refuses it in compressed input even if only the beginning is read', async () => {
    const noise = Array.from({ length: 200_000 }, (_, i) =>
      createHash('sha1').update(String(i)).digest('base64').charAt(0),
    );
    const bytes = encoded(`${noise.join('')}\n`, 'UTF-16LE', true);
    for (const packed of [gzipSync(bytes), rawZstd(bytes)]) {
      expect(packed.length).to.be.above(HEAD_SIZE);
      expect((await refusal(CSV, packed)).message).to.contain('is UTF-16');
    }
  });

  it('detects and refuses UTF-16 without a mark by its NUL bytes', async () => {
    for (const encoding of ['UTF-16LE', 'UTF-16BE'] as const) {
      for (const split of TEXT_SPLITS) {
        const error = await refusal(split, encoded(LINES, encoding, false));
        expect(error.message).to.contain(`a NUL byte at byte ${encoding === 'UTF-16LE' ? 1 : 0};`);
        expect(convertedBy(error)).to.equal(LINES);
      }
    }
  });

  it('refuses NUL bytes, and hints at a command that removes them', async () => {
    const error = await refusal(CSV, Buffer.from(`id,v\n1,\0\0\n`));
    expect(error.message).to.contain('a NUL byte at byte 7;');
    expect(convertedBy(error)).to.equal('id,v\n1,\n');
  });

  for (const [program, base64, unpacked] of PACKED) {
    it(`refuses a file packed by ${program}, even without a NUL, and hints at a command that unpacks it`, async () => {
      const bytes = Buffer.from(base64, 'base64');
      for (const split of TEXT_SPLITS) {
        expect((await refusal(split, bytes)).message).to.contain(
          `was packed by ${program}, which is not unpacked here`,
        );
      }
      expect((await refusal(CSV, gzipSync(bytes))).hint).to.match(/^gzip -dc < in.csv \| .* > CONVERTED$/);
      expect((await refusal(CSV, bytes)).hint).to.equal(`${unpacked} < in.csv > CONVERTED`);
    });
  }

  it('refuses lines that end with only a CR, plain or compressed', async () => {
    const text = 'id,v\r1,a\r2,b\r';
    for (const split of TEXT_SPLITS) {
      const error = await refusal(split, Buffer.from(text));
      expect(error.message).to.contain('ends its lines with CR only');
      expect(convertedBy(error)).to.equal('id,v\n1,a\n2,b\n');
    }
    expect(convertedBy(await refusal(CSV, gzipSync(text)))).to.equal('id,v\n1,a\n2,b\n');
    await refusal(CSV, Buffer.from('id,v\r1,a'.repeat(HEAD_SIZE / 4)));
  });

  it('accepts UTF-8 with or without a mark, Latin-1, CR LF, and a CR within a record', async () => {
    for (const text of [LINES, `\ufeff${LINES}`, 'id,v\r\n1,a\r\n', 'id,v\n1,a\rb\n', 'id,v', '']) {
      await submitJob(place, job(CSV), { 'in.csv': Buffer.from(text) });
    }
    await submitJob(place, job(CSV), { 'in.csv': Buffer.from('id,v\n1,\xff\xfe\n', 'latin1') });
    await submitJob(place, job(CSV), { 'in.csv': Buffer.from('"a\rb",v') });
    // The line end of a long first record crosses the end of the head.
    await submitJob(place, job('{ by: lines, every: 1 }'), { 'in.csv': `${'x'.repeat(HEAD_SIZE - 1)}\r\ny\r\n` });
  });

  it("accepts any bytes if the split doesn't look for line ends", async () => {
    const bytes = encoded(LINES, 'UTF-16LE', true);
    await submitJob(place, job('{ by: file }'), { 'in.csv': bytes });
    await submitJob(place, job('{ by: records, length: 2, every: 4 }'), { 'in.csv': bytes });
  });

  it('checks objects of the store, and stdin however its bytes arrive', async () => {
    const bytes = encoded(LINES, 'UTF-16LE', true);
    const look = textHeadCheck({ by: 'lines', every: 1 });
    await place.platform.store.put('data/in', bytes);
    const opening = openStoreSource(0, place.platform.store, 'data/in', 'store:in', null, look);
    expect((await failsWith('jobFile', opening)).hint).to.equal('iconv -f UTF-16 -t UTF-8 < FILE > CONVERTED');
    await failsWith('jobFile', submitJob(place, job(CSV, 'store:in'), {}));
    for (const given of [bytes, gzipSync(bytes)]) {
      const input = Readable.from([...given].map((byte) => Buffer.from([byte])));
      await failsWith('jobFile', openPipeSource(0, input, look));
      expect(input.destroyed, 'otherwise it would keep the process alive').to.equal(true);
    }
  });
});
