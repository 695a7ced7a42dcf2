// Protects: a job on AWS publishes every output once even if S3 and SQS throttle, lose answers or are unreachable.
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { seededRandom } from '../../src/model/forecast/section.ts';
import { AWS_LEASE_SECONDS } from '../support/aws-workspace.ts';
import { CHAINS, CHAINS_RAN } from '../support/crash-jobs.ts';
import { expectExit } from '../support/expect-exit.ts';
import { factsOf, type JobFacts, SUCCEEDED } from '../support/job-facts.ts';
import { answerOf, expectWhole, SUBMIT } from '../support/killed-runs.ts';
import { printedSeed } from '../support/sampling.ts';
import type { SeenRequest } from '../support/servers/fault-proxy.ts';
import { isAction, sqsAnswer, sqsFault } from '../support/sqs.ts';
import { until } from '../support/until.ts';
import type { Ended } from '../support/workspace.ts';
import { emulators } from './emulated-aws.ts';
import { FaultyAws } from './faulty-aws.ts';
import { submitJob } from './submit-job.ts';
import { declareTrialsWith } from './trials.ts';
import { waitingJob } from './waiting-job.ts';

/** The result of a job that was submitted and run through the proxies. */
interface Outcome {
  readonly facts: JobFacts;
  readonly worked: Ended;
  readonly ran: readonly string[];
  /** Number of attempts counted as failed. */
  readonly retried: number;
  /** Number of injected faults. */
  readonly met: number;
  /** Seconds that the worker ran. */
  readonly seconds: number;
}

interface Scenario {
  readonly name: string;
  /** Decides which requests fail. */
  readonly faults: (aws: FaultyAws) => void;
  /** Minimum number of requests that must meet a fault. */
  readonly met: number;
  /** Checks that apply only to this scenario. */
  readonly also?: (outcome: Outcome) => void;
}

const FOR_ALL = Number.POSITIVE_INFINITY;
const busy = { kind: 'answer', status: 503, code: 'SlowDown' } as const;
const isPut =
  (part: string, fenced = true) =>
  ({ method, url, headers }: SeenRequest): boolean =>
    method === 'PUT' && url.includes(part) && (!fenced || headers['if-none-match'] === '*');
