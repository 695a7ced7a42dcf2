// Protects: the last worker to leave a group requests a new one if work is left, so that no task waits forever.
import { GetQueueUrlCommand, PurgeQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { expect } from 'chai';
import { queueName } from '../../src/lib/stack-names.ts';
import { CREDENTIALS } from '../support/aws-keys.ts';
import { labForEachTest } from './machine-lab.ts';

describe('the last worker of a group, when it leaves', () => {
  const lab = labForEachTest();
  const SOON = { BATCHCTL_TEST_IDLE_SECONDS: '1', BATCHCTL_TEST_LAG_SECONDS: '1' };

  /** The worker of the only machine is idle and leaves; returns its output. */
  const leave = async (): Promise<string> => {
    const instance = await lab.machine();
    const { code, stderr } = await (await lab.work(instance, [], SOON)).ended;
    expect(code, stderr).to.equal(0);
    await lab.gone(instance);
    return stderr;
  };
  const openQueue = async () => {
    const client = new SQSClient({ region: 'us-east-1', endpoint: lab.cloud.url, credentials: CREDENTIALS });
    const QueueName = queueName(lab.workspace.stack, 'default');
    const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName }));
    return { client, QueueUrl };
  };

  it('requests a new worker while a dead one still holds a task, because no other process would', async () => {
    await lab.submit('echo done');
    const { client, QueueUrl } = await openQueue();
    const taken = await client.send(new ReceiveMessageCommand({ QueueUrl, VisibilityTimeout: 600 }));
    expect(taken.Messages).to.have.length(1);
    expect(await leave()).to.include('work waits in group default: requested 1 instances');
    expect(await lab.size()).to.equal(1);
  });

  it('requests one for a job whose tasks the queue does not count yet', async () => {
    await lab.submit('echo done', 3);
    const { client, QueueUrl } = await openQueue();
    await client.send(new PurgeQueueCommand({ QueueUrl }));
    await leave();
    expect(await lab.size()).to.equal(1);
  });

  it('requests none without work', async () => {
    await leave();
    expect(await lab.size()).to.equal(0);
    expect(lab.countRequests('SetDesiredCapacity')).to.equal(0);
  });
});
