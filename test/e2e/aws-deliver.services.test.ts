// Protects: AWS workers deliver a job's outputs once, even after a crash, and a denied destination blocks no worker.
import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { randomId } from '../../src/lib/id.ts';
import { expectExit, expectKilled, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { RawBucket } from '../support/s3-bucket.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { entryKinds } from '../support/stored.ts';
import { emulatedWorkspace, emulators } from './emulated-aws.ts';
import { submitJob } from './submit-job.ts';

const JOB = rangeJob('count', 6, { name: 'upper', run: 'sed s/^/n/' });
const NAMES = [0, 1, 2, 3, 4, 5].map((n) => `upper-00000000${n}`);

describe('deliver on AWS', () => {
  const aws = forSuite(emulators);
  const proxy = forSuite(() => FaultProxy.start(aws.s3));
  const workspace = forSuite(() => emulatedWorkspace({ s3: proxy.url, worksHere: true }));

  const submit = (to: string, ...flags: readonly string[]): Promise<string> =>
    submitJob(workspace, { ...JOB, deliver: { to } }, ...flags);
  const work = async () => expectExit(await workspace.work({}, '--here'));
  const deliveryOf = async (job: string) => jsonOf(await workspace.runSuccessfully('status', job, '--json')).delivery;
  const expectOneDelivery = async (job: string): Promise<void> => {
    const entries = await entryKinds((await workspace.platform()).store, job);
    expect(entries.filter((what) => what === 'delivered')).to.have.length(1);
  };

  it('workers deliver to another bucket by S3 copies, once, before they leave', async () => {
    const bucket = await RawBucket.make(aws.s3);
    const job = await submit(bucket.uri('{period}/{job}'), '--period', '2026-11');
    const before = proxy.seen.length;
    await Promise.all([work(), work(), work()]);
    const at = `2026-11/${job}/`;
    expect(await bucket.keys()).to.deep.equal(['_SUCCESS', '_manifest.json', ...NAMES].map((name) => at + name));
    expect(await bucket.read(`${at}upper-000000004`)).to.equal('n5\n');
    expect(await deliveryOf(job)).to.include({ to: bucket.uri(at), host: null, state: 'delivered' });
    await expectOneDelivery(job);
    // Two workers may start at the same moment. Then both copy, and one reports it.
    const copies = proxy.seen
      .slice(before)
      .filter(({ headers, url }) => headers['x-amz-copy-source'] !== undefined && !/_manifest|_SUCCESS/.test(url));
    expect(new Set(copies.map(({ url }) => url)).size).to.equal(NAMES.length);
    await workspace.runSuccessfully('wait', job);
    await expectOneDelivery(job);
  });

  for (const kill of ['close:1', 'place-file:2', 'place-marker:1', 'delivered:1']) {
    it(`delivers once, by the next worker, after a worker is killed at ${kill}`, async () => {
      const bucket = await RawBucket.make(aws.s3);
      const job = await submit(bucket.uri('out/'));
      expectKilled(await workspace.work({ BATCHCTL_TEST_KILL: kill }, '--here'));
      expect(await deliveryOf(job)).to.include({ state: 'due' });
      await work();
      expect(await bucket.keys()).to.have.length(NAMES.length + 2);
      expect(await deliveryOf(job)).to.include({ state: 'delivered' });
      await expectOneDelivery(job);
    });
  }

  it('status and why name a denied destination, no worker waits for it, and a person can retry it', async () => {
    const name = `raw-${randomId(8)}`;
    const job = await submit(`s3://${name}/out/`);
    await work();
    const delivery = await deliveryOf(job);
    expect(delivery).to.include({ state: 'failing' });
    expect(delivery.failed).to.include({ tries: 1, kind: 'notFound' });
    expect(delivery.failed.message).to.include(`arn:aws:s3:::${name} does not exist`);
    const { causes } = jsonOf(await workspace.run(['why', job, '--json']), 11);
    expect(causes.map(({ code }: { code: string }) => code)).to.deep.equal(['notDelivered']);
    await work();
    expect((await deliveryOf(job)).failed.tries).to.equal(1);
    const waited = await workspace.run(['wait', job]);
    expect(waited.code).to.equal(4);
    expect(waited.stderr).to.include('succeeded, but is not delivered');
    const bucket = await RawBucket.make(aws.s3, { name });
    await workspace.runSuccessfully('wait', job);
    expect(await bucket.keys('out/_SUCCESS')).to.have.length(1);
    expect(await deliveryOf(job)).to.include({ state: 'delivered', failed: null });
  });

  it('is compared with the bucket: a marker with other content is named, and written again', async () => {
    const bucket = await RawBucket.make(aws.s3);
    const job = await submit(bucket.uri('out/'));
    await work();
    const verify = async (...flags: readonly string[]) =>
      (await workspace.runSuccessfully('verify', job, ...flags)).stderr;
    expect(await verify()).to.not.include('warning');
    await bucket.put('out/_SUCCESS', 'done by hand');
    await bucket.delete('out/upper-000000002');
    const changes = '2 of 6 files were removed or altered (_SUCCESS, upper-000000002)';
    expect(await verify()).to.include(`${changes} since; batchctl verify ${job} --repair`);
    expect(await verify('--repair')).to.include(`delivering again to ${bucket.uri('out/')}: ${changes}`);
    expect(await bucket.read('out/_SUCCESS')).to.equal('');
    expect(await bucket.read('out/upper-000000002')).to.equal('n3\n');
    expect(await verify()).to.not.include('warning');
  });

  it('leaves a local directory to the machine that submitted the job, where wait delivers', async () => {
    const job = await submit('results');
    await work();
    expect(await deliveryOf(job)).to.include({ state: 'due', to: workspace.path('results') });
    await workspace.runSuccessfully('wait', job);
    expect(readdirSync(workspace.path('results')).sort()).to.deep.equal(['_SUCCESS', '_manifest.json', ...NAMES]);
    expect(await deliveryOf(job)).to.include({ state: 'delivered' });
  });
});
