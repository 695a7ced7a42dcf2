// Protects: bad AWS credentials lose no work and write to no other account, and the error says how to fix them.
import { mkdirSync } from 'node:fs';
import { expect } from 'chai';
import { errorOf, expectExit, jsonOf } from '../support/expect-exit.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import type { SeenRequest } from '../support/servers/fault-proxy.ts';
import { isAction, sqsFault } from '../support/sqs.ts';
import { until } from '../support/until.ts';
import { emulatedWorkspace, emulators } from './emulated-aws.ts';
import { FaultyAws, isWrite } from './faulty-aws.ts';
import { submitJob } from './submit-job.ts';
import { waitingJob } from './waiting-job.ts';

/** No credentials in the environment: the SDK reads the files of the home directory, without a network request. */
const NO_KEYS = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_EC2_METADATA_DISABLED: 'true' };

const WAITING = waitingJob(2);

describe('AWS credentials', () => {
  const opened: { remove(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.remove();
  });

  const make = async (more?: Parameters<typeof FaultyAws.make>[1]): Promise<FaultyAws> => {
    const faulty = await FaultyAws.make(await emulators(), more);
    opened.push(faulty);
    return faulty;
  };

  it('returns tasks when credentials expire during a job, exits 6 with the fix, and the same command continues the job', async () => {
    const { workspace, past, s3: toS3, sqs: toSqs } = await make({ env: NO_KEYS });
    let ends = Date.now() + 240_000;
    const writeSession = (SessionToken: string): void =>
      workspace.write('session.json', {
        Version: 1,
        AccessKeyId: 'ASIAEXAMPLE',
        SecretAccessKey: 'wJalrXUtnFEMI',
        SessionToken,
        Expiration: new Date(ends).toISOString(),
      });
    mkdirSync(workspace.path('.aws'));
    workspace.write('.aws/config', `[default]\ncredential_process = cat ${workspace.path('session.json')}\n`);
    writeSession('first');
    const isExpired = ({ headers }: SeenRequest): boolean =>
      headers['x-amz-security-token'] === 'first' && Date.now() > ends;
    toS3.fail(Number.POSITIVE_INFINITY, { kind: 'answer', status: 400, code: 'ExpiredToken' }, isExpired);
    toSqs.fail(Number.POSITIVE_INFINITY, sqsFault(403, 'ExpiredTokenException'), isExpired);

    workspace.write('job.json', WAITING);
    // Tasks are given back two thirds of a lease and ten seconds before the end; a busy machine needs some of that.
    const running = workspace.start(['run', 'job.json', '--slots', '2', '--json'], {
      BATCHCTL_TEST_LEASE_SECONDS: '30',
    });
    await until('both tasks run, and the run command printed the id of the job', () => {
      return workspace.lines('ran').length === 2 && running.printed().includes('job waiting-');
    });
    const job = /job (waiting-\S+)/.exec(running.printed())?.[1] ?? '';
    const watching = workspace.start(['watch', job, '--json']);
    ends = Date.now() + 45_000;
    writeSession('first');
    const queue = await (await past.platform()).queue('default');
    await until('both are given back', async () => {
      const { visible, leased } = await queue.backlog();
      return visible === 2 && leased === 0;
    });
    expect(Date.now(), 'given back while the credentials were valid').to.be.below(ends);
    for (const [end, next] of [
      [await running.ended, `batchctl run ${job}`],
      [await watching.ended, `batchctl watch ${job}`],
    ] as const) {
      const { kind, message, hint } = errorOf(expectExit(end, 6));
      expect(kind).to.equal('notFinished');
      expect(message).to.include(`job ${job} is not finished`).and.to.include('have expired');
      expect(hint).to.equal(`aws sso login (or get credentials in another way), then ${next}`);
    }
    expect(Date.now()).to.be.above(ends);

    ends = Date.now() + 3_600_000;
    writeSession('second');
    workspace.write('go', '');
    const [only] = jsonOf(await workspace.run(['run', job, '--json'])).steps;
    expect(only).to.include({ done: 2, failed: 0, retried: 0, interrupted: 2 });
    expect(await factsOf(await past.platform(), job)).to.deep.include({ ...SUCCEEDED, dead: [] });
  });

  it("exits 3 from every command that writes, and writes nothing, with another account's credentials", async () => {
    const { workspace, past, s3: toS3, sqs: toSqs } = await make({ account: '999999999999' });
    const job = await submitJob(past, { ...WAITING, steps: [{ name: 'only', run: 'false' }] });
    await past.work();
    workspace.write('job.json', WAITING);
    workspace.write('raw.csv', 'a\n');
    const commands = [
      ['upload', 'raw.csv'],
      ['submit', 'job.json'],
      ['run', 'job.json'],
      ['worker', '--until-empty', '--here'],
      ['retry', job],
      ['skip', job, '--task', 'only/0', '--reason', 'agreed'],
      ['queue', 'redrive'],
      ['prune', '--all', '--yes'],
      ['ledger', 'rebuild'],
    ];
    const ends = await Promise.all(commands.map((words) => workspace.run([...words, '--json'])));
    for (const [place, end] of ends.entries()) {
      expect(end.code, `${commands[place]}: ${end.stderr}`).to.equal(3);
      expect(errorOf(end).message).to.include('the account 999999999999, found 123456789012');
    }
    expect([...toS3.seen, ...toSqs.seen].filter(isWrite)).to.deep.equal([]);
  });

  it('exits 3 with the fix if there are no credentials', async () => {
    const { workspace } = await make({ env: NO_KEYS });
    workspace.write('job.json', WAITING);
    for (const words of [['submit', 'job.json'], ['jobs'], ['worker', '--until-empty']]) {
      const { kind, message, hint } = errorOf(expectExit(await workspace.run([...words, '--json']), 3));
      expect(kind).to.equal('credentials');
      expect(message).to.include('no AWS credentials were found');
      expect(hint).to.include('aws sso login').and.to.include('AWS_ACCESS_KEY_ID');
    }
  });

  it('exits 3 and names the action and resource that a policy must allow', async () => {
    const { workspace, s3: toS3, sqs: toSqs } = await make();
    workspace.write('job.json', WAITING);
    const forAll = Number.POSITIVE_INFINITY;
    toS3.fail(forAll, { kind: 'answer', status: 403, code: 'AccessDenied' }, ({ method }) => method === 'PUT');
    toSqs.fail(forAll, sqsFault(403, 'AccessDeniedException'), isAction('ReceiveMessage'));
    const put = expectExit(await workspace.run(['submit', 'job.json', '--json']), 3);
    expect(errorOf(put).message).to.match(/s3:PutObject on \S*lab-\S+\/batchctl\/\S+ is denied/);
    expect(errorOf(put).hint).to.include('allow s3:PutObject on');
    toS3.heal();
    const received = expectExit(await workspace.run(['worker', '--until-empty', '--json']), 3);
    expect(errorOf(received).message).to.match(/sqs:ReceiveMessage on \S+:lab-\S+-default is denied/);
  });

  it('exits 4 with the fix if the bucket or the queue is missing', async () => {
    const { workspace } = await make({ profile: { bucket: { name: 'no-such-bucket-here' } } });
    workspace.write('job.json', WAITING);
    for (const words of [['jobs'], ['submit', 'job.json'], ['upload', 'job.json']]) {
      const { message, hint } = errorOf(expectExit(await workspace.run([...words, '--json']), 4));
      expect(message).to.include('no-such-bucket-here does not exist');
      expect(hint).to.equal('batchctl infra up creates it');
    }
    const other = await emulatedWorkspace({ profile: { stack: 'other' } });
    opened.push(other);
    other.write('job.json', WAITING);
    for (const words of [['queue'], ['worker', '--until-empty'], ['submit', 'job.json']]) {
      const { message, hint } = errorOf(expectExit(await other.run([...words, '--json']), 4));
      expect(message).to.match(/other-default(-dead)? does not exist/);
      expect(hint).to.equal('batchctl infra up creates it');
    }
    expect((await other.runSuccessfully('jobs', '--json')).stdout, 'refused before anything is written').to.equal('');
  });
});