const asksCounts = ({ headers }: SeenRequest): boolean => headers['x-amz-target'] === 'AmazonSQS.GetQueueAttributes';
const counts = (visible: number) =>
  sqsAnswer({
    Attributes: {
      ApproximateNumberOfMessages: String(visible),
      ApproximateNumberOfMessagesNotVisible: '0',
      ApproximateNumberOfMessagesDelayed: '0',
    },
  });

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'when S3 throttles and fails, and SQS throttles, several times in a row',
    met: 20,
    faults: ({ s3, sqs }) => {
      for (const method of ['GET', 'PUT']) {
        s3.fail(3, busy, (seen) => seen.method === method);
        s3.fail(2, { kind: 'answer', status: 500, code: 'InternalError' }, (seen) => seen.method === method);
      }
      for (const action of ['SendMessageBatch', 'ReceiveMessage', 'DeleteMessageBatch', 'GetQueueAttributes']) {
        sqs.fail(2, sqsFault(403, 'RequestThrottled'), isAction(action));
        sqs.fail(1, sqsFault(503, 'ServiceUnavailable'), isAction(action));
      }
    },
  },
  {
    name: 'when S3 answers a create-if-absent with 409, as during another write',
    met: 8,
    faults: ({ s3 }) =>
      s3.fail(8, { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' }, isPut('/batchctl/')),
  },
  {
    name: 'when the answer to a published output is lost after it was created',
    met: 3,
    faults: ({ s3 }) => s3.fail(3, { kind: 'lost' }, isPut('/out/')),
    also: ({ facts }) => expect(facts.journal).to.deep.equal(['sent', 'close']),
  },
  {
    name: 'when the answers to journal entries and to the run key are lost',
    met: 4,
    faults: ({ s3 }) => {
      s3.fail(1, { kind: 'lost' }, isPut('/runs/'));
      s3.fail(2, { kind: 'lost' }, isPut('/journal/'));
      s3.fail(1, { kind: 'lost' }, isPut('/opened.json'));
    },
    also: ({ facts }) => expect(facts.journal).to.deep.equal(['sent', 'close']),
  },
  {
    name: 'when the answer to a SendMessageBatch is lost, so its messages exist twice',
    met: 3,
    faults: ({ sqs }) => sqs.fail(3, { kind: 'lost' }, isAction('SendMessageBatch')),
  },
  {
    name: 'when the answer to a DeleteMessageBatch is lost',
    met: 3,
    faults: ({ sqs }) => sqs.fail(3, { kind: 'lost' }, isAction('DeleteMessageBatch')),
  },
  {
    name: 'when the messages of a poll are lost, and return when their lease expires',
    met: 1,
    faults: ({ sqs }) => sqs.fail(1, { kind: 'lost' }, isAction('ReceiveMessage')),
    also: ({ seconds }) => expect(seconds).to.be.above(AWS_LEASE_SECONDS - 1),
  },
  {
    name: 'when the counts lag, and say for long that nothing is there',
    met: 1,
    faults: ({ sqs }) => sqs.fail(FOR_ALL, counts(0), asksCounts),
    also: ({ worked, facts }) => {
      expect(worked.code).to.equal(0);
      expect(facts.outputs.total, 'an empty count is no end').to.deep.equal({ 0: '4 24\n' });
    },
  },
  {
    name: 'when the counts lag, and still say seven when all is done: a worker waits one lease, not forever',
    met: 1,
    faults: ({ sqs }) => sqs.fail(FOR_ALL, counts(7), asksCounts),
    also: ({ seconds }) => expect(seconds).to.be.within(AWS_LEASE_SECONDS, 200),
  },
  {
    name: 'when every request takes 300 ms longer',
    met: 50,
    faults: ({ s3, sqs }) => {
      for (const proxy of [s3, sqs]) proxy.fail(FOR_ALL, { kind: 'late', ms: 300 });
    },
  },
  {
    name: 'when a poll never returns: it is abandoned ten seconds late, and the worker continues',
    met: 1,
    faults: ({ sqs }) => sqs.fail(1, { kind: 'hang' }, isAction('ReceiveMessage')),
    also: ({ seconds }) => expect(seconds).to.be.within(10, 250),
  },
];

const WAITING = waitingJob(2);

const random = seededRandom(printedSeed('which requests fail'));

const TRIALS: Readonly<Record<string, (aws: FaultyAws) => Promise<void>>> = {
  'keeps every byte correct when connections are reset in mid-body, of gets and of puts': async ({
    workspace,
    past,
    s3,
  }) => {
    const lines = Array.from({ length: 600_000 }, (_, n) => `${n * 7919}\n`).join('');
    workspace.write('numbers.txt', lines);
    workspace.write('job.json', {
      name: 'large',
      input: { from: 'numbers.txt', split: { by: 'lines', size: '3MB' } },
      steps: [
        { name: 'thrice', run: "awk '{ print; print; print }'" },
        { name: 'all', gather: true, run: 'cat' },
      ],
    });
    // Whole puts, and chunks of a multipart upload.
    s3.fail(2, { kind: 'broken', after: 200_000 }, isPut('/data/', false));
    s3.fail(2, { kind: 'broken', after: 200_000 }, ({ url }) => /partNumber=\d&/.test(url));
    const job = await workspace.submit();
    for (const part of ['/data/', '/files/']) {
      s3.fail(3, { kind: 'cut', after: 100_000 }, ({ method, url }) => method === 'GET' && url.includes(part));
    }
    expectExit(await workspace.work());
    expect(s3.met.filter(({ kind }) => kind === 'broken').length).to.be.at.least(3);
    expect(s3.met.filter(({ kind }) => kind === 'cut').length).to.be.at.least(5);
    const facts = await factsOf(await past.platform(), job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [] });
    const { stdout } = await past.runSuccessfully('fetch', job, '-o', '-', '--step', 'all');
    const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
    expect(hash(stdout)).to.equal(hash(lines.replaceAll(/.*\n/g, '$&$&$&')));
  },
  'ends attempts and runs them again when SQS is unavailable for longer than a lease': async ({
    workspace,
    past,
    sqs: toSqs,
  }) => {
    const job = await submitJob(workspace, WAITING);
    const working = workspace.start(['worker', '--until-empty', '--slots', '2']);
    await until('both tasks run', () => workspace.lines('ran').length === 2);
    toSqs.fail(FOR_ALL, { kind: 'reset' });
    const back = performance.now() + AWS_LEASE_SECONDS * 1_000 + 2_000;
    await until('a lease and more has passed', () => performance.now() > back);
    toSqs.heal();
    await until('both run again', () => workspace.lines('ran').length === 4);
    workspace.write('go', '');
    expectExit(await working.ended);
    await expectWaitingDone(past, job);
  },
  'publishes finished tasks, or runs them again, when S3 is unavailable for longer than a lease': async ({
    workspace,
    past,
    s3: toS3,
  }) => {
    const job = await submitJob(workspace, WAITING);
    const working = workspace.start(['worker', '--until-empty', '--slots', '2']);
    await until('both tasks run', () => workspace.lines('ran').length === 2);
    const watching = workspace.start(['watch', job]);
    await until('the job is watched', () => watching.printed().includes('watching'));
    toS3.fail(FOR_ALL, { kind: 'reset' });
    workspace.write('go', '');
    // Longer than a request is retried.
    const back = performance.now() + 15_000;
    await until('a lease and more has passed', () => performance.now() > back);
    toS3.heal();
    const worked = await working.ended;
    // The worker may have given up on the service, so start another.
    expect([0, 8], worked.stderr).to.include(worked.code);
    expectExit(await workspace.work());
    const watched = expectExit(await watching.ended);
    expect(watched.stderr).to.include('retrying');
    await expectWaitingDone(past, job);
  },
  'loses nothing when one request in ten fails, in any way': async ({ workspace, past, s3, sqs: toSqs }) => {
    const lost = [{ kind: 'reset' }, { kind: 'lost' }] as const;
    s3.failShare(0.1, random, [...lost, busy, { kind: 'cut', after: 20 }]);
    toSqs.failShare(0.1, random, [...lost, sqsFault(503, 'ServiceUnavailable')]);
    const job = await submitJob(workspace, CHAINS);
    const workers = await Promise.all([workspace.work(), workspace.work(), workspace.work()]);
    for (const each of workers) expectExit(each);
    expect(s3.met.length).to.be.above(10);
    expect(toSqs.met.length).to.be.above(0);
    expectWhole(await factsOf(await past.platform(), job));
    expect([...new Set(workspace.lines('ran'))].sort()).to.deep.equal(CHAINS_RAN);
  },
};

