// Protects: a job on AWS notifies its SNS topic and webhook once, and metrics reach CloudWatch.
import { expect } from 'chai';
import { NEWS_PREFIX, NOTICES_PREFIX } from '../../src/model/keys.ts';
import { ACCOUNT } from '../support/aws-workspace.ts';
import { expectExit, jsonLinesOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { HookServer } from '../support/servers/hook-server.ts';
import { keysBelow } from '../support/stored.ts';
import { emulatedWorkspace, emulators } from './emulated-aws.ts';

const TOPIC = `arn:aws:sns:us-east-1:${ACCOUNT}:ops`;
const JOB = {
  ...rangeJob('count', 2, { name: 'work', run: 'cat' }),
  notify: [{ on: ['succeeded'], to: `sns:${TOPIC}` }],
};

describe('notifications and metrics on AWS', () => {
  const aws = forSuite(emulators);
  const hook = forSuite(() => HookServer.start());
  const cloudwatch = forSuite(() => HookServer.start());
  const workspace = forSuite(() =>
    emulatedWorkspace({
      profile: {
        endpoints: { ...aws, sts: aws.s3, sns: aws.s3, cloudwatch: `http://127.0.0.1:${cloudwatch.port}` },
        notify: [{ on: ['succeeded'], to: `http://127.0.0.1:${hook.port}/ops` }],
        metrics: true,
      },
    }),
  );

  before(async () => {
    cloudwatch.answer = { status: 200, text: '{}' };
    workspace.write('job.json', JOB);
    await ask({ Action: 'CreateTopic', Name: 'ops' }, 'sns');
    await ask({ Action: 'CreateQueue', QueueName: 'ops', Version: '2012-11-05' }, 'sqs');
    const Endpoint = `arn:aws:sqs:us-east-1:${ACCOUNT}:ops`;
    await ask({ Action: 'Subscribe', TopicArn: TOPIC, Protocol: 'sqs', Endpoint }, 'sns');
  });

  async function ask(fields: Readonly<Record<string, string>>, service: string): Promise<string> {
    const scope = `AKIDEXAMPLE/20261126/us-east-1/${service}/aws4_request`;
    const answer = await fetch(aws.s3, {
      method: 'POST',
      headers: { authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0` },
      body: new URLSearchParams(fields),
    });
    return answer.text();
  }
  const receivePublished = async (): Promise<number> => {
    const QueueUrl = `${aws.s3}/${ACCOUNT}/ops`;
    const fields = { Action: 'ReceiveMessage', QueueUrl, MaxNumberOfMessages: '10', Version: '2012-11-05' };
    return (await ask(fields, 'sqs')).match(/<MessageId>/g)?.length ?? 0;
  };
  const countKeys = async (prefix: string): Promise<number> =>
    (await keysBelow((await workspace.platform()).store, prefix)).length;
  /** As if the last round of a keeper was long ago. */
  const forgetKeepers = async (): Promise<void> => {
    const { store } = await workspace.platform();
    await store.delete(await keysBelow(store, 'keepers/'));
  };

  it("a worker that closes a job notifies the job's topic and the profile's receiver once; a keeper removes the mark", async () => {
    await workspace.submit();
    expectExit(await workspace.work({}, '--here'));
    expect(hook.posts).to.have.length(1);
    expect(await receivePublished()).to.equal(1);
    expect(await countKeys(NEWS_PREFIX)).to.equal(1);
    await workspace.runSuccessfully('watch', 'last');
    await workspace.runSuccessfully('tick');
    expect(hook.posts).to.have.length(1);
    expect(await countKeys(NEWS_PREFIX)).to.equal(0);
    expect(await countKeys(NOTICES_PREFIX)).to.equal(4);
  });

  it('a tick sends CloudWatch metrics for the stack and each group', async () => {
    const before = cloudwatch.posts.length;
    await forgetKeepers();
    await workspace.runSuccessfully('tick');
    expect(cloudwatch.posts).to.have.length(before + 1);
    const { Namespace, MetricData } = cloudwatch.bodies.at(-1) as {
      Namespace: string;
      MetricData: readonly {
        MetricName: string;
        Value: number;
        Dimensions: readonly { Name: string; Value: string }[];
      }[];
    };
    expect(Namespace).to.equal('batchctl');
    const backlog = MetricData.find(({ MetricName }) => MetricName === 'BacklogVisible');
    expect(backlog?.Dimensions).to.deep.equal([
      { Name: 'stack', Value: workspace.stack },
      { Name: 'group', Value: 'default' },
    ]);
    expect(MetricData.flatMap(({ Dimensions }) => Dimensions.map(({ Name }) => Name))).to.include.members([
      'stack',
      'group',
    ]);
    expect(JSON.stringify(MetricData)).not.to.include('count-');
  });

  it('a tick completes its other work when CloudWatch denies the metrics, and names the missing permission', async () => {
    cloudwatch.answer = { status: 403, text: '{"__type":"AccessDeniedException","message":"no"}' };
    await forgetKeepers();
    const ticked = await workspace.run(['tick']);
    expect(ticked.stderr).to.include('metrics').and.include('cloudwatch:PutMetricData');
    expect(await countKeys('keepers/')).to.equal(1);
    cloudwatch.answer = { status: 200, text: '{}' };
  });

  for (const [what, notify] of [
    ['a program', { to: 'exec:./page.sh' }],
    ['a receiver on the machine that notifies', { to: 'http://127.0.0.1:1/' }],
    ['a secret of that machine', { to: 'https://example.com/', secret: 'env:AWS_SECRET_ACCESS_KEY' }],
  ] as const) {
    it(`refuses a job file that names ${what}`, async () => {
      workspace.write('bad.json', { ...JOB, notify: [{ on: ['failed'], ...notify }] });
      for (const args of [
        ['submit', 'bad.json'],
        ['plan', 'bad.json'],
        ['notify', 'test', 'bad.json'],
      ]) {
        const refused = await workspace.run(args);
        expect(refused.code, args.join(' ') + refused.stderr).to.equal(3);
        expect(refused.stderr).to.include('notify');
      }
    });
  }

  it('notify test reports on each receiver, and exits 8 if one rejected the message', async () => {
    const rows = jsonLinesOf(await workspace.run(['notify', 'test', 'job.json', '--json']));
    expect(rows.map(({ to, sent }) => [to, sent])).to.deep.equal([
      [`http://127.0.0.1:${hook.port}/...`, true],
      [`sns:${TOPIC}`, true],
    ]);
    expect(hook.bodies.at(-1)).to.include({ event: 'test', job: null });
    hook.answer = { status: 404, text: 'no such hook' };
    const bad = expectExit(await workspace.run(['notify', 'test']), 8);
    expect(bad.stdout).to.include('NOT sent').and.include('404: no such hook');
    hook.answer = { status: 200 };
    await workspace.runSuccessfully('notify', 'test', '--to', `http://127.0.0.1:${hook.port}/x`, '--json');
    expect(hook.posts.at(-1)?.path).to.equal('/x');
    expectExit(await workspace.run(['notify', 'test', '--to', 'mailto:ops']), 2);
    expectExit(await workspace.run(['notify', 'test', '--to', 'https://169.254.169.254/']), 8);
  });
});
