// Protects: a worker on a new instance waits until its permissions take effect, or ends and names the missing one.
import { expect } from 'chai';
import { until } from '../support/until.ts';
import { labForEachTest } from './machine-lab.ts';

describe('a worker on a new instance', () => {
  const lab = labForEachTest();

  it('waits until its role is known, whichever service refuses it', async () => {
    const instance = await lab.machine();
    const job = await lab.submit('echo done');
    const { cloud } = lab;
    cloud.failNext('autoscaling:DescribeAutoScalingInstances', 403, 'AccessDenied', 'no such right', 1);
    cloud.failNext(({ service, method }) => service === 's3' && method === 'PUT', 403, 'AccessDenied', 'nor that', 1);
    cloud.failNext('sqs:GetQueueUrl', 403, 'AccessDenied', 'nor that one', 1);
    const worker = await lab.work(instance);
    await lab.workspace.runSuccessfully('wait', job);
    const refusals = worker.printed().match(/refused; tries again for 1m from its start, in case its role is new: .*/g);
    expect(refusals).to.have.length(3);
    for (const [at, act] of ['DescribeAutoScalingInstances', 's3:PutObject', 'sqs:GetQueueUrl'].entries())
      expect(refusals?.[at]).to.include(act);
    expect(worker.child.exitCode).to.equal(null);
  });

  it('ends and names the permissions that it never gets', async () => {
    const instance = await lab.machine();
    lab.cloud.failNext(({ action }) => action === 'ReceiveMessage', 403, 'AccessDenied', 'never', 1);
    const worker = await lab.work(instance, [], { BATCHCTL_TEST_ROLE_SECONDS: '0' });
    const { code, stderr } = await worker.ended;
    expect(code).to.equal(3);
    expect(stderr).to.include('sqs:ReceiveMessage');
  });

  it('works like one outside of groups if instance metadata is disabled', async () => {
    const instance = await lab.machine();
    const worker = await lab.work(instance, [], { AWS_EC2_METADATA_DISABLED: 'true' });
    await until('it is in the ledger', async () => (await lab.ledgerWorkers()).length === 1);
    expect((await lab.ledgerWorkers())[0]?.host).not.to.equal(instance.id);
    worker.child.kill('SIGTERM');
    expect((await worker.ended).code).to.equal(0);
  });
});
