// Protects: verify finds every lost, altered or extra output, and proves only complete jobs.
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { statusOf } from '../../../src/jobs/status.ts';
import { recordDigest } from '../../../src/jobs/submit/same-job.ts';
import { type StoredProof, storeProof } from '../../../src/jobs/verify/proof.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import { outKey, partShardKey, pieceKey, proofKey } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { openPlace, publishManifest, publishSmall } from '../published-job.ts';
import { changeText, readText } from '../stored-text.ts';
import { publishAll, submitJob } from '../submitted-job.ts';

const yaml = (input: string, more = ''): string => `name: claims\ninput: { ${input} }
steps:
  - { name: price, run: [cat] }
  - { name: totals, gather: true, run: [cat] }
${more}`;
const CSV = 'id,note\n1,"two\nlines"\n2,x\n3,y\n4,z\n';
const LINES = Array.from({ length: 40 }, (_, n) => `line ${n}\n`).join('');

describe('verifying a closed job', () => {
  const place = forEachTest(openPlace);

  async function closed(input: string, inputs: Readonly<Record<string, string | Uint8Array>>): Promise<JobView> {
    return publishAll(place.platform, await submitJob(place, yaml(input), inputs));
  }
  const lines = () => closed('from: a.txt, split: { by: lines, every: 10 }', { 'a.txt': LINES });
  const verify = (view: JobView, deep = false) => verifyJob(place.platform, view, { deep });
  const codesOf = async (view: JobView, deep = false): Promise<readonly string[]> =>
    (await verify(view, deep)).problems.map(({ code }) => code);

  type Inputs = Readonly<Record<string, string | Uint8Array>>;
  const splits: readonly (readonly [name: string, input: string, inputs: Inputs, bytes: number])[] = [
    [
      'CSV by size, with headers',
      'from: "*.csv", split: { by: csv, size: 20, header: true }',
      { 'a.csv': CSV, 'b.csv': CSV, 'c.csv': 'id,note\n', 'd.csv': '' },
      2 * CSV.length + 8,
    ],
    ['lines by number', 'from: a.txt, split: { by: lines, every: 7 }', { 'a.txt': LINES }, LINES.length],
    ['lines by size', 'from: a.txt, split: { by: lines, size: 50 }', { 'a.txt': LINES }, LINES.length],
    [
      'compressed CSV',
      'from: a.csv.gz, split: { by: csv, every: 2, header: true }',
      { 'a.csv.gz': gzipSync(CSV) },
      CSV.length,
    ],
    [
      'records of a fixed length',
      'from: a.bin, split: { by: records, length: 4, every: 3 }',
      { 'a.bin': 'abcd'.repeat(10) },
      40,
    ],
    ['whole files', 'from: "*.bin", split: { by: file }', { 'a.bin': 'abc', 'b.bin': 'defg' }, 7],
    ['a list', 'from: a.txt, split: { by: list }', { 'a.txt': 'one\n\ntwo\r\nthree' }, 15],
    ['a range', 'split: { by: range, from: 3, to: 9 }', {}, 0],
  ];
  for (const [name, input, inputs, bytes] of splits) {
    it(`proves ${name}, with every byte of the input in a part`, async () => {
      const view = await closed(input, inputs);
      const result = await verify(view, true);
      expect(result.problems).to.deep.equal([]);
      expect(result.verdict).to.equal('proven');
      expect(result.checked).to.deep.equal({
        parts: view.record.parts,
        inputs: view.record.inputs.length,
        bytes,
        outputs: view.record.parts + 1,
      });
    });
  }

  it('proves nothing for a job that is not closed, and reports what is undecided', async () => {
    const view = await submitJob(place, yaml('split: { by: range, from: 1, to: 3 }'), {});
    await publishSmall({ platform: place.platform, view }, 'price', 1, 'x');
    const { verdict, missing, problems } = await verify(view);
    expect([verdict, missing, problems]).to.deep.equal(['unfinished', ['price/0', 'price/2'], []]);
  });

  it('names a task whose output was deleted', async () => {
    const view = await lines();
    await place.platform.store.delete([outKey(view.record.job, 'price', 2)]);
    const { verdict, missing, steps } = await verify(view);
    expect([verdict, missing, steps[0]?.missing]).to.deep.equal(['failed', ['price/2'], 1]);
  });

  it('finds an output of another size by its metadata, and other bytes of the same size by reading them', async () => {
    const view = await lines();
    const { store } = place.platform;
    const key = outKey(view.record.job, 'price', 1);
    await changeText(store, key, () => 'price 9\n');
    expect((await verify(view)).verdict).to.equal('proven');
    const deep = await verify(view, true);
    expect([deep.verdict, deep.altered]).to.deep.equal(['failed', ['price/1']]);
    await changeText(store, key, () => 'price 1');
    expect((await verify(view)).altered).to.deep.equal(['price/1']);
  });

  it('names an object among the outputs that is not an output', async () => {
    const view = await lines();
    const { store } = place.platform;
    const { job } = view.record;
    await store.put(outKey(job, 'price', 4), 'of no part');
    await store.put(`${outKey(job, 'price', 0)}.bak`, 'a copy');
    expect(await codesOf(view)).to.deep.equal(['foreign', 'foreign']);
    await store.delete([outKey(job, 'price', 4), `${outKey(job, 'price', 0)}.bak`]);
    await store.put(outKey(job, 'price', 0), 'put by hand');
    expect((await verify(view)).altered).to.deep.equal(['price/0']);
  });

  it('finds a staged file that is gone or was altered, although its manifest is intact', async () => {
    const view = await submitJob(place, yaml('split: { by: range, from: 1, to: 2 }'), {});
    const { platform } = place;
    const files = await publishManifest({ platform, view }, 'price', 0, { 'a.txt': 'aaa', 'b/c.txt': 'bbb' });
    const after = await publishAll(platform, view);
    expect((await verify(after, true)).verdict).to.equal('proven');
    const key = files[1]?.key ?? '';
    await platform.store.put(key, 'BBB');
    expect((await verify(after)).verdict).to.equal('proven');
    expect((await verify(after, true)).altered).to.deep.equal(['price/0']);
    await platform.store.delete([key]);
    expect((await verify(after)).problems[0]?.message).to.include(`${key} is gone`);
  });

  it('finds a shard, a part or a piece that is gone, and a piece that was altered', async () => {
    const { store } = place.platform;
    const plain = await lines();
    const shard = partShardKey(plain.record.job, 0);
    await changeText(store, shard, (text) => text.slice(text.indexOf('\n') + 1));
    expect(await codesOf(plain)).to.include.members(['partMissing', 'byteGap']);
    await store.delete([shard]);
    expect(await codesOf(plain)).to.include.members(['shardMissing', 'inputMissing']);

    const packed = await closed('from: a.gz, split: { by: lines, every: 10 }', { 'a.gz': gzipSync(LINES) });
    const piece = pieceKey(packed.record.job, 1);
    await changeText(store, piece, (text) => text.replace('line', 'LINE'));
    expect(await codesOf(packed)).to.deep.equal([]);
    expect((await verify(packed, true)).altered).to.deep.equal(['pieces/000000001']);
    await store.delete([piece]);
    expect(await codesOf(packed)).to.deep.equal(['pieceMissing']);
    await store.put(pieceKey(packed.record.job, 4), 'more');
    expect(await codesOf(packed)).to.deep.equal(['pieceMissing', 'foreign']);
  });

  it('warns with --deep that an input has changed since, and accepts the proof', async () => {
    const view = await lines();
    const path = join(place.directory, 'a.txt');
    utimesSync(path, 1, 1);
    const touched = await verify(view, true);
    expect([touched.verdict, touched.warnings.map(({ code }) => code)]).to.deep.equal(['proven', ['inputChanged']]);
    writeFileSync(path, 'other');
    expect((await verify(view, true)).warnings[0]?.message).to.include('has 5');
    expect((await verify(view)).warnings).to.deep.equal([]);
  });

  it('fails if a control total no longer holds', async () => {
    const view = await lines();
    const record = { ...view.record, spec: { ...view.record.spec, expect: ['input.bytes == 1'] } };
    const broken = { ...view, record: { ...record, digest: recordDigest(record) } };
    const { verdict, expectations } = await verify(broken);
    expect(verdict).to.equal('failed');
    expect(expectations).to.deep.equal([
      { equation: 'input.bytes == 1', ok: false, left: `${LINES.length}`, right: '1' },
    ]);
  });

  it('leaves an exact status once the job is closed, although no worker updated the ledger', async () => {
    const view = await lines();
    const { exact, steps } = await statusOf(place.platform, view);
    expect([exact, steps.map(({ done }) => done)]).to.deep.equal([true, [4, 1]]);
  });

  it('stores each new proof once, with the hash of the one before', async () => {
    const view = await lines();
    const { platform } = place;
    const first = (await storeProof(platform, await verify(view)))?.key;
    expect((await storeProof(platform, await verify(view)))?.key).to.equal(first);
    const second = (await storeProof(platform, await verify(view, true)))?.key;
    expect([first, second]).to.deep.equal([proofKey(view.record.job, 0), proofKey(view.record.job, 1)]);
    const proof = JSON.parse(await readText(platform.store, second ?? '')) as StoredProof;
    expect(proof.previous).to.equal(bytesChecksum(Buffer.from(await readText(platform.store, first ?? ''))));
    // Only the last one is not stored again: each states what was found then.
    const third = (await storeProof(platform, await verify(view)))?.key;
    expect(third).to.equal(proofKey(view.record.job, 2));
    expect((await storeProof(platform, await verify(view)))?.key).to.equal(third);
    await platform.store.delete([outKey(view.record.job, 'price', 0)]);
    expect(await storeProof(platform, await verify(view))).to.equal(null);
  });
});
