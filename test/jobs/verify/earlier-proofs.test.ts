// Protects: a proof that contradicts an earlier one is refused and says what changed; legitimate changes are accepted.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { append, requireView } from '../../../src/jobs/journal.ts';
import { storeProof } from '../../../src/jobs/verify/proof.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { asciiJson } from '../../../src/lib/json.ts';
import type { EntryKind } from '../../../src/model/journal.ts';
import { failedKey, jobKey, openedKey, outKey, partShardKey, proofKey } from '../../../src/model/keys.ts';
import { META_KEY, type OutputMeta } from '../../../src/model/output.ts';
import type { VerifyResult } from '../../../src/model/verify/verify-result.ts';
import type { JobView } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { until } from '../../support/until.ts';
import { provenJob } from '../proven-job.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { publishAll, submitJob, work } from '../submitted-job.ts';

const YAML = `
name: claims
input: { from: a.txt, split: { by: lines, every: 1 } }
tolerate: 2
steps: [{ name: price, attempts: 1, run: "read n; test $n != 3 || exit 65; echo amount 10 >> $BATCHCTL_COUNTERS; echo $n" }]
`;
const PLAIN = `
name: claims
input: { from: a.txt, split: { by: lines, every: 1 } }
steps: [{ name: price, run: [cat] }, { name: totals, gather: true, run: [cat] }]
`;

