// Protects: why names the cause and the fix when queues, credentials or missing workers on AWS delay a job.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { loadConfig } from '../../src/config/load-config.ts';
import { whyJob } from '../../src/jobs/why/why.ts';
import type { Cause } from '../../src/model/why/cause.ts';
import { openPlatform } from '../../src/platform/open-platform.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { until } from '../support/until.ts';
import { waitsIn, whyJobFile } from '../support/why-job.ts';

/** Milliseconds, later than SQS's counts may lag. */
const LATER = 300_000;

describe('why on AWS', () => {
  const moto = forSuite(() => sharedMoto());
  const sqs = forSuite(() => sharedFauxqs());
  let s3Proxy: FaultProxy;
  let sqsProxy: FaultProxy;
  const workspace = forEachTest(() => AwsWorkspace.make({ s3: moto.url, sqs: sqs.url }));

  before(async () => {
    [s3Proxy, sqsProxy] = await Promise.all([FaultProxy.start(moto.url), FaultProxy.start(sqs.url)]);
  });
  after(async () => {
    await Promise.all([s3Proxy?.close(), sqsProxy?.close()]);
  });
  beforeEach(async () => {
    workspace.write('job.json', whyJobFile(3, 'echo done'));
    change((profile) => {
      profile.endpoints = { s3: s3Proxy.url, sqs: sqsProxy.url, sts: moto.url };
    });
  });
  afterEach(async () => {
    s3Proxy.heal();
    sqsProxy.heal();
  });

  function change(edit: (profile: Record<string, unknown>) => void): void {
    const config = JSON.parse(readFileSync(workspace.path('batchctl.config.json'), 'utf8'));
    edit(config.profiles.lab);
    workspace.write('batchctl.config.json', config);
  }

  /** The causes that the built program's `why` prints, most important first. */
  async function why(job: string, env: Readonly<Record<string, string>> = {}): Promise<readonly Cause[]> {
    const { code, stdout, stderr } = await workspace.run(['why', job, '--json'], env);
    const { causes } = JSON.parse(stdout) as { causes: readonly Cause[] };
    expect(code, stderr).to.equal(causes.length === 0 ? 0 : 11);
    return causes;
  }
  const codes = (causes: readonly Cause[]): readonly string[] => causes.map(({ code }) => code);

  it('noWorker: names the group, and the command that starts a worker on any machine', async () => {
    const [cause, ...others] = await why(await workspace.submit());
    expect(others).to.deep.equal([]);
    expect(cause).to.include({ code: 'noWorker', severity: 'stops' });
    expect(cause?.mend).to.match(/^batchctl worker --here --until-empty/);
  });

  it('finds no cause while a worker runs the job, or once it is done', async () => {
    workspace.write('job.json', whyJobFile(2, waitsIn(workspace)));
    const job = await workspace.submit();
    const working = workspace.work({}, '--here');
    const platform = await workspace.platform();
    await until('the ledger knows that they run', async () => {
      const [step] = await (await platform.ledger()).counts(job);
      return step?.running === 2;
    });
    expect(await why(job)).to.deep.equal([]);
    workspace.write('go', '');
    expect((await working).code).to.equal(0);
    expect(await why(job)).to.deep.equal([]);
  });

  it('queueGone: names the queue', async () => {
    const job = await workspace.submit();
    sqsProxy.fail(Number.POSITIVE_INFINITY, {
      ...{ kind: 'answer', status: 400 },
      body: JSON.stringify({ __type: 'com.amazonaws.sqs#QueueDoesNotExist', message: 'no such queue' }),
    });
    const [cause] = await why(job);
    expect(cause).to.include({ code: 'queueGone', title: 'the queue of group default does not exist' });
    expect(cause?.evidence[0]).to.include(`${workspace.stack}-default`);
  });

  it('accessDenied: names the action and resource, for the queue and for the bucket', async () => {
    const job = await workspace.submit();
    sqsProxy.fail(
      Number.POSITIVE_INFINITY,
      {
        ...{ kind: 'answer', status: 403 },
        body: JSON.stringify({ __type: 'com.amazon.coral.service#AccessDeniedException', message: 'no' }),
      },
      ({ headers }) => headers['x-amz-target'] === 'AmazonSQS.GetQueueAttributes',
    );
    const [queue] = await why(job);
    expect(queue).to.include({ code: 'accessDenied', severity: 'stops' });
    expect(queue?.title).to.match(/^sqs:GetQueueAttributes on arn:aws:sqs:us-east-1:\d+:lab-\S+ is denied/);
    sqsProxy.heal();
    const answer = { kind: 'answer', status: 403, code: 'AccessDenied' } as const;
    s3Proxy.fail(Number.POSITIVE_INFINITY, answer, ({ url }) => url.includes('list-type=2'));
    const store = (await why(job)).filter(({ code }) => code === 'accessDenied');
    expect(store[0]?.title).to.match(/^s3:ListBucket on arn:aws:s3:::lab-\S+ is denied/);
  });

  it('credentialsRefused: says that they have expired, and how to renew them', async () => {
    const job = await workspace.submit();
    s3Proxy.fail(Number.POSITIVE_INFINITY, { kind: 'answer', status: 400, code: 'ExpiredToken' });
    const [cause] = await why(job);
    expect(cause).to.include({ code: 'credentialsRefused', severity: 'stops' });
    expect(cause?.mend).to.include('aws sso login');
  });

  it('credentialsEnding: reports credentials that expire within the hour', async () => {
    const job = await workspace.submit();
    const Expiration = new Date(Date.now() + 1_200_000).toISOString();
    workspace.write('credentials.json', {
      ...{ Version: 1, AccessKeyId: 'AKIDEXAMPLE', SecretAccessKey: 'secret', SessionToken: 'x', Expiration },
    });
    workspace.write('aws-config', `[profile lab]\ncredential_process = cat ${workspace.path('credentials.json')}\n`);
    change((profile) => {
      profile.aws = { profile: 'lab' };
    });
    const env = { AWS_CONFIG_FILE: workspace.path('aws-config'), AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' };
    const causes = await why(job, env);
    expect(codes(causes)).to.deep.equal(['noWorker', 'credentialsEnding']);
    expect(causes[1]?.mend).to.include('aws sso login --profile lab');
  });

  it('queueUnreachable: reports an unreachable service within seconds', async () => {
    const job = await workspace.submit();
    change((profile) => {
      profile.endpoints = { s3: s3Proxy.url, sqs: 'http://127.0.0.1:1', sts: moto.url };
    });
    const began = performance.now();
    const [queue] = await why(job);
    expect(queue).to.include({ code: 'queueUnreachable', severity: 'stops' });
    // Commands that work wait a minute for SQS; commands that diagnose do not.
    expect(performance.now() - began).to.be.below(55_000);
  });

  /** A platform in this process, whose clock a test may set ahead. */
  async function impatient(ahead = 0): Promise<Platform> {
    const config = await loadConfig({ env: {}, cwd: workspace.dir, home: '', etc: '' });
    const platform = await openPlatform(config, { role: 'cli', who: 'test@here', leaseSeconds: 5 });
    workspace.atEnd(() => platform.close());
    const { clock } = platform;
    return { ...platform, clock: { ...clock, now: () => clock.now() + ahead, monotonic: () => clock.monotonic() } };
  }

  it("missingTasks: reports undecided tasks in the store but none in the queue, once its counts can't lag", async () => {
    const job = await workspace.submit();
    const platform = await impatient();
    const queue = await platform.queue('default');
    await queue.purge({});
    await until('the queue is empty', async () => (await queue.backlog()).visible === 0);
    expect(codes((await whyJob(async () => platform, job)).causes)).to.deep.equal(['noWorker']);
    const later = await impatient(LATER);
    const found = (await whyJob(async () => later, job)).causes.find(({ code }) => code === 'missingTasks');
    expect(found?.title).to.match(/^3 tasks are neither decided nor in the queue of group default/);
  });

  it('deadLetters: reports dead letters with their reasons', async () => {
    const job = await workspace.submit();
    const platform = await impatient();
    const queue = await platform.queue('default');
    const [delivery] = await queue.receive({ max: 1, waitSeconds: 5 });
    if (delivery === undefined) throw new Error('nothing was delivered');
    await queue.bury([{ delivery, reason: 'a stranger buried it' }]);
    const later = await impatient(LATER);
    const found = await until('its dead letter is seen', async () =>
      (await whyJob(async () => later, job)).causes.find(({ code }) => code === 'deadLetters'),
    );
    expect(found.title).to.include('a stranger buried it');
    expect(found.mend).to.include(`batchctl queue redrive --group default --job ${job}`);
  });

  it('warns once of a queue that differs from the profile, at submit and when a worker starts', async () => {
    change((profile) => {
      profile.groups = { default: { visibility: '90s' } };
    });
    const env = { BATCHCTL_TEST_LEASE_SECONDS: '' };
    const said = (text: string): number => text.split('expected VisibilityTimeout').length - 1;
    const submitted = await workspace.run(['submit', 'job.json'], { ...env, BATCHCTL_TEST_LEASE_SECONDS: '90' });
    expect(submitted.code, submitted.stderr).to.equal(0);
    expect(said(submitted.stderr), submitted.stderr).to.equal(1);
    const worked = await workspace.work({ ...env, BATCHCTL_TEST_LEASE_SECONDS: '90' }, '--here');
    expect(worked.code, worked.stderr).to.equal(0);
    expect(said(worked.stderr), worked.stderr).to.equal(1);
  });
});
