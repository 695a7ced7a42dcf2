import { expect } from 'chai';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { CHAINS, CHAINS_OUTPUTS, CHAINS_RAN } from '../support/crash-jobs.ts';
import { factsOf, type JobFacts, SUCCEEDED } from '../support/job-facts.ts';
import { printedSeed, randomFrom } from '../support/sampling.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { type Fauxqs, startFauxqs } from '../support/servers/fauxqs.ts';
import { type Moto, startMoto } from '../support/servers/moto.ts';

/** Everything is there once, whatever happened on the way. */
function expectWhole(facts: JobFacts): void {
  expect(facts).to.deep.include({ ...SUCCEEDED, dead: [] });
  expect(facts.outputs).to.deep.equal(CHAINS_OUTPUTS);
  expect(facts.counted).to.deep.equal({ twice: 4, more: 4, total: 1 });
  expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(['sent', 'close']);
}

describe('trouble on AWS', function () {
  this.timeout(120_000);
  let s3: Moto;
  let sqs: Fauxqs;
  const random = randomFrom(printedSeed('which passing of each point, and which requests'));

  before(async function () {
    s3 = await startMoto(this);
    sqs = await startFauxqs();
  });

  after(async () => {
    await Promise.all([s3?.stop(), sqs?.stop()]);
  });

  for (const point of ['stage', 'publish', 'record', 'chain', 'ack']) {
    const kill = `${point}:${1 + Math.floor(random() * 9)}`;

    it(`kill -9 of a worker at ${kill}: every output is there once, one close`, async () => {
      const workspace = await AwsWorkspace.make({ s3: s3.url, sqs: sqs.url });
      try {
        workspace.write('job.json', CHAINS);
        const job = await workspace.submit();
        const killed = await workspace.work({ BATCHCTL_TEST_KILL: kill }, '--slots', '1');
        expect(killed.signal, killed.stderr).to.equal('SIGKILL');
        const finished = await workspace.work({}, '--slots', '1');
        expect(finished.code, finished.stderr).to.equal(0);
        expectWhole(await factsOf(await workspace.platform(), job));
        const ran = workspace.lines('ran');
        expect([...new Set(ran)].sort()).to.deep.equal(CHAINS_RAN);
        expect(ran.length).to.be.at.most(CHAINS_RAN.length + 1);
      } finally {
        await workspace.remove();
      }
    });
  }

  it('kill -9 of a submission after its claim: whoever looks finishes the sending', async () => {
    const workspace = await AwsWorkspace.make({ s3: s3.url, sqs: sqs.url });
    try {
      workspace.write('job.json', CHAINS);
      const submit = ['submit', 'job.json', '--json', '--run-key', 'once'];
      const killed = await workspace.run(submit, { BATCHCTL_TEST_KILL: 'claim:1' });
      expect(killed.signal, killed.stderr).to.equal('SIGKILL');
      const { stdout } = await workspace.well(...submit);
      const { job, created } = JSON.parse(stdout);
      expect(created).to.equal(false);
      const worked = await workspace.work();
      expect(worked.code, worked.stderr).to.equal(0);
      expectWhole(await factsOf(await workspace.platform(), job));
    } finally {
      await workspace.remove();
    }
  });

  it('loses nothing when one request in ten fails on the way', async () => {
    const proxies = await Promise.all([FaultProxy.start(s3.url), FaultProxy.start(sqs.url)]);
    const [toS3, toSqs] = proxies;
    const workspace = await AwsWorkspace.make({ s3: s3.url, sqs: sqs.url });
    const troubled = await AwsWorkspace.make({ s3: toS3.url, sqs: toSqs.url, stack: workspace.stack });
    try {
      const lost = [{ kind: 'reset' }, { kind: 'lost' }] as const;
      toS3.failShare(0.1, random, [
        ...lost,
        { kind: 'answer', status: 503, code: 'SlowDown' },
        { kind: 'cut', after: 20 },
      ]);
      toSqs.failShare(0.1, random, [...lost, { kind: 'answer', status: 503, body: '{"__type":"ServiceUnavailable"}' }]);
      troubled.write('job.json', CHAINS);
      const job = await troubled.submit();
      const workers = await Promise.all([troubled.work(), troubled.work(), troubled.work()]);
      for (const { code, stderr } of workers) expect(code, stderr).to.equal(0);
      const failed = proxies.map((proxy) => proxy.seen.length);
      expect(Math.min(...failed)).to.be.above(20);
      expectWhole(await factsOf(await workspace.platform(), job));
      expect([...new Set(troubled.lines('ran'))].sort()).to.deep.equal(CHAINS_RAN);
    } finally {
      await troubled.remove();
      await workspace.remove();
      await Promise.all(proxies.map((proxy) => proxy.close()));
    }
  });
});
