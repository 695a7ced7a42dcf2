// Protects: notifications reach SNS subscribers and metrics reach CloudWatch, and a missing topic or permission is explained.

import { expect } from 'chai';
import type { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { putMetrics } from '../../../src/adapters/aws/cloudwatch.ts';
import { publishNotice } from '../../../src/adapters/aws/sns.ts';
import type { Metric } from '../../../src/model/metrics.ts';
import type { Notice } from '../../../src/ports/notifier.ts';
import { openClients } from '../../support/aws-clients.ts';
import { forSuite } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { HookServer } from '../../support/servers/hook-server.ts';
import { sharedMoto } from '../../support/servers/moto.ts';

const NOTICE: Notice = { id: 'job-1.7.failed', event: 'failed', job: 'job-1', body: '{"event":"failed"}' };
const ACCOUNT = '123456789012';

describe('notifications in SNS and metrics in CloudWatch', () => {
  const moto = forSuite(() => sharedMoto());
  const clients = forSuite(() => open(ACCOUNT));

  const open = (account: string | null): AwsClients => openClients({ sns: moto.url, sqs: moto.url }, { account });
  const post = async (service: string, fields: Readonly<Record<string, string>>): Promise<string> => {
    const answer = await fetch(moto.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261126/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`,
      },
      body: new URLSearchParams(fields),
    });
    return answer.text();
  };

  it('reach the subscribers of the topic unchanged, with attributes to filter by', async () => {
    await post('sns', { Action: 'CreateTopic', Name: 'pages' });
    await post('sqs', { Action: 'CreateQueue', QueueName: 'pages', Version: '2012-11-05' });
    const topic = `arn:aws:sns:us-east-1:${ACCOUNT}:pages`;
    const queue = `arn:aws:sqs:us-east-1:${ACCOUNT}:pages`;
    await post('sns', { Action: 'Subscribe', TopicArn: topic, Protocol: 'sqs', Endpoint: queue });
    await publishNotice(clients, topic, NOTICE, undefined);
    await publishNotice(clients, 'pages', { ...NOTICE, event: 'test', job: null }, undefined);
    const sqs = await clients.sqs('control');
    const { ReceiveMessageCommand } = await import('@aws-sdk/client-sqs');
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: `${moto.url}/${ACCOUNT}/pages`, MaxNumberOfMessages: 10 }),
    );
    const received = Messages.map(({ Body = '' }) => JSON.parse(Body));
    expect(received.map(({ Message, Subject }) => [Message, Subject])).to.deep.equal([
      [NOTICE.body, 'batchctl: failed job-1'],
      [NOTICE.body, 'batchctl: test'],
    ]);
    const value = (name: string): string => received[0].MessageAttributes[name]?.Value;
    expect([value('event'), value('eventId'), value('job')]).to.deep.equal(['failed', 'job-1.7.failed', 'job-1']);
  });

  it('report a topic that does not exist, and that a topic by name needs the account', async () => {
    const none = `arn:aws:sns:us-east-1:${ACCOUNT}:none`;
    const missing = await failsWith('notFound', publishNotice(clients, none, NOTICE, undefined));
    expect(missing.hint).to.include('create-topic --name none');
    const nameless = open(null);
    await failsWith('config', publishNotice(nameless, 'pages', NOTICE, undefined));
    await nameless.close();
  });

  it('can be retried if SNS does not answer in time', async () => {
    await failsWith('unavailable', publishNotice(clients, 'pages', NOTICE, AbortSignal.abort()));
  });

  // moto knows an older protocol of CloudWatch than the SDK speaks, so the SDK's request is checked here.
  it('have the stack and the group as dimensions', async () => {
    const cloudwatch = await HookServer.start();
    cloudwatch.answer = { status: 200, text: '{}' };
    const measured = openClients({ cloudwatch: `http://127.0.0.1:${cloudwatch.port}` });
    const at = new Date('2026-11-30T06:00:00Z');
    const figures: readonly Metric[] = [
      { name: 'BacklogVisible', unit: 'count', value: 12, group: 'default' },
      { name: 'JobsOpen', unit: 'count', value: 2, group: null },
      ...Array.from({ length: 1_000 }, (_, n): Metric => ({ name: 'Slots', unit: 'count', value: n, group: 'gpu' })),
    ];
    await putMetrics(measured, 'month-end', figures, at);
    await putMetrics(measured, 'month-end', [], at);
    cloudwatch.answer = { status: 403, text: '{"__type":"AccessDeniedException","message":"not authorized"}' };
    const denied = await failsWith('credentials', putMetrics(measured, 'month-end', figures, at));
    await measured.close();
    await cloudwatch.close();
    expect(denied.message).to.include('cloudwatch:PutMetricData');
    const [first, second] = cloudwatch.bodies as readonly { Namespace: string; MetricData: readonly unknown[] }[];
    expect(cloudwatch.posts[0]?.headers['x-amz-target']).to.match(/PutMetricData$/);
    expect(first?.Namespace).to.equal('batchctl');
    const [stack, group] = [
      { Name: 'stack', Value: 'month-end' },
      { Name: 'group', Value: 'default' },
    ];
    const Timestamp = at.getTime() / 1_000;
    expect(first?.MetricData.slice(0, 2)).to.deep.equal([
      { MetricName: 'BacklogVisible', Timestamp, Value: 12, Unit: 'Count', Dimensions: [stack, group] },
      { MetricName: 'JobsOpen', Timestamp, Value: 2, Unit: 'Count', Dimensions: [stack] },
    ]);
    expect([first?.MetricData.length, second?.MetricData.length], 'at most a thousand per request').to.deep.equal([
      1_000, 2,
    ]);
  });
});
