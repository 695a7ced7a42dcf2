// Protects: AWS workers deliver a job's outputs once, even after a crash, and a denied destination blocks no worker.
import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { randomId } from '../../src/lib/id.ts';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { forSuite } from '../support/fixture.ts';
import { RawBucket } from '../support/s3-bucket.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';

const JOB = {
  name: 'count',
  input: { split: { by: 'range', from: 1, to: 6 } },
  steps: [{ name: 'upper', run: 'sed s/^/n/' }],
};
const NAMES = [0, 1, 2, 3, 4, 5].map((n) => `upper-00000000${n}`);

describe('deliver on AWS', () => {
  const s3 = forSuite(() => sharedMoto());
  const proxy = forSuite(() => FaultProxy.start(s3.url));
  const sqs = forSuite(() => sharedFauxqs());
  const workspace = forSuite(() => AwsWorkspace.make({ s3: proxy.url, sqs: sqs.url, worksHere: true }));

  const submit = (to: string, ...flags: readonly string[]): Promise<string> => {
    workspace.write('job.json', { ...JOB, deliver: { to } });
    return workspace.submit(...flags);
  };
  const worked = async (env: Readonly<Record<string, string>> = {}): Promise<void> => {
    const { code, stderr } = await workspace.work(env, '--here');
    expect(code, stderr).to.equal(0);
  };
  const deliveryOf = async (job: string) => JSON.parse((await workspace.well('status', job, '--json')).stdout).delivery;
  const entries = async (job: string): Promise<readonly string[]> =>
    (await workspace.well('history', job, '--json')).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).what);

  it('workers deliver to another bucket by S3 copies, once, before they leave', async () => {
    const bucket = await RawBucket.make(s3.url);
    const job = await submit(bucket.uri('{period}/{job}'), '--period', '2026-11');
    const before = proxy.seen.length;
    await Promise.all([worked(), worked(), worked()]);
    const at = `2026-11/${job}/`;
    expect(await bucket.keys()).to.deep.equal(['_SUCCESS', '_manifest.json', ...NAMES].map((name) => at + name));
    expect(await bucket.read(`${at}upper-000000004`)).to.equal('n5\n');
    expect(await deliveryOf(job)).to.include({ to: bucket.uri(at), host: null, state: 'delivered' });
    expect((await entries(job)).filter((what) => what === 'delivered')).to.have.length(1);
    // Two workers may start at the same moment. Then both copy, and one reports it.
    const copies = proxy.seen
      .slice(before)
      .filter(({ headers, url }) => headers['x-amz-copy-source'] !== undefined && !/_manifest|_SUCCESS/.test(url));
    expect(new Set(copies.map(({ url }) => url)).size).to.equal(NAMES.length);
    await workspace.well('wait', job);
    expect((await entries(job)).filter((what) => what === 'delivered')).to.have.length(1);
  });

  for (const kill of ['close:1', 'place-file:2', 'place-marker:1', 'delivered:1']) {
    it(`delivers once, by the next worker, after a worker is killed at ${kill}`, async () => {
      const bucket = await RawBucket.make(s3.url);
      const job = await submit(bucket.uri('out/'));
      const killed = await workspace.work({ BATCHCTL_TEST_KILL: kill }, '--here');
      expect(killed.signal, killed.stderr).to.equal('SIGKILL');
      expect(await deliveryOf(job)).to.include({ state: 'due' });
      await worked();
      expect(await bucket.keys()).to.have.length(NAMES.length + 2);
      expect(await deliveryOf(job)).to.include({ state: 'delivered' });
      expect((await entries(job)).filter((what) => what === 'delivered')).to.have.length(1);
    });
  }

  it('status and why name a denied destination, no worker waits for it, and a person can retry it', async () => {
    const name = `raw-${randomId(8)}`;
    const job = await submit(`s3://${name}/out/`);
    await worked();
    const delivery = await deliveryOf(job);
    expect(delivery).to.include({ state: 'failing' });
    expect(delivery.failed).to.include({ tries: 1, kind: 'notFound' });
    expect(delivery.failed.message).to.include(`arn:aws:s3:::${name} does not exist`);
    const why = await workspace.run(['why', job, '--json']);
    expect(why.code).to.equal(11);
    expect(JSON.parse(why.stdout).causes.map(({ code }: { code: string }) => code)).to.deep.equal(['notDelivered']);
    await worked();
    expect((await deliveryOf(job)).failed.tries).to.equal(1);
    const waited = await workspace.run(['wait', job]);
    expect(waited.code).to.equal(4);
    expect(waited.stderr).to.include('succeeded, but is not delivered');
    const bucket = await RawBucket.make(s3.url, { name });
    await workspace.well('wait', job);
    expect(await bucket.keys('out/_SUCCESS')).to.have.length(1);
    expect(await deliveryOf(job)).to.include({ state: 'delivered', failed: null });
  });

  it('leaves a local directory to the machine that submitted the job, where wait delivers', async () => {
    const job = await submit('results');
    await worked();
    expect(await deliveryOf(job)).to.include({ state: 'due', to: workspace.path('results') });
    await workspace.well('wait', job);
    expect(readdirSync(workspace.path('results')).sort()).to.deep.equal(['_SUCCESS', '_manifest.json', ...NAMES]);
    expect(await deliveryOf(job)).to.include({ state: 'delivered' });
  });
});
