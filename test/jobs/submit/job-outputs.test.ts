// Protects: a job can read another job's outputs in task order, with proof, and fails clearly when they are gone.
import { expect } from 'chai';
import { findJob } from '../../../src/jobs/find.ts';
import { append, requireView } from '../../../src/jobs/journal.ts';
import { readOutput } from '../../../src/jobs/output.ts';
import { findOutputs } from '../../../src/jobs/submit/job-outputs.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { outKey } from '../../../src/model/keys.ts';
import { type JobView, stateOf } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { openPlace, publishManifest, publishSmall, putJob } from '../published-job.ts';
import { readText } from '../stored-text.ts';
import { runJob, submitJob, work } from '../submitted-job.ts';

const SOURCE = `
name: source
input: { from: a.csv, split: { by: csv, every: 2, header: true } }
steps:
  - { name: price, run: [cat] }
`;
const reading = (from: string, split: string, output = 'stdout'): string => `
name: reader
input: { from: "${from}", split: ${split} }
steps:
  - { name: copy, run: [cat], output: ${output} }
`;
const CSV = 'id,v\n1,a\n2,b\n3,c\n4,d\n5,e\n';

describe('--input job:JOB/STEP', () => {
  const place = forEachTest(openPlace);

  const source = () => runJob(place, SOURCE, { 'a.csv': CSV });
  async function outputs({ record }: JobView): Promise<readonly string[]> {
    const texts: string[] = [];
    for (let task = 0; task < record.parts; task += 1) {
      const output = await readOutput(place.platform.store, record.job, record.spec.steps[0]?.name ?? '', task);
      texts.push(await readText(place.platform.store, output?.files[0]?.key ?? ''));
    }
    return texts;
  }
  const find = (name: string) => findOutputs(name, place.platform.store, (text) => findJob(place.platform, text));
  const names = async (name: string) => (await find(name)).map((found) => found.name);

  it('reads the outputs of a step in task order, in place, each with its header, and is proven', async () => {
    const { record } = await source();
    const view = await submitJob(place, reading(`job:${record.job}/price`, '{ by: csv, size: 1MB, header: true }'), {});
    expect(view.record.inputs.map(({ name }) => name)).to.deep.equal(
      [0, 1, 2].map((n) => `job:${record.job}/price/${n}`),
    );
    const [first] = view.record.inputs;
    expect(first?.source).to.deep.include({ kind: 'store', key: outKey(record.job, 'price', 0) });
    expect(first?.checksum).to.match(/^sha256:[0-9a-f]{64}$/);
    await work(place.platform);
    const done = await requireView(place.platform.store, view.record.job);
    expect(stateOf(done)).to.equal('succeeded');
    expect(await outputs(done)).to.deep.equal(['id,v\n1,a\n2,b\n', 'id,v\n3,c\n4,d\n', 'id,v\n5,e\n']);
    const proof = await verifyJob(place.platform, done, { deep: true });
    expect(proof).to.include({ verdict: 'proven' });
    expect(proof.checked).to.include({ parts: 3, inputs: 3 });
  });

  it('reads outputs as files or by lines, finds the job by prefix or name:, and reads its last step by default', async () => {
    const { record } = await source();
    const files = await submitJob(place, reading(`job:${record.job}/price`, '{ by: file }'), {});
    const lines = await submitJob(place, reading(`job:${record.job}/price`, '{ by: lines, every: 1 }'), {});
    await work(place.platform);
    expect((await outputs(files))[2]).to.equal('id,v\n5,e\n');
    expect(lines.record.parts).to.equal(8);
    const all = [0, 1, 2].map((n) => `job:${record.job}/price/${n}`);
    expect(await names('job:name:source/price')).to.deep.equal(all);
    expect(await names('job:name:source')).to.deep.equal(all);
    expect(await names(`job:${record.job.slice(0, 10)}/price`)).to.deep.equal(all);
  });

  it('finds large outputs and many files through their manifests', async () => {
    const view = await putJob(place.platform, [{ name: 'a' }, { name: 'b' }], {});
    const job = { platform: place.platform, view };
    const large = await publishManifest(job, 'price', 0, { '': 'x'.repeat(100) });
    const many = await publishManifest(job, 'price', 1, { 'a.txt': 'A\n', 'b/c.txt': 'C\n' });
    await look(place.platform, view);
    const name = `job:${view.record.job}/price`;
    const found = await find(name);
    expect(found.map((each) => each.name)).to.deep.equal([`${name}/0`, `${name}/1/a.txt`, `${name}/1/b/c.txt`]);
    expect(found.map(({ key, checksum }) => ({ key, checksum }))).to.deep.equal(
      [...large, ...many].map(({ key, checksum }) => ({ key, checksum })),
    );
  });

  it('refuses a job that has not succeeded, and reports missing outputs of one that has', async () => {
    const view = await putJob(place.platform, [{ name: 'a' }], {});
    const { job } = view.record;
    const error = async (name: string) => (await rejection(find(name))).message;
    expect(await error(`job:${job}/price`)).to.include('only a succeeded job can be read');
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'x');
    await look(place.platform, view);
    expect(await error(`job:${job}/nope`)).to.include('has no step nope');
    expect(await error('job:other/price')).to.include('there is no job with the id or prefix other');
    await append(place.platform, view, () => ({ what: 'prune' }));
    expect(await error(`job:${job}/price`)).to.include('was pruned on');
  });

  it('makes the submission different if the source is another job', async () => {
    const digests: string[] = [];
    for (const _ of [1, 2]) {
      const { record } = await source();
      const view = await submitJob(place, reading(`job:${record.job}/price`, '{ by: file }'), {});
      digests.push(view.record.digest);
    }
    expect(new Set(digests).size).to.equal(2);
  });

  it('fails its tasks with a changed input if the source is gone', async () => {
    const { record } = await source();
    const view = await submitJob(place, reading(`job:${record.job}/price`, '{ by: file }'), {});
    await place.platform.store.delete([outKey(record.job, 'price', 1)]);
    await work(place.platform);
    const done = await requireView(place.platform.store, view.record.job);
    expect(stateOf(done)).to.equal('failed');
    const ledger = await place.platform.ledger();
    const failed = await ledger.tasks(view.record.job, { states: ['failed'], limit: 10 });
    expect(failed.map(({ task }) => task)).to.deep.equal([1]);
    expect(failed[0]?.error).to.include('has changed since');
  });
});