describe('the comparison of a proof with earlier ones', () => {
  const place = forEachTest(openPlace);

  const reread = ({ record }: JobView) => requireView(place.platform.store, record.job);
  const verify = async (view: JobView, deep = false) => verifyJob(place.platform, await reread(view), { deep });
  const bytesOf = async (key: string): Promise<string> =>
    new TextDecoder().decode((await place.platform.store.read(key)) ?? expect.fail(`there is no ${key}`));

  /** A finished job with six tasks, one of which failed and is tolerated. */
  async function ran(yaml = YAML): Promise<JobView> {
    const view = await submitJob(place, yaml, { 'a.txt': '1\n2\n3\n4\n5\n6\n' });
    await work(place.platform);
    return reread(view);
  }

  const plain = async () => publishAll(place.platform, await submitJob(place, PLAIN, { 'a.txt': 'a\nb\nc\n' }));

  /** Proves the job, stores the proof, and waits until the store's clock has advanced. */
  async function proved(view: JobView, deep = false): Promise<VerifyResult> {
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

  async function editMeta(key: string, change: (meta: OutputMeta) => Partial<OutputMeta>): Promise<void> {
    const { store } = place.platform;
    const meta = JSON.parse((await store.head(key))?.metadata[META_KEY] ?? '') as OutputMeta;
    await store.put(key, await bytesOf(key), { metadata: { [META_KEY]: asciiJson({ ...meta, ...change(meta) }) } });
  }

  async function decide(view: JobView, kind: EntryKind): Promise<JobView> {
    return (await append(place.platform, await reread(view), () => kind)).view;
  }

  async function closed(view: JobView): Promise<JobView> {
    await work(place.platform);
    await look(place.platform, await reread(view));
    const now = await reread(view);
    expect(now.closed).not.to.equal(null);
    return now;
  }

  it('names a counter that was edited in an output: its old and new value, and the object', async () => {
    const view = await ran();
    await proved(view);
    const key = outKey(view.record.job, 'price', 4);
    await editMeta(key, () => ({ counters: { amount: '1000000' } }));
    const told = await refused(view);
    expect(told).to.include('steps.price.counters.amount was "50" at proof 0, and is "1000040" now');
    expect(told).to.include(`${key} was written after it`);
  });

  it('finds a change that affects no sum: another attempt as the maker of an output', async () => {
    const view = await plain();
    await proved(view);
    await editMeta(outKey(view.record.job, 'totals', 0), () => ({ attempt: 'b'.repeat(16) }));
    expect(await refused(view))
      .to.include('steps.totals.root was')
      .and.include(`check ${outKey(view.record.job, 'totals', 0)}`);
  });

  it('recomputes the digest of job.json, and compares job.json with the proof', async () => {
    const view = await plain();
    const { store } = place.platform;
    const key = jobKey(view.record.job);
    const text = await bytesOf(key);
    await store.put(key, text.replace('"every":1', '"every":2'));
    const error = await rejection(verify(view));
    expect(error).to.include({ kind: 'corrupt' });
    expect(error.message).to.match(new RegExp(`^${key} was altered: .* accepted with sha256:`));
    await store.put(key, text);
    await proved(view);
    // A field that the digest doesn't cover.
    await store.put(key, text.replace('"createdBy":"me@here"', '"createdBy":"eve@here"'));
    expect(await refused(view))
      .to.include('submitted.who was "me@here" at proof 0, and is "eve@here" now')
      .and.include(key);
  });

  it("names the shard when a part's bounds were moved, although every byte is still in one part", async () => {
    const view = await plain();
    await proved(view);
    const key = partShardKey(view.record.job, 0);
    const text = await bytesOf(key);
    const moved = text
      .replace('"offset":0,"length":2', '"offset":0,"length":3')
      .replace('"offset":2,"length":2', '"offset":3,"length":1');
    expect(moved).not.to.equal(text);
    await place.platform.store.put(key, moved);
    expect(await refused(view))
      .to.include('parts.root was')
      .and.include(`check ${key}`);
  });

  it('names what a gather was opened with if its number changed', async () => {
    const view = await provenJob(place);
    await proved(view);
    const key = openedKey(view.record.job, 'totals');
    await place.platform.store.put(
      key,
      (await bytesOf(key)).replace('"2,4"', '"2,4-5"').replace('"count":4', '"count":3'),
    );
    const told = (await verify(view)).problems.map(({ message }) => message).join('\n');
    expect(told).to.include('gathers.totals.took was 4 at proof 0, and is 3 now').and.include(`check ${key}`);
  });

  it('notices an output whose task is now recorded as failed', async () => {
    const view = await ran();
    await proved(view);
    const { store } = place.platform;
    await store.put(
      failedKey(view.record.job, 'price', 5, 0),
      await bytesOf(failedKey(view.record.job, 'price', 2, 0)),
    );
    await store.delete([outKey(view.record.job, 'price', 5)]);
    const told = (await refused(view)).split('\n');
    expect(told).to.have.length(1);
    expect(told[0]).to.include('the end of price/5 was "published" at proof 0, and is "failed" now');
  });

  it('adds nothing about an output that is gone or altered, which is a finding of its own', async () => {
    const view = await plain();
    await proved(view);
    const { store } = place.platform;
    const key = outKey(view.record.job, 'totals', 0);
    const { metadata = {} } = (await store.head(key)) ?? {};
    await store.put(key, 'more than before', { metadata });
    expect((await verify(view)).problems.map(({ code }) => code)).to.deep.equal(['altered']);
    await store.delete([key]);
    expect((await verify(view)).problems.map(({ code }) => code)).to.deep.equal(['missing']);
  });

  it('reports the oldest proof that differs, if an earlier version stored a second one that contradicts it', async () => {
    const view = await ran();
    const first = await proved(view);
    await editMeta(outKey(view.record.job, 'price', 4), () => ({ counters: { amount: '11' } }));
    const { evidence } = await verify(view);
    await storeProof(place.platform, { ...first, evidence });
    expect(await refused(view)).to.include('"50" at proof 0, and is "51" now');
  });

  it('accepts outputs of a retry with corrected code, and still compares every other output with its proof', async () => {
    const view = await ran();
    await proved(view);
    const code = 'c'.repeat(64);
    // A published task isn't run again, so nothing of it may differ.
    const retry = { what: 'retry', round: 1, tasks: { price: '1-2' }, canaries: null } as const;
    await decide(view, { ...retry, overrides: { code, steps: { price: { run: ['cat'] } } } });
    const { store } = place.platform;
    const key = outKey(view.record.job, 'price', 2);
    await publishSmall({ platform: place.platform, view: await reread(view) }, 'price', 2, '3\n');
    await editMeta(key, () => ({ code, counters: { amount: '7.5', extra: '1' } }));
    await closed(view);
    expect((await proved(view)).evidence?.steps[0]).to.deep.include({
      counters: { amount: '57.5', extra: '1' },
      failed: '',
    });
    // The second proof covers the retried task itself.
    await editMeta(key, () => ({ counters: { amount: '8.5', extra: '1' } }));
    expect(await refused(view)).to.include('amount was "57.5" at proof 1, and is "58.5" now');
    await editMeta(key, () => ({ counters: { amount: '7.5', extra: '1' } }));
    await store.delete([proofKey(view.record.job, 1)]);
    await editMeta(outKey(view.record.job, 'price', 0), () => ({ counters: { amount: '10.5' }, round: 1 }));
    expect(await refused(view)).to.include('amount was "57.5" at proof 0, and is "58" now');
  });

  it('accepts a retry that failed again', async () => {
    const view = await ran();
    await proved(view);
    await decide(view, { what: 'retry', round: 1, tasks: { price: '2' }, canaries: null, overrides: {} });
    const { store } = place.platform;
    const key = (round: number): string => failedKey(view.record.job, 'price', 2, round);
    const before = JSON.parse(await bytesOf(key(0))) as object;
    await store.put(key(1), JSON.stringify({ ...before, attempt: 'again', exitCode: 1 }));
    await closed(view);
    await proved(view);
  });

  it('accepts an output that was lost and made again by a repair', async () => {
    const view = await ran();
    await proved(view);
    const key = outKey(view.record.job, 'price', 1);
    await place.platform.store.delete([key]);
    await decide(view, { what: 'retry', round: 1, tasks: { price: '1' }, canaries: null, overrides: {} });
    await publishSmall({ platform: place.platform, view: await reread(view) }, 'price', 1, 'other\n');
    await closed(view);
    await proved(view);
    await editMeta(outKey(view.record.job, 'price', 3), () => ({ round: 1 }));
    expect(await refused(view)).to.include('steps.price.made.round 0');
  });

  it('accepts a skip, and its undo', async () => {
    const view = await ran();
    await proved(view);
    await decide(view, { what: 'skip', tasks: { price: '2' }, reason: 'x', failed: { price: '2' }, round: 1 });
    await closed(view);
    await proved(view);
    await decide(view, { what: 'unskip', tasks: { price: '2' }, round: 2 });
    await closed(view);
    await proved(view);
  });

  it('accepts a late output of a task that had failed, and of one that its gather left out', async () => {
    const view = await ran();
    await proved(view);
    await publishSmall({ platform: place.platform, view }, 'price', 2, 'late\n');
    expect((await proved(view)).evidence?.steps[0]).to.include({ failed: '', outputs: 6 });
    await editMeta(outKey(view.record.job, 'price', 0), () => ({ counters: { amount: '11' } }));
    expect(await refused(view)).to.include('amount was "50" at proof 0, and is "51" now');

    const gathered = await provenJob(place);
    await proved(gathered);
    await publishSmall({ platform: place.platform, view: gathered }, 'price', 2, 'late\n');
    await publishSmall({ platform: place.platform, view: gathered }, 'convert', 2, 'late\n');
    expect((await proved(gathered)).late).to.deep.equal(['convert/2']);
  });

  it('accepts a task that was given up and has failed for good since', async () => {
    const view = await submitJob(place, YAML.replace('tolerate: 2', 'tolerate: 6\nonFailure: stop'), {
      'a.txt': '1\n2\n3\n',
    });
    const { store } = place.platform;
    const { job } = view.record;
    await publishSmall({ platform: place.platform, view }, 'price', 0, '1\n');
    const failure = { format: 1, reason: null, exitCode: 65, error: 'bad', attempt: 'aaa', number: 1, worker: 'w-1' };
    await store.put(failedKey(job, 'price', 1, 0), JSON.stringify(failure));
    await decide(view, { what: 'stop', cause: 'bad' });
    await look(place.platform, await reread(view));
    expect((await proved(view)).failed).to.deep.equal(['price/1', 'price/2']);
    await store.put(failedKey(job, 'price', 2, 0), JSON.stringify(failure));
    expect((await proved(view)).failed).to.deep.equal(['price/1', 'price/2']);
  });

  it('accepts a verification without --deep after one with it, and a deep one after its input has changed', async () => {
    const view = await plain();
    await proved(view);
    await proved(view, true);
    await proved(view);
    writeFileSync(join(place.directory, 'a.txt'), 'x\ny\nz\n');
    await proved(view, true);
    await proved(view);
  });
});
