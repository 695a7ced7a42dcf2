// Protects: a job on AWS notifies its SNS topic and webhook once, and metrics reach CloudWatch.
import { expect } from 'chai';
import { NEWS_PREFIX, NOTICES_PREFIX } from '../../src/model/keys.ts';
import { ACCOUNT, AwsWorkspace } from '../support/aws-workspace.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { HookServer } from '../support/servers/hook-server.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import type { Endpoint } from '../support/servers/shared.ts';

const TOPIC = `arn:aws:sns:us-east-1:${ACCOUNT}:ops`;
const JOB = {
  name: 'count',
  input: { split: { by: 'range', from: 1, to: 2 } },
  steps: [{ name: 'work', run: 'cat' }],
  notify: [{ on: ['succeeded'], to: `sns:${TOPIC}` }],
};

describe('notifications and metrics on AWS', () => {
  let s3: Endpoint;
  let sqs: Endpoint;
  let hook: HookServer;
  let cloudwatch: HookServer;
  let workspace: AwsWorkspace;

  before(async () => {
    s3 = await sharedMoto();
    sqs = await sharedFauxqs();
    [hook, cloudwatch] = await Promise.all([HookServer.start(), HookServer.start()]);
    cloudwatch.answer = { status: 200, text: '{}' };
    const at = { s3: s3.url, sqs: sqs.url, sts: s3.url };
    workspace = await AwsWorkspace.make({
      ...at,
      profile: {
        endpoints: { ...at, sns: s3.url, cloudwatch: `http://127.0.0.1:${cloudwatch.port}` },
        notify: [{ on: ['succeeded'], to: `http://127.0.0.1:${hook.port}/ops` }],
        metrics: true,
      },
    });
    workspace.write('job.json', JOB);
    await ask({ Action: 'CreateTopic', Name: 'ops' }, 'sns');
    await ask({ Action: 'CreateQueue', QueueName: 'ops', Version: '2012-11-05' }, 'sqs');
    const Endpoint = `arn:aws:sqs:us-east-1:${ACCOUNT}:ops`;
    await ask({ Action: 'Subscribe', TopicArn: TOPIC, Protocol: 'sqs', Endpoint }, 'sns');
  });
  after(async () => {
    await workspace?.remove();
    await Promise.all([hook?.close(), cloudwatch?.close()]);
  });

  async function ask(fields: Readonly<Record<string, string>>, service: string): Promise<string> {
    const scope = `AKIDEXAMPLE/20261126/us-east-1/${service}/aws4_request`;
    const answer = await fetch(s3.url, {
      method: 'POST',
      headers: { authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0` },
      body: new URLSearchParams(fields),
    });
    return answer.text();
  }
  const published = async (): Promise<number> => {
    const got = await ask(
      {
        Action: 'ReceiveMessage',
        QueueUrl: `${s3.url}/${ACCOUNT}/ops`,
        MaxNumberOfMessages: '10',
        Version: '2012-11-05',
      },
      'sqs',
    );
    return got.match(/<MessageId>/g)?.length ?? 0;
  };
  const keys = async (prefix: string): Promise<number> => {
    let count = 0;
    const platform = await workspace.platform();
    for await (const _ of platform.store.keys(prefix)) count += 1;
    return count;
  };

  it("a worker that closes a job notifies the job's topic and the profile's receiver once; a keeper removes the mark", async () => {
    await workspace.submit();
    const worked = await workspace.work({}, '--here');
    expect(worked.code, worked.stderr).to.equal(0);
    expect(hook.posts).to.have.length(1);
    expect(await published()).to.equal(1);
    expect(await keys(NEWS_PREFIX)).to.equal(1);
    await workspace.well('watch', 'last');
    await workspace.well('tick');
    expect(hook.posts).to.have.length(1);
    expect(await keys(NEWS_PREFIX)).to.equal(0);
    expect(await keys(NOTICES_PREFIX)).to.equal(4);
  });

  it('a tick sends CloudWatch metrics for the stack and each group', async () => {
    const before = cloudwatch.posts.length;
    // Less than a minute after the last one.
    const platform = await workspace.platform();
    for await (const key of platform.store.keys('keepers/')) await platform.store.delete([key]);
    await workspace.well('tick');
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
    const platform = await workspace.platform();
    for await (const key of platform.store.keys('keepers/')) await platform.store.delete([key]);
    const ticked = await workspace.run(['tick']);
    expect(ticked.stderr).to.include('metrics').and.include('cloudwatch:PutMetricData');
    expect(await keys('keepers/')).to.equal(1);
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
    const good = await workspace.run(['notify', 'test', 'job.json', '--json']);
    expect(good.code, good.stderr).to.equal(0);
    const rows = good.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map(({ to, sent }) => [to, sent])).to.deep.equal([
      [`http://127.0.0.1:${hook.port}/...`, true],
      [`sns:${TOPIC}`, true],
    ]);
    expect(hook.bodies.at(-1)).to.include({ event: 'test', job: null });
    hook.answer = { status: 404, text: 'no such hook' };
    const bad = await workspace.run(['notify', 'test']);
    expect(bad.code).to.equal(8);
    expect(bad.stdout).to.include('NOT sent').and.include('404: no such hook');
    hook.answer = { status: 200 };
    const one = await workspace.run(['notify', 'test', '--to', `http://127.0.0.1:${hook.port}/x`, '--json']);
    expect(one.code).to.equal(0);
    expect(hook.posts.at(-1)?.path).to.equal('/x');
    expect((await workspace.run(['notify', 'test', '--to', 'mailto:ops'])).code).to.equal(2);
    expect((await workspace.run(['notify', 'test', '--to', 'https://169.254.169.254/'])).code).to.equal(8);
  });
});
