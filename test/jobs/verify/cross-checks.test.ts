// Protects: what a job states twice is compared by verify: claim, pin, checksum, shards, pieces, journal, openings.
import { statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { retry } from '../../../src/jobs/change/retry.ts';
import { append, requireView } from '../../../src/jobs/journal.ts';
import { recordDigest } from '../../../src/jobs/submit/same-job.ts';
import { storeProof } from '../../../src/jobs/verify/proof.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import type { JobInput, JobRecord } from '../../../src/model/job.ts';
import {
  jobKey,
  journalKey,
  openedKey,
  outKey,
  partShardKey,
  partsPrefix,
  pieceKey,
  runClaimKey,
  stepPartsPrefix,
} from '../../../src/model/keys.ts';
import { type JobView, stateOf } from '../../../src/model/view.ts';
import { failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { changeMeta, changeText, readText } from '../stored-text.ts';
import { publishAll, runJob, submitJob } from '../submitted-job.ts';

const GATHERED = `
name: claims
input: { from: a.txt, split: { by: lines, every: 1 } }
tolerate: 1
steps:
  - { name: price, run: [cat] }
  - { name: totals, gather: true, run: [cat] }
`;
const EXPLODING = `
name: claims
input: { split: { by: range, from: 1, to: 2 } }
steps:
  - { name: cut, output: files, explode: true, run: "echo x > $BATCHCTL_OUTPUT_DIR/x" }
  - { name: use, run: [cat] }
`;

describe('cross-checks of a verification', () => {
  const place = forEachTest(openPlace);

  const read = ({ record }: JobView) => requireView(place.platform.store, record.job);
  const verify = (view: JobView, deep = false) => verifyJob(place.platform, view, { deep });
  const found = async (view: JobView, deep = false): Promise<readonly string[]> => {
    const { problems, warnings } = await verify(view, deep);
    return [...problems, ...warnings].map(({ code }) => code);
  };
  const changeRecord = ({ record }: JobView, change: (record: JobRecord) => JobRecord) =>
    changeText(place.platform.store, jobKey(record.job), (text) => {
      const changed = change(JSON.parse(text) as JobRecord);
      return JSON.stringify({ ...changed, digest: recordDigest(changed) });
    });
  const recordOf = async (job: string): Promise<JobRecord> =>
    JSON.parse(await readText(place.platform.store, jobKey(job))) as JobRecord;
  const gathered = () => submitJob(place, GATHERED, { 'a.txt': '1\n2\n' });

  it('reads with --deep whether an input has the checksum that it was accepted with, although pin and size are the same', async () => {
    const view = await submitJob(place, GATHERED, { 'a.txt': '1\n2\n' });
    const checksum = bytesChecksum(Buffer.from('1\n2\n'));
    await changeRecord(view, (record) => ({
      ...record,
      inputs: record.inputs.map((input): JobInput => ({ ...input, checksum })),
    }));
    const closed = await publishAll(place.platform, await read(view));
    expect(await found(closed, true)).to.deep.equal([]);
    const path = join(place.directory, 'a.txt');
    const { atime, mtime } = statSync(path);
    const pin = statSync(path, { bigint: true });
    writeFileSync(path, '1\n3\n');
    utimesSync(path, atime, mtime);
    await changeRecord(view, (record) => ({
      ...record,
      inputs: record.inputs.map((input): JobInput => {
        const mtimeNs = String(statSync(path, { bigint: true }).mtimeNs);
        return { ...input, source: { kind: 'file', path, pin: { inode: String(pin.ino), size: 4, mtimeNs } } };
      }),
    }));
    const { problems, warnings } = await verify(await read(view), true);
    expect([problems.map(({ code }) => code), warnings]).to.deep.equal([['inputAltered'], []]);
    expect(problems[0]?.message).to.include(`expected ${checksum}, found ${bytesChecksum(Buffer.from('1\n3\n'))}`);
    expect(await found(await read(view))).to.deep.equal([]);
  });

  it('finds a piece that is one byte short without reading it', async () => {
    const yaml = GATHERED.replace('from: a.txt', 'from: a.gz');
    const view = await publishAll(place.platform, await submitJob(place, yaml, { 'a.gz': gzipSync('1\n2\n') }));
    await changeText(place.platform.store, pieceKey(view.record.job, 1), (text) => text.slice(1));
    expect(await found(view)).to.deep.equal(['pieceAltered']);
  });

  for (const [from, to, message] of [
    ['"bytesOut":2', '"bytesOut":3', 'its files have 2 bytes, but it says 3'],
    // The first one is that of the output.
    [/"checksum":"sha256:..../, '"checksum":"sha256:0000', 'the checksums of its files differ'],
  ] as const)
    it(`finds a manifest that contradicts its files: ${message}`, async () => {
      const yaml = EXPLODING.replace(', explode: true', '').replace(/ *- { name: use.*\n/, '');
      const { record } = await runJob(place, yaml);
      await changeText(place.platform.store, outKey(record.job, 'cut', 1), (text) => text.replace(from, to));
      const view = await requireView(place.platform.store, record.job);
      const { problems, altered } = await verify(view);
      expect([problems.map(({ code }) => code), altered]).to.deep.equal([['altered'], ['cut/1']]);
      expect(problems[0]?.message).to.include(message);
    });

  it('names an object among the part shards that is none, of the job and of a step that takes files', async () => {
    const plain = await publishAll(place.platform, await gathered());
    await place.platform.store.put(`${partsPrefix(plain.record.job)}00001.ndjson`, '');
    expect(await found(plain)).to.deep.equal(['foreign']);
    const exploded = await runJob(place, EXPLODING);
    await place.platform.store.put(`${stepPartsPrefix(exploded.record.job, 'use')}00001.ndjson`, '');
    expect(await found(exploded)).to.deep.equal(['foreign']);
  });

  it('finds a step that was opened with one more file than exist', async () => {
    const view = await runJob(place, EXPLODING);
    await changeText(place.platform.store, openedKey(view.record.job, 'use'), (text) =>
      JSON.stringify({ ...(JSON.parse(text) as object), count: 3 }),
    );
    const { problems } = await verify(await read(view));
    expect(problems.map(({ message }) => message)).to.include('step use was opened with 3 files, but cut made 2');
  });

  it('finds one surplus part, and an empty one', async () => {
    const view = await publishAll(place.platform, await gathered());
    const shard = partShardKey(view.record.job, 0);
    const whole = await readText(place.platform.store, shard);
    const part = { n: 2, kind: 'range', input: 0, offset: 4, length: 0 };
    await changeText(place.platform.store, shard, () => `${whole}${JSON.stringify(part)}\n`);
    expect(await found(view)).to.deep.equal(['partEmpty', 'partExtra']);
    await changeRecord(view, (record) => ({ ...record, parts: 3 }));
    expect(await found(await read(view)))
      .to.include('partEmpty')
      .and.not.to.include('partExtra');
  });

  it('finds a line beside the parts that is none, and names it', async () => {
    const view = await publishAll(place.platform, await gathered());
    const shard = partShardKey(view.record.job, 0);
    const whole = await readText(place.platform.store, shard);
    const [first = '', ...rest] = whole.split('\n');
    await changeText(place.platform.store, shard, () => [first, '{"n":"1"}', ...rest].join('\n'));
    const { verdict, problems } = await verifyJob(place.platform, view);
    expect([verdict, problems.map(({ message }) => message)]).to.deep.equal([
      'failed',
      [`line 2 of ${shard} is not a part`],
    ]);
  });

  it('leaves late outputs out of the control totals', async () => {
    const yaml = `${GATHERED}expect: [price.n == totals.n]\n`;
    const view = await submitJob(place, yaml, { 'a.txt': '1\n2\n' });
    const { platform } = place;
    const { job } = view.record;
    await publishSmall({ platform, view }, 'price', 0, 'x');
    await changeMeta(platform.store, outKey(job, 'price', 0), { counters: { n: '1' } });
    await failForGood(platform, job, 'price', 1);
    await look(platform, view);
    await publishSmall({ platform, view: await read(view) }, 'totals', 0, 'x');
    await changeMeta(platform.store, outKey(job, 'totals', 0), { counters: { n: '1' } });
    await publishSmall({ platform, view }, 'price', 1, 'late');
    await changeMeta(platform.store, outKey(job, 'price', 1), { counters: { n: '5' } });
    await look(platform, await read(view));
    const closed = await read(view);
    expect(stateOf(closed)).to.equal('succeeded');
    const { problems, late, evidence } = await verify(closed);
    expect([problems, late]).to.deep.equal([[], ['price/1']]);
    expect(evidence?.steps.map(({ outputs, counters }) => [outputs, counters.n])).to.deep.equal([
      [1, '1'],
      [1, '1'],
    ]);
  });

  it('finds that an output was left out of a gather, and no entry decided that', async () => {
    const view = await publishAll(place.platform, await gathered());
    await changeText(place.platform.store, openedKey(view.record.job, 'totals'), (text) =>
      JSON.stringify({ ...(JSON.parse(text) as object), count: 1, leftOut: '1' }),
    );
    const { problems } = await verify(await read(view));
    expect(problems.map(({ message }) => message)).to.include(
      'the gather totals was opened without price/1, which is published, and no journal entry decided that',
    );
  });

  it('compares job.json with the claim of its run key, even if its own digest is right', async () => {
    const { platform } = place;
    const view = await publishAll(platform, await gathered());
    const { job } = view.record;
    await changeRecord(view, (record) => ({ ...record, runKey: 'may', runNumber: 0 }));
    const claim = { format: 1, job, digest: (await recordOf(job)).digest, runKey: 'may', number: 0 };
    await platform.store.put(runClaimKey('may', 0), JSON.stringify(claim));
    const keyed = await read(view);
    expect((await verify(keyed)).verdict).to.equal('proven');
    await changeRecord(view, (record) => ({ ...record, spec: { ...record.spec, maxTasks: 7 } }));
    const error = await failsWith('corrupt', verify(await read(view)));
    expect(error.message).to.include('the run key "may" was claimed for a job with the digest');
  });

  it('reports an altered journal of an open job that was proven before', async () => {
    const { platform } = place;
    const view = await runJob(
      place,
      GATHERED.replace(/.*totals.*\n/, '').replace('run: [cat]', "run: 'read n; test $n != 2'"),
      {
        'a.txt': '1\n2\n',
      },
    );
    expect(await storeProof(platform, await verify(view))).not.to.equal(null);
    const { view: open } = await retry(platform, view);
    expect((await verify(open)).verdict).to.equal('unfinished');
    await changeText(platform.store, journalKey(view.record.job, 0), (text) => text.replace('"who":"', '"who":"x'));
    const error = await failsWith('corrupt', verify(await read(open)));
    expect(error.message).to.include('journal entry 0 has changed');
  });

  it('proves nothing of a cancelled job, even if all its outputs are there', async () => {
    const { platform } = place;
    const view = await submitJob(place, GATHERED.replace(/.*totals.*\n/g, ''), { 'a.txt': '1\n2\n' });
    for (const n of [0, 1]) await publishSmall({ platform, view }, 'price', n, 'x');
    await append(platform, view, () => ({ what: 'cancel' }));
    await look(platform, await read(view));
    const cancelled = await read(view);
    expect(stateOf(cancelled)).to.equal('cancelled');
    const { verdict, problems, missing } = await verify(cancelled);
    expect([verdict, problems.map(({ code }) => code), missing]).to.deep.equal(['failed', ['cancelled'], []]);
    expect(await storeProof(platform, await verify(cancelled))).to.equal(null);
  });
});
