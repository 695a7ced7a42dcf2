// Protects: an input that is read whole has the checksum that was recorded for it, or its task fails at once; --deep reads all.
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { dataMetadata } from '../../src/jobs/data-key.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { verifyJob } from '../../src/jobs/verify/verify-job.ts';
import { dataKey, failedKey, outKey } from '../../src/model/keys.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
import { collect } from '../support/collect.ts';
import { forEachTest } from '../support/fixture.ts';
import { failsWith } from '../support/rejection.ts';
import { openPlace } from './published-job.ts';
import { changeText, readText } from './stored-text.ts';
import { runJob, submitJob } from './submitted-job.ts';

const sha256 = (text: string | Buffer): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
/** A Zstandard frame of one raw block (RFC 8878), for up to 255 bytes. */
const storedZstd = (text: string): Buffer => {
  const [size, header] = [text.length, Buffer.alloc(3)];
  header.writeUIntLE(size * 8 + 1, 0, 3);
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, size]), header, Buffer.from(text)]);
};
const yaml = (from: string, split: string): string => `
name: reader
input: { from: "${from}", split: ${split} }
steps: [{ name: copy, attempts: 3, run: [cat] }]
`;
const CSV = 'id,v\n1,a\n2,b\n';

describe('recorded checksums of inputs', () => {
  const place = forEachTest(openPlace);

  const failureOf = async ({ record }: JobView): Promise<{ reason: string; error: string; number: number }> =>
    JSON.parse(await readText(place.platform.store, failedKey(record.job, 'copy', 0, 0)));
  /** Puts an object as `upload` does, with the checksum of other bytes if `recorded` is given. */
  const upload = (text: string | Buffer, recorded = text) =>
    place.platform.store.put(dataKey('a.csv'), text, { metadata: dataMetadata(sha256(recorded)) });

  it('of an object of upload are in job.json, and bytes that have them are processed and proven', async () => {
    await upload(CSV);
    const view = await runJob(place, yaml('store:a.csv', '{ by: file }'));
    expect(view.record.inputs[0]?.checksum).to.equal(sha256(CSV));
    expect(stateOf(view)).to.equal('succeeded');
    expect((await verifyJob(place.platform, view, { deep: true })).verdict).to.equal('proven');
  });

  it('are compared in objects that are too large to be read in one go', async () => {
    const large = Buffer.alloc(20 * 2 ** 20 + 3, 'some bytes, ');
    await upload(large);
    const split = '{ by: file }';
    expect(stateOf(await runJob(place, yaml('store:a.csv', split)))).to.equal('succeeded');
    const other = Buffer.from(large);
    other[large.length - 1] = 0;
    await upload(other, large);
    const { error } = await failureOf(await runJob(place, yaml('store:a.csv', split)));
    expect(error).to.include(`expected ${sha256(large)}, found ${sha256(other)}`);
  });

  const whole: readonly (readonly [what: string, split: string])[] = [
    ['a file', '{ by: file }'],
    ['one part of lines', '{ by: lines, every: 9 }'],
    ['one part with a header', '{ by: csv, size: 1MB, header: true }'],
  ];
  for (const [what, split] of whole)
    it(`fail a task at once that reads other bytes as ${what}, with both checksums`, async () => {
      await upload(CSV.replace('b', 'x'), CSV);
      const view = await runJob(place, yaml('store:a.csv', split));
      expect(stateOf(view)).to.equal('failed');
      const { reason, error, number } = await failureOf(view);
      expect([reason, number]).to.deep.equal(['changed', 1]);
      expect(error)
        .to.include('store:a.csv')
        .and.include(`expected ${sha256(CSV)}, found ${sha256(CSV.replace('b', 'x'))}`);
    });

  it('of an output of another job fail the task that reads it, if it was altered before', async () => {
    const { record } = await runJob(place, yaml('store:a.csv', '{ by: file }').replace('"store:a.csv"', 'a.csv'), {
      'a.csv': CSV,
    });
    await changeText(place.platform.store, outKey(record.job, 'copy', 0), (text) => text.replace('b', 'x'));
    const view = await runJob(place, yaml(`job:${record.job}/copy`, '{ by: file }'));
    const { reason, error } = await failureOf(view);
    expect([stateOf(view), reason]).to.deep.equal(['failed', 'changed']);
    expect(error)
      .to.include(`job:${record.job}/copy/0`)
      .and.include(`expected ${sha256(CSV)}`);
  });

  it('are compared by verify --deep if parts of the input were read, which no worker can compare', async () => {
    await upload(CSV.replace('b', 'x'), CSV);
    const view = await runJob(place, yaml('store:a.csv', '{ by: lines, every: 1 }'));
    expect(stateOf(view)).to.equal('succeeded');
    const closed = await requireView(place.platform.store, view.record.job);
    expect((await verifyJob(place.platform, closed)).verdict).to.equal('proven');
    const { verdict, problems } = await verifyJob(place.platform, closed, { deep: true });
    expect([verdict, problems.map(({ code }) => code)]).to.deep.equal(['failed', ['inputAltered']]);
  });

  const read: readonly (readonly [what: string, split: string, pack: (text: string) => Buffer])[] = [
    ['decompresses, gzip', '{ by: lines, every: 1 }', (text) => gzipSync(text)],
    ['decompresses, Zstandard', '{ by: csv, size: 1MB, header: true }', storedZstd],
    ['takes as a list', '{ by: list }', (text) => Buffer.from(text)],
  ];
  for (const [what, split, pack] of read)
    it(`refuse a submission that reads other bytes of an input, which it ${what}, and nothing is accepted`, async () => {
      const [right, wrong] = [pack(CSV), pack(CSV.replace('b', 'x'))];
      await upload(wrong, right);
      const { message, hint } = await failsWith('changed', submitJob(place, yaml('store:a.csv', split), {}));
      expect(message).to.equal(
        `store:a.csv does not have the checksum recorded for it: expected ${sha256(right)}, found ${sha256(wrong)}`,
      );
      expect(hint).to.include('batchctl rm a.csv');
      expect(await collect(place.platform.store.keys('jobs/'))).to.deep.equal([]);
      await upload(right);
      expect(stateOf(await runJob(place, yaml('store:a.csv', split)))).to.equal('succeeded');
    });

  it('refuse a submission that decompresses an altered output of another job', async () => {
    const { record } = await runJob(place, yaml('a.gz', '{ by: file }'), { 'a.gz': gzipSync(CSV) });
    const key = outKey(record.job, 'copy', 0);
    const metadata = (await place.platform.store.head(key))?.metadata ?? {};
    await place.platform.store.put(key, gzipSync(CSV.replace('b', 'x')), { metadata });
    const reader = yaml(`job:${record.job}/copy`, '{ by: lines, every: 1 }');
    const { message, hint } = await failsWith('changed', submitJob(place, reader, {}));
    expect(message)
      .to.include(`job:${record.job}/copy/0 does not have`)
      .and.include(sha256(gzipSync(CSV)));
    expect(hint).to.include(`batchctl verify ${record.job} --deep`);
  });

  it('are not needed: an object without one is read by its entity tag', async () => {
    await place.platform.store.put(dataKey('a.csv'), CSV);
    const view = await runJob(place, yaml('store:a.csv', '{ by: file }'));
    expect([view.record.inputs[0]?.checksum, stateOf(view)]).to.deep.equal([null, 'succeeded']);
  });
});
