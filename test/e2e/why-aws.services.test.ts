// Protects: why names the cause and the fix when queues, credentials or missing workers on AWS delay a job.
import { expect } from 'chai';
import { whyJob } from '../../src/jobs/why/why.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { isAction, sqsFault } from '../support/sqs.ts';
import { until } from '../support/until.ts';
import { rangeJobFile, waitForGoCommand } from '../support/why-job.ts';
import { editProfile, emulatedWorkspace, emulators, writeCredentials } from './emulated-aws.ts';
import { submitJob } from './submit-job.ts';
import { causesOf, codesIn, platformAhead } from './why-causes.ts';

/** Milliseconds: longer than SQS's counts may lag. */
const LATER = 300_000;

describe('why on AWS', () => {
  const aws = forSuite(emulators);
  const s3Proxy = forSuite(() => FaultProxy.start(aws.s3));
  const sqsProxy = forSuite(() => FaultProxy.start(aws.sqs));
  const workspace = forEachTest(() => emulatedWorkspace());

  beforeEach(() => {
    workspace.write('job.json', rangeJobFile(3, 'echo done'));
    editProfile(workspace, (profile) => {
      profile.endpoints = { s3: s3Proxy.url, sqs: sqsProxy.url, sts: aws.s3 };
    });
  });
  afterEach(() => {
    s3Proxy.heal();
    sqsProxy.heal();
  });

  const why = (job: string, env: Readonly<Record<string, string>> = {}) => causesOf(workspace, job, env);

  it('noWorker: names the group, and the command that starts a worker on any machine', async () => {
    const [cause, ...others] = await why(await workspace.submit());
    expect(others).to.deep.equal([]);
    expect(cause).to.include({ code: 'noWorker', severity: 'stops' });
    expect(cause?.fix).to.match(/^batchctl worker --here --until-empty/);
  });

  it('finds no cause while a worker runs the job, or once it is done', async () => {
    const job = await submitJob(workspace, rangeJobFile(2, waitForGoCommand(workspace)));
    const working = workspace.work({}, '--here');
    const platform = await workspace.platform();
    await until('the ledger knows that they run', async () => {
      const [step] = await (await platform.ledger()).counts(job);
      return step?.running === 2;
    });
    expect(await why(job)).to.deep.equal([]);
    workspace.write('go', '');
    expectExit(await working);
    expect(await why(job)).to.deep.equal([]);
  });

  it('queueGone: names the queue', async () => {
    const job = await workspace.submit();
    sqsProxy.fail(Number.POSITIVE_INFINITY, sqsFault(400, 'QueueDoesNotExist'));
    const [cause] = await why(job);
    expect(cause).to.include({ code: 'queueGone', message: 'the queue of group default does not exist' });
    expect(cause?.evidence[0]).to.include(`${workspace.stack}-default`);
  });

  it('accessDenied: names the action and resource, for the queue and for the bucket', async () => {
    const job = await workspace.submit();
    sqsProxy.fail(Number.POSITIVE_INFINITY, sqsFault(403, 'AccessDeniedException'), isAction('GetQueueAttributes'));
    const [queue] = await why(job);
    expect(queue).to.include({ code: 'accessDenied', severity: 'stops' });
    expect(queue?.message).to.match(/^sqs:GetQueueAttributes on arn:aws:sqs:us-east-1:\d+:lab-\S+ is denied/);
    sqsProxy.heal();
    const answer = { kind: 'answer', status: 403, code: 'AccessDenied' } as const;
    s3Proxy.fail(Number.POSITIVE_INFINITY, answer, ({ url }) => url.includes('list-type=2'));
    const store = (await why(job)).filter(({ code }) => code === 'accessDenied');
    expect(store[0]?.message).to.match(/^s3:ListBucket on arn:aws:s3:::lab-\S+ is denied/);
  });

  it('credentialsRefused: says that they have expired, and how to renew them', async () => {
    const job = await workspace.submit();
    s3Proxy.fail(Number.POSITIVE_INFINITY, { kind: 'answer', status: 400, code: 'ExpiredToken' });
    const [cause] = await why(job);
    expect(cause).to.include({ code: 'credentialsRefused', severity: 'stops' });
    expect(cause?.fix).to.include('aws sso login');
  });

  it('credentialsEnding: reports credentials that expire within the hour', async () => {
    const job = await workspace.submit();
    const env = writeCredentials(workspace, new Date(Date.now() + 1_200_000));
    editProfile(workspace, (profile) => {
      profile.aws = { profile: 'lab' };
    });
    const causes = await why(job, env);
    expect(codesIn(causes)).to.deep.equal(['noWorker', 'credentialsEnding']);
    expect(causes[1]?.fix).to.include('aws sso login --profile lab');
  });

  it('queueUnreachable: reports an unreachable service within seconds', async () => {
    const job = await workspace.submit();
    editProfile(workspace, (profile) => {
      profile.endpoints = { s3: s3Proxy.url, sqs: 'http://127.0.0.1:1', sts: aws.s3 };
    });
    const began = performance.now();
    const [queue] = await why(job);
    expect(queue).to.include({ code: 'queueUnreachable', severity: 'stops' });
    // Commands that work wait a minute for SQS; commands that diagnose do not.
    expect(performance.now() - began).to.be.below(55_000);
  });

  it("missingTasks: reports undecided tasks in the store but none in the queue, once its counts can't lag", async () => {
    const job = await workspace.submit();
    const platform = await platformAhead(workspace, 0);
    const queue = await platform.queue('default');
    await queue.purge({});
    await until('the queue is empty', async () => (await queue.backlog()).visible === 0);
    expect(codesIn((await whyJob(async () => platform, job)).causes)).to.deep.equal(['noWorker']);
    const later = await platformAhead(workspace, LATER);
    const found = (await whyJob(async () => later, job)).causes.find(({ code }) => code === 'missingTasks');
    expect(found?.message).to.match(/^3 tasks are neither decided nor in the queue of group default/);
  });

  it('deadLetters: reports dead letters with their reasons', async () => {
    const job = await workspace.submit();
    const platform = await platformAhead(workspace, 0);
    const queue = await platform.queue('default');
    const [delivery] = await queue.receive({ max: 1, waitSeconds: 5 });
    if (delivery === undefined) throw new Error('nothing was delivered');
    await queue.bury([{ delivery, reason: 'a stranger buried it' }]);
    const later = await platformAhead(workspace, LATER);
    const found = await until('its dead letter is seen', async () =>
      (await whyJob(async () => later, job)).causes.find(({ code }) => code === 'deadLetters'),
    );
    expect(found.message).to.include('a stranger buried it');
    expect(found.fix).to.include(`batchctl queue redrive --group default --job ${job}`);
  });

  it('warns once of a queue that differs from the profile, at submit and when a worker starts', async () => {
    editProfile(workspace, (profile) => {
      profile.groups = { default: { visibility: '90s' } };
    });
    const env = { BATCHCTL_TEST_LEASE_SECONDS: '90' };
    for (const ended of [await workspace.run(['submit', 'job.json'], env), await workspace.work(env, '--here')]) {
      const { stderr } = expectExit(ended);
      expect(stderr.split('expected VisibilityTimeout'), stderr).to.have.length(2);
    }
  });
});
