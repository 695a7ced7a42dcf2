// Protects: bad AWS credentials lose no work and write to no other account, and the error says how to fix them.
import { mkdirSync } from 'node:fs';
import { expect } from 'chai';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import type { Seen } from '../support/servers/fault-proxy.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import type { Endpoint } from '../support/servers/shared.ts';
import { isAction, sqsFault } from '../support/sqs.ts';
import { until } from '../support/until.ts';
import type { Ended } from '../support/workspace.ts';
import { FaultyAws, isWrite } from './faulty-aws.ts';

/** No credentials in the environment: the SDK reads the files of the home directory, without a network request. */
const NO_KEYS = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_EC2_METADATA_DISABLED: 'true' };

/** Two tasks that end once the file `go` exists. */
const WAITING = {
  name: 'waiting',
  input: { split: { by: 'range', from: 1, to: 2 } },
  steps: [{ name: 'only', run: 'echo run >> "$HOME/ran"; while [ ! -e "$HOME/go" ]; do sleep 0.05; done; cat' }],
};

interface Told {
  readonly kind: string;
  readonly message: string;
  readonly hint: string;
}

/** The last line of a failed command, with `--json`. */
function told({ stderr }: Ended): Told {
  return (JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as { error: Told }).error;
}

describe('AWS credentials', () => {
  let s3: Endpoint;
  let sqs: Endpoint;
  let places: { readonly s3: string; readonly sqs: string };
  const trouble: FaultyAws[] = [];

  before(async () => {
    s3 = await sharedMoto();
    sqs = await sharedFauxqs();
    places = { s3: s3.url, sqs: sqs.url };
  });
  afterEach(async () => {
    for (const each of trouble.splice(0)) await each.remove();
  });

  const make = async (more?: Parameters<typeof FaultyAws.make>[1]): Promise<FaultyAws> => {
    const made = await FaultyAws.make(places, more);
    trouble.push(made);
    return made;
  };

  it('returns tasks when credentials expire during a job, exits 6 with the fix, and continues the job', async () => {
    const { workspace, past, s3: toS3, sqs: toSqs } = await make({ env: NO_KEYS });
    let ends = Date.now() + 240_000;
    const session = (SessionToken: string): void =>
      workspace.write('session.json', {
        ...{ Version: 1, AccessKeyId: 'ASIAEXAMPLE', SecretAccessKey: 'wJalrXUtnFEMI', SessionToken },
        Expiration: new Date(ends).toISOString(),
      });
    mkdirSync(workspace.path('.aws'));
    workspace.write('.aws/config', `[default]\ncredential_process = cat ${workspace.path('session.json')}\n`);
    session('first');
    const ended = ({ headers }: Seen): boolean => headers['x-amz-security-token'] === 'first' && Date.now() > ends;
    toS3.fail(Number.POSITIVE_INFINITY, { kind: 'answer', status: 400, code: 'ExpiredToken' }, ended);
    toSqs.fail(Number.POSITIVE_INFINITY, sqsFault(403, 'ExpiredTokenException'), ended);

    workspace.write('job.json', WAITING);
    // Tasks are given back two thirds of a lease and ten seconds before the end; a busy machine needs some of that.
    const running = workspace.start(['run', 'job.json', '--slots', '2', '--json'], {
      BATCHCTL_TEST_LEASE_SECONDS: '30',
    });
    await until('both tasks run, and the job is named', () => {
      return workspace.lines('ran').length === 2 && running.said().includes('job waiting-');
    });
    const job = /job (waiting-\S+)/.exec(running.said())?.[1] ?? '';
    const watching = workspace.start(['watch', job, '--json']);
    ends = Date.now() + 45_000;
    session('first');
    const queue = await (await past.platform()).queue('default');
    await until('both are given back', async () => {
      const { visible, leased } = await queue.backlog();
      return visible === 2 && leased === 0;
    });
    expect(Date.now(), 'given back while the credentials still held').to.be.below(ends);
    for (const [end, goOn] of [
      [await running.ended, `batchctl run ${job}`],
      [await watching.ended, `batchctl watch ${job}`],
    ] as const) {
      expect(end.code, end.stderr).to.equal(6);
      expect(told(end)).to.include({ kind: 'notFinished' });
      expect(told(end).message).to.include(`job ${job} is not finished`).and.to.include('have expired');
      expect(told(end).hint).to.equal(`aws sso login (or get credentials in another way), then ${goOn}`);
    }
    expect(Date.now()).to.be.above(ends);

    ends = Date.now() + 3_600_000;
    session('second');
    workspace.write('go', '');
    const taken = await workspace.run(['run', job, '--json']);
    expect(taken.code, taken.stderr).to.equal(0);
    const [only] = JSON.parse(taken.stdout).steps;
    expect(only).to.include({ done: 2, failed: 0, retried: 0, interrupted: 2 });
    expect(await factsOf(await past.platform(), job)).to.deep.include({ ...SUCCEEDED, dead: [] });
  });

  it("exits 3 from every command that writes, and writes nothing, with another account's credentials", async () => {
    const { workspace, past, s3: toS3, sqs: toSqs } = await make({ account: '999999999999' });
    past.write('job.json', { ...WAITING, steps: [{ name: 'only', run: 'false' }] });
    const job = await past.submit();
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
      expect(told(end).message).to.include('the account 999999999999, found 123456789012');
    }
    expect([...toS3.seen, ...toSqs.seen].filter(isWrite)).to.deep.equal([]);
  });

  it('exits 3 with the fix if there are no credentials', async () => {
    const { workspace } = await make({ env: NO_KEYS });
    workspace.write('job.json', WAITING);
    for (const words of [['submit', 'job.json'], ['jobs'], ['worker', '--until-empty']]) {
      const end = await workspace.run([...words, '--json']);
      expect(end.code, end.stderr).to.equal(3);
      expect(told(end)).to.include({ kind: 'credentials' });
      expect(told(end).message).to.include('no AWS credentials were found');
      expect(told(end).hint).to.include('aws sso login').and.to.include('AWS_ACCESS_KEY_ID');
    }
  });

  it('exits 3 and names the action and resource that a policy must allow', async () => {
    const { workspace, s3: toS3, sqs: toSqs } = await make();
    workspace.write('job.json', WAITING);
    const forAll = Number.POSITIVE_INFINITY;
    toS3.fail(forAll, { kind: 'answer', status: 403, code: 'AccessDenied' }, ({ method }) => method === 'PUT');
    toSqs.fail(forAll, sqsFault(403, 'AccessDeniedException'), isAction('ReceiveMessage'));
    const put = await workspace.run(['submit', 'job.json', '--json']);
    expect(put.code, put.stderr).to.equal(3);
    expect(told(put).message).to.match(/s3:PutObject on \S*lab-\S+\/batchctl\/\S+ is denied/);
    expect(told(put).hint).to.include('allow s3:PutObject on');
    toS3.heal();
    const received = await workspace.run(['worker', '--until-empty', '--json']);
    expect(received.code, received.stderr).to.equal(3);
    expect(told(received).message).to.match(/sqs:ReceiveMessage on \S+:lab-\S+-default is denied/);
  });

  it('exits 4 with the fix if the bucket or the queue is missing', async () => {
    const { workspace } = await make({ profile: { bucket: { name: 'no-such-bucket-here' } } });
    workspace.write('job.json', WAITING);
    for (const words of [['jobs'], ['submit', 'job.json'], ['upload', 'job.json']]) {
      const end = await workspace.run([...words, '--json']);
      expect(end.code, `${words}: ${end.stderr}`).to.equal(4);
      expect(told(end).message).to.include('no-such-bucket-here does not exist');
      expect(told(end).hint).to.equal('batchctl infra up creates it');
    }
    const other = await AwsWorkspace.make({ ...places, profile: { stack: 'other' } });
    try {
      other.write('job.json', WAITING);
      for (const words of [['queue'], ['worker', '--until-empty'], ['submit', 'job.json']]) {
        const end = await other.run([...words, '--json']);
        expect(end.code, `${words}: ${end.stderr}`).to.equal(4);
        expect(told(end).message).to.match(/other-default(-dead)? does not exist/);
        expect(told(end).hint).to.equal('batchctl infra up creates it');
      }
      expect((await other.well('jobs', '--json')).stdout, 'refused before anything is written').to.equal('');
    } finally {
      await other.remove();
    }
  });
});
