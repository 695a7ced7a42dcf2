// Protects: a new worker keeps running while its Auto Scaling group does not list it yet, and leaves when the group terminates it.

import { expect } from 'chai';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { Imds } from '../../../src/adapters/aws/imds.ts';
import { AwsMachine } from '../../../src/adapters/aws/machine.ts';
import { signWithAnyKeys } from '../../support/aws-keys.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { serve } from '../../support/servers/listen.ts';
import { until } from '../../support/until.ts';

/** An Auto Scaling that rejects all requests for an instance, and reports the state that it is told to. */
describe('an instance that its group does not list yet', () => {
  const server = forEachTest(() =>
    serve(async (asked, answer) => {
      const isLook = String(Buffer.concat(await asked.toArray())).includes('Action=DescribeAutoScalingInstances');
      answer.writeHead(isLook ? 200 : 400, { 'content-type': 'text/xml' });
      answer.end(isLook ? found() : refusal);
    }),
  );
  let clients: AwsClients;
  let imds: Imds;
  let state: string | null;

  const member = () =>
    state === null ? '' : `<member><InstanceId>i-1</InstanceId><LifecycleState>${state}</LifecycleState></member>`;
  const found = () =>
    `<DescribeAutoScalingInstancesResponse><DescribeAutoScalingInstancesResult><AutoScalingInstances>${member()}</AutoScalingInstances></DescribeAutoScalingInstancesResult></DescribeAutoScalingInstancesResponse>`;
  const refusal =
    '<ErrorResponse><Error><Code>ValidationError</Code><Message>Instance Id not found</Message></Error></ErrorResponse>';

  beforeEach(() => {
    const { url } = server;
    signWithAnyKeys();
    clients = new AwsClients({ region: 'us-east-1', profile: null, account: null, endpoints: { autoscaling: url } });
    imds = new Imds(url);
  });
  afterEach(async () => {
    imds.close();
    await clients.close();
  });

  const machine = (unknownMs: number): AwsMachine => {
    const facts = {
      ...({ instance: 'i-1', type: 'm7g.large', zone: 'a', lifeCycle: 'spot' } as const),
      ...{ release: null, launchedAt: null },
    };
    return new AwsMachine({ clients, imds, facts, scalingGroup: 'g', unknownMs });
  };

  it('counts as running while its group does not know it, so its worker stays', async () => {
    state = null;
    const ours = machine(60_000);
    expect(await rejection(ours.protect(true))).to.include({ kind: 'unavailable' });
    expect(await rejection(ours.leave(false))).to.include({ kind: 'unavailable' });
    state = 'Pending';
    expect(await rejection(ours.protect(true))).to.include({ kind: 'unavailable' });
  });

  it('counts as terminating if its group does not know it for too long, and in any state that begins with Terminating', async () => {
    state = 'Terminating:Retained';
    expect(await machine(60_000).protect(true)).to.equal(false);
    expect(await machine(60_000).leave(false)).to.equal(true);
    state = null;
    const ours = machine(1);
    expect(await rejection(ours.protect(true))).to.include({ kind: 'unavailable' });
    await until('it has lasted', async () => (await ours.protect(true).catch(() => null)) === false);
  });
});
