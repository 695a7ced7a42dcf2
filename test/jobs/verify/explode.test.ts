// Protects: verify proves that each exploded file became one task, and finds every lost or altered part.
import { expect } from 'chai';
import { readEntries } from '../../../src/jobs/journal.ts';
import { repairJob } from '../../../src/jobs/verify/repair.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { outKey, stepPartShardKey } from '../../../src/model/keys.ts';
import type { VerifyResult } from '../../../src/model/verify/verify-result.ts';
import { type JobView, stateOf } from '../../../src/model/view.ts';
import { failForGood } from '../../support/claims-job.ts';
import { failsWith } from '../../support/rejection.ts';
import { explodingJob, partsOf, publishFiles, publishRest, queuedIn } from '../exploding-job.ts';
import { type Place, publishManifest } from '../published-job.ts';
import { changeText } from '../stored-text.ts';

describe('verifying a job that exploded', () => {
  let place: Place;
  let view: JobView;
  let shard: string;

  beforeEach(async () => {
    ({ place, view } = await explodingJob());
    shard = stepPartShardKey(view.record.job, 'count', 0);
  });
  afterEach(() => place.end());

  async function close(): Promise<void> {
    await publishFiles(place, view);
    await look(place.platform, view);
    view = await publishRest(place, view, 5);
    expect(stateOf(view)).to.equal('succeeded');
  }
  const verify = (): Promise<VerifyResult> => verifyJob(place.platform, view, { deep: true });
  const problems = async (): Promise<readonly string[]> => (await verify()).problems.map(({ code }) => code);

  it('proves that each file is one part', async () => {
    await close();
    const result = await verify();
    expect(result.verdict).to.equal('proven');
    expect(result.steps.map(({ name, tasks }) => [name, tasks])).to.deep.equal([
      ['split', 3],
      ['count', 5],
      ['total', 1],
    ]);
  });

  const alterations: readonly (readonly [what: string, (lines: string[]) => readonly string[], code: string])[] = [
    ['a part that names another file', (lines) => lines.map((line) => line.replace('c.txt"', 'a.txt"')), 'partAltered'],
    ['a changed checksum', (lines) => lines.map((line) => line.replace(/sha256:./, 'sha256:_')), 'partAltered'],
    ['a duplicate part', (lines) => [lines[0] ?? '', ...lines], 'partTwice'],
    ['a missing part', (lines) => lines.toSpliced(1, 1), 'partMissing'],
    ['a missing last part', (lines) => lines.slice(0, -1), 'partMissing'],
    ['a line that is not a part', (lines) => ['{', ...lines.slice(1)], 'partAltered'],
    ['an extra part', (lines) => [...lines, JSON.stringify({ n: 5, kind: 'file', key: 'x' })], 'partExtra'],
  ];
  for (const [what, change, code] of alterations) {
    it(`finds ${what}, and reports nothing else`, async () => {
      await close();
      await changeText(place.platform.store, shard, (text) => `${change(text.trimEnd().split('\n')).join('\n')}\n`);
      const found = await problems();
      expect(new Set(found)).to.deep.equal(new Set([code]));
      if (code !== 'partAltered') expect(found).to.have.length(1);
    });
  }

  it('finds a missing shard, and one that belongs to no part', async () => {
    await close();
    await place.platform.store.delete([shard]);
    await place.platform.store.put(stepPartShardKey(view.record.job, 'count', 7), 'x\n');
    expect(await problems()).to.include.members(['shardMissing', 'partMissing', 'foreign']);
  });

  it('finds files that replaced those that the parts were made from', async () => {
    await close();
    await place.platform.store.delete([outKey(view.record.job, 'split', 1)]);
    await publishManifest({ platform: place.platform, view }, 'split', 1, { 'other.txt': 'x' });
    expect(await problems()).to.include('partAltered');
  });

  describe('of which an output is lost', () => {
    const lose = (task: number) => place.platform.store.delete([outKey(view.record.job, 'split', task)]);
    const entries = () => readEntries(place.platform.store, view.record.job);

    for (const dryRun of [false, true]) {
      it(`refuses to repair it${dryRun ? ', with dryRun too' : ' and writes nothing'}: its tasks name the files of the lost one`, async () => {
        await close();
        await lose(2);
        const before = [await entries(), await queuedIn(place)];
        const error = await failsWith('refused', repairJob(place.platform, view, { dryRun }));
        expect(error.message).to.contain('the output of split/2 is lost, and its files are tasks of count already');
        expect(error.hint)
          .to.contain(`restore ${outKey(view.record.job, 'split', 2)}`)
          .and.contain('--again');
        expect([await entries(), await queuedIn(place)]).to.deep.equal(before);
      });
    }

    it('refuses to repair it although an output that the opening left out was published late', async () => {
      await publishFiles(place, view, [0, 2]);
      await failForGood(place.platform, view.record.job, 'split', 1);
      await look(place.platform, view);
      view = await publishRest(place, view, 4);
      await publishFiles(place, view, [1]);
      await lose(2);
      const error = await failsWith('refused', repairJob(place.platform, view));
      expect(error.message).to.contain('the output of split/2 is lost');
    });

    it('repairs an output that the opening left out, and other steps', async () => {
      await publishFiles(place, view, [0, 2]);
      await failForGood(place.platform, view.record.job, 'split', 1);
      await look(place.platform, view);
      view = await publishRest(place, view, 4);
      await place.platform.store.delete([outKey(view.record.job, 'count', 3)]);
      expect(await repairJob(place.platform, view)).to.deep.include({ missing: { count: '3' }, sent: 1 });
    });

    it('makes an output without files again: no task has one of it', async () => {
      await publishManifest({ platform: place.platform, view }, 'split', 0, { 'a.txt': 'one' });
      await publishManifest({ platform: place.platform, view }, 'split', 1, {});
      await publishManifest({ platform: place.platform, view }, 'split', 2, { 'b.txt': 'two' });
      await look(place.platform, view);
      view = await publishRest(place, view, 2);
      expect(stateOf(view)).to.equal('succeeded');
      await lose(1);
      expect(await repairJob(place.platform, view)).to.deep.include({ missing: { split: '1' }, sent: 1 });
    });

    it('says in the proof that it can not be made again, if one of its files is altered', async () => {
      await close();
      const [file] = await partsOf(place, view);
      await place.platform.store.delete([file?.key ?? '']);
      const { problems: found } = await verify();
      expect(found.map(({ code }) => code)).to.deep.equal(['altered', 'partSource']);
      expect(found[1]?.message).to.equal(
        "the files of split/0 are tasks of count, and it can't be made again for them",
      );
    });
  });

  it('names an output that came too late, and accepts the proof', async () => {
    await publishFiles(place, view, [0, 2]);
    await failForGood(place.platform, view.record.job, 'split', 1);
    await look(place.platform, view);
    await publishFiles(place, view, [1]);
    view = await publishRest(place, view, 4);
    const { verdict, late, problems: found } = await verify();
    expect(late).to.deep.equal(['split/1']);
    expect(found).to.deep.equal([]);
    expect(verdict).to.equal('proven');
  });
});
