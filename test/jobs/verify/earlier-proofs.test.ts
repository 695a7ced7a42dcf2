// Protects: a proof that contradicts an earlier one is refused and names the change; legitimate changes are accepted.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { append, requireView } from '../../../src/jobs/journal.ts';
import { storeProof } from '../../../src/jobs/verify/proof.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import type { EntryKind } from '../../../src/model/journal.ts';
import { failedKey, jobKey, openedKey, outKey, partShardKey, proofKey } from '../../../src/model/keys.ts';
import type { OutputMeta } from '../../../src/model/output.ts';
import type { VerifyResult } from '../../../src/model/verify/verify-result.ts';
import type { JobView } from '../../../src/model/view.ts';
import { retryOf } from '../../model/job-of.ts';
import { failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { until } from '../../support/until.ts';
import { provenJob } from '../proven-job.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { changeMeta, changeText } from '../stored-text.ts';
import { ONE_STEP, publishAll, runJob, submitJob, work } from '../submitted-job.ts';

const YAML = `
name: claims
input: { from: a.txt, split: { by: lines, every: 1 } }
tolerate: 2
steps: [{ name: price, attempts: 1, run: "read n; test $n != 3 || exit 65; echo amount 10 >> $BATCHCTL_COUNTERS; echo $n" }]
`;
const GATHERED = ONE_STEP.replace('[cat] }]', '[cat] }, { name: totals, gather: true, run: [cat] }]');

describe('the comparison of a proof with earlier ones', () => {
  const place = forEachTest(openPlace);

  const reread = ({ record }: JobView) => requireView(place.platform.store, record.job);
  const verify = async (view: JobView, deep = false) => verifyJob(place.platform, await reread(view), { deep });
  const change = (key: string, edit: (text: string) => string) => changeText(place.platform.store, key, edit);
  const editMeta = (key: string, fields: Partial<OutputMeta>) => changeMeta(place.platform.store, key, fields);

  /** A job of six tasks, of which one failed and is tolerated. */
  const ranJob = () => runJob(place, YAML, { 'a.txt': '1\n2\n3\n4\n5\n6\n' });
  const gathered = async () => publishAll(place.platform, await submitJob(place, GATHERED, { 'a.txt': 'a\nb\nc\n' }));

  /** Proves the job, stores the proof, and waits until the store's clock has advanced. */
  async function prove(view: JobView, deep = false): Promise<VerifyResult> {
    const result = await verify(view, deep);
    expect([result.verdict, result.problems]).to.deep.equal(['proven', []]);
    await storeProof(place.platform, result);
    const now = Date.now();
    await until('another instant', () => Date.now() > now + 1);
    return result;
  }

  async function refused(view: JobView): Promise<string> {
    const { verdict, problems } = await verify(view);
    expect([verdict, [...new Set(problems.map(({ code }) => code))]]).to.deep.equal(['failed', ['proofContradicted']]);
    return problems.map(({ message }) => message).join('\n');
  }

  async function decide(view: JobView, kind: EntryKind): Promise<JobView> {
    return (await append(place.platform, await reread(view), () => kind)).view;
  }

  async function close(view: JobView): Promise<void> {
    await work(place.platform);
    await look(place.platform, await reread(view));
    expect((await reread(view)).closed).not.to.equal(null);
  }

  it('names a counter that was edited in an output: its old and new value, and the object', async () => {
    const view = await ranJob();
    await prove(view);
    const key = outKey(view.record.job, 'price', 4);
    await editMeta(key, { counters: { amount: '1000000' } });
    const messages = await refused(view);
    expect(messages).to.include('steps.price.counters.amount was "50" at proof 0, and is "1000040" now');
    expect(messages).to.include(`${key} was written after it`);
  });

  it('finds a change that affects no sum: another attempt as the maker of an output', async () => {
    const view = await gathered();
    await prove(view);
    await editMeta(outKey(view.record.job, 'totals', 0), { attempt: 'b'.repeat(16) });
    expect(await refused(view))
      .to.include('steps.totals.root was')
      .and.include(`check ${outKey(view.record.job, 'totals', 0)}`);
  });

  it('recomputes the digest of job.json, and compares job.json with the proof', async () => {
    const view = await gathered();
    const key = jobKey(view.record.job);
    await change(key, (text) => text.replace('"every":1', '"every":2'));
    const error = await failsWith('corrupt', verify(view));
    expect(error.message).to.match(new RegExp(`^${key} was altered: .* accepted with sha256:`));
    await change(key, (text) => text.replace('"every":2', '"every":1'));
    await prove(view);
    // A field that the digest doesn't cover.
    await change(key, (text) => text.replace('"createdBy":"me@here"', '"createdBy":"eve@here"'));
    expect(await refused(view))
      .to.include('submitted.who was "me@here" at proof 0, and is "eve@here" now')
      .and.include(key);
  });

  it("names the shard when a part's bounds were moved, although every byte is still in one part", async () => {
    const view = await gathered();
    await prove(view);
    const key = partShardKey(view.record.job, 0);
    await change(key, (text) =>
      text
        .replace('"offset":0,"length":2', '"offset":0,"length":3')
        .replace('"offset":2,"length":2', '"offset":3,"length":1'),
    );
    expect(await refused(view))
      .to.include('parts.root was')
      .and.include(`check ${key}`);
  });

  it('names the number of outputs that a gather took if it changed', async () => {
    const view = await provenJob(place);
    await prove(view);
    const key = openedKey(view.record.job, 'totals');
    await change(key, (text) => text.replace('"2,4"', '"2,4-5"').replace('"count":4', '"count":3'));
    const messages = (await verify(view)).problems.map(({ message }) => message).join('\n');
    expect(messages).to.include('gathers.totals.took was 4 at proof 0, and is 3 now').and.include(`check ${key}`);
  });

  it('finds that a task with an output is now recorded as failed', async () => {
    const view = await ranJob();
    await prove(view);
    const { store } = place.platform;
    await store.copy(failedKey(view.record.job, 'price', 2, 0), failedKey(view.record.job, 'price', 5, 0));
    await store.delete([outKey(view.record.job, 'price', 5)]);
    const messages = (await refused(view)).split('\n');
    expect(messages).to.have.length(1);
    expect(messages[0]).to.include('the end of price/5 was "published" at proof 0, and is "failed" now');
  });

  it('reports an output that is gone or altered only once', async () => {
    const view = await gathered();
    await prove(view);
    const { store } = place.platform;
    const key = outKey(view.record.job, 'totals', 0);
    await change(key, () => 'more than before');
    expect((await verify(view)).problems.map(({ code }) => code)).to.deep.equal(['altered']);
    await store.delete([key]);
    expect((await verify(view)).problems.map(({ code }) => code)).to.deep.equal(['missing']);
  });

  it('reports the oldest proof that differs, if an earlier version stored a second one that contradicts it', async () => {
    const view = await ranJob();
    const first = await prove(view);
    await editMeta(outKey(view.record.job, 'price', 4), { counters: { amount: '11' } });
    const { evidence } = await verify(view);
    await storeProof(place.platform, { ...first, evidence });
    expect(await refused(view)).to.include('"50" at proof 0, and is "51" now');
  });

  it('accepts outputs of a retry with corrected code, and still compares every other output with its proof', async () => {
    const view = await ranJob();
    await prove(view);
    const code = 'c'.repeat(64);
    // A published task isn't run again, so nothing of it may differ.
    await decide(view, retryOf(1, { price: '1-2' }, { overrides: { code, steps: { price: { run: ['cat'] } } } }));
    const { store } = place.platform;
    const key = outKey(view.record.job, 'price', 2);
    await publishSmall({ platform: place.platform, view: await reread(view) }, 'price', 2, '3\n');
    await editMeta(key, { code, counters: { amount: '7.5', extra: '1' } });
    await close(view);
    const { evidence } = await prove(view);
    expect(evidence?.steps[0]).to.deep.include({ counters: { amount: '57.5', extra: '1' }, failed: '' });
    // The second proof covers the retried task itself.
    await editMeta(key, { counters: { amount: '8.5', extra: '1' } });
    expect(await refused(view)).to.include('amount was "57.5" at proof 1, and is "58.5" now');
    await editMeta(key, { counters: { amount: '7.5', extra: '1' } });
    await store.delete([proofKey(view.record.job, 1)]);
    await editMeta(outKey(view.record.job, 'price', 0), { counters: { amount: '10.5' }, round: 1 });
    expect(await refused(view)).to.include('amount was "57.5" at proof 0, and is "58" now');
  });

  it('accepts a retry that failed again', async () => {
    const view = await ranJob();
    await prove(view);
    await decide(view, retryOf(1, { price: '2' }));
    const [first, second] = [0, 1].map((round) => failedKey(view.record.job, 'price', 2, round)) as [string, string];
    await place.platform.store.copy(first, second);
    await change(second, (text) => JSON.stringify({ ...JSON.parse(text), attempt: 'again', exitCode: 1 }));
    await close(view);
    await prove(view);
  });

  it('accepts decisions since, and what they change: the tolerance, corrected and accepted control totals', async () => {
    const view = await ranJob();
    const { expectations, chains } = await prove(view);
    expect([expectations, chains.tolerated]).to.deep.equal([[], 2]);
    const expected = ['price.amount == 50', 'price.amount == 51'];
    await decide(view, retryOf(1, { price: '2' }, { overrides: { expect: expected } }));
    await decide(view, { what: 'adjust', tolerate: '3' });
    const [first, second] = [0, 1].map((round) => failedKey(view.record.job, 'price', 2, round)) as [string, string];
    await place.platform.store.copy(first, second);
    await close(view);
    const [equation, left, right] = ['price.amount == 51', '50', '51'];
    await decide(view, { what: 'accept', equation, left, right, reason: 'ticket 4711', round: 2 });
    await close(view);
    const later = await prove(view);
    expect(later.expectations.map((found) => [found.equation, found.ok, found.accepted?.reason])).to.deep.equal([
      ['price.amount == 50', true, undefined],
      ['price.amount == 51', false, 'ticket 4711'],
    ]);
    expect(later.chains.tolerated).to.equal(3);
    await editMeta(outKey(view.record.job, 'price', 0), { counters: { amount: '11' } });
    expect((await verify(view)).problems.map(({ code }) => code)).to.include('proofContradicted');
  });

  it('accepts an output that was lost and made again by a repair', async () => {
    const view = await ranJob();
    await prove(view);
    const key = outKey(view.record.job, 'price', 1);
    await place.platform.store.delete([key]);
    await decide(view, retryOf(1, { price: '1' }));
    await publishSmall({ platform: place.platform, view: await reread(view) }, 'price', 1, 'other\n');
    await close(view);
    await prove(view);
    await editMeta(outKey(view.record.job, 'price', 3), { round: 1 });
    expect(await refused(view)).to.include('steps.price.made.round 0');
  });

  it('accepts a skip, and its undo', async () => {
    const view = await ranJob();
    await prove(view);
    await decide(view, { what: 'skip', tasks: { price: '2' }, reason: 'x', failed: { price: '2' }, round: 1 });
    await close(view);
    await prove(view);
    await decide(view, { what: 'unskip', tasks: { price: '2' }, round: 2 });
    await close(view);
    await prove(view);
  });

  it('accepts a late output of a task that had failed, and of one that its gather left out', async () => {
    const view = await ranJob();
    await prove(view);
    await publishSmall({ platform: place.platform, view }, 'price', 2, 'late\n');
    expect((await prove(view)).evidence?.steps[0]).to.include({ failed: '', outputs: 6 });
    await editMeta(outKey(view.record.job, 'price', 0), { counters: { amount: '11' } });
    expect(await refused(view)).to.include('amount was "50" at proof 0, and is "51" now');

    const chain = await provenJob(place);
    await prove(chain);
    for (const step of ['price', 'convert'])
      await publishSmall({ platform: place.platform, view: chain }, step, 2, 'late\n');
    expect((await prove(chain)).late).to.deep.equal(['convert/2']);
  });

  it('accepts that a task failed for good after it was given up', async () => {
    const view = await submitJob(place, YAML.replace('tolerate: 2', 'tolerate: 6\nonFailure: stop'), {
      'a.txt': '1\n2\n3\n',
    });
    const { job } = view.record;
    await publishSmall({ platform: place.platform, view }, 'price', 0, '1\n');
    await failForGood(place.platform, job, 'price', 1);
    await decide(view, { what: 'stop', cause: 'bad' });
    await look(place.platform, await reread(view));
    expect((await prove(view)).failed).to.deep.equal(['price/1', 'price/2']);
    await failForGood(place.platform, job, 'price', 2);
    expect((await prove(view)).failed).to.deep.equal(['price/1', 'price/2']);
  });

  it('accepts a verification without --deep after one with it, and a deep one after its input has changed', async () => {
    const view = await gathered();
    await prove(view);
    await prove(view, true);
    await prove(view);
    writeFileSync(join(place.directory, 'a.txt'), 'x\ny\nz\n');
    await prove(view, true);
    await prove(view);
  });
});