describe('faults of AWS services', () => {
  const scenarios = SCENARIOS.map((scenario): [string, (aws: FaultyAws) => Promise<void>] => [
    `publishes every output once ${scenario.name}`,
    (aws) => play(aws, scenario),
  ]);
  const trials = { ...Object.fromEntries(scenarios), ...TRIALS };
  declareTrialsWith(5, async () => FaultyAws.make(await emulators()), trials);
});

/** Submits and runs a job while requests fail as the scenario says. */
async function play(aws: FaultyAws, { faults, met, also }: Scenario): Promise<void> {
  const outcome = await outcomeOf(aws, faults);
  expect(outcome.met).to.be.at.least(met);
  expectExit(outcome.worked);
  expectWhole(outcome.facts);
  expect([...new Set(outcome.ran)].sort()).to.deep.equal(CHAINS_RAN);
  expect(outcome.retried, 'no attempt is spent on it').to.equal(0);
  also?.(outcome);
}

async function outcomeOf(aws: FaultyAws, faults: Scenario['faults']): Promise<Outcome> {
  const { workspace, past, s3, sqs } = aws;
  workspace.write('job.json', CHAINS);
  faults(aws);
  const { job } = answerOf(await workspace.run(SUBMIT));
  const began = performance.now();
  const worked = await workspace.work({}, '--slots', '4');
  const seconds = (performance.now() - began) / 1_000;
  const platform = await past.platform();
  const facts = await factsOf(platform, job);
  const counted = await (await platform.ledger()).counts(job);
  const retried = counted.reduce((all, step) => all + step.retried, 0);
  return { facts, worked, ran: workspace.lines('ran'), retried, seconds, met: s3.met.length + sqs.met.length };
}

/** Checks that `WAITING` is done, and that no attempt counted as failed. */
async function expectWaitingDone(past: FaultyAws['past'], job: string): Promise<void> {
  const platform = await past.platform();
  const facts = await factsOf(platform, job);
  expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], outputs: { only: { 0: '1\n', 1: '2\n' } } });
  const [only] = await (await platform.ledger()).counts(job);
  expect(only).to.include({ done: 2, failed: 0, retried: 0 });
}
