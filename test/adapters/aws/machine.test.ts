// Protects: a new worker keeps running while its Auto Scaling group does not list it yet, and leaves when the group terminates it.

import { expect } from 'chai';
import { Imds } from '../../../src/adapters/aws/imds.ts';
import { AwsMachine } from '../../../src/adapters/aws/machine.ts';
import { openClients } from '../../support/aws-clients.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { serve } from '../../support/servers/listen.ts';
import { until } from '../../support/until.ts';

describe('an instance that its group does not list yet', () => {
  /** Auto Scaling: it reports `state`, and rejects all other requests for the instance. */
  const server = forEachTest(() =>
    serve(async (request, answer) => {
      const isDescribe = String(Buffer.concat(await request.toArray())).includes('Action=DescribeAutoScalingInstances');
      answer.writeHead(isDescribe ? 200 : 400, { 'content-type': 'text/xml' });
      answer.end(isDescribe ? description() : refusal);
    }),
  );
  let state: string | null;

  const member = () =>
    state === null ? '' : `<member><InstanceId>i-1</InstanceId><LifecycleState>${state}</LifecycleState></member>`;
  const description = () =>
    `<DescribeAutoScalingInstancesResponse><DescribeAutoScalingInstancesResult><AutoScalingInstances>${member()}</AutoScalingInstances></DescribeAutoScalingInstancesResult></DescribeAutoScalingInstancesResponse>`;
  const refusal =
    '<ErrorResponse><Error><Code>ValidationError</Code><Message>Instance Id not found</Message></Error></ErrorResponse>';

  const clients = forEachTest(() => openClients({ autoscaling: server.url }));
  const imds = forEachTest(() => new Imds(server.url));
  const facts = {
    instance: 'i-1',
    type: 'm7g.large',
    zone: 'a',
    lifeCycle: 'spot',
    release: null,
    launchedAt: null,
  } as const;
  const machine = (unknownMs: number): AwsMachine =>
    new AwsMachine({ clients, imds, facts, scalingGroup: 'g', unknownMs });

  it('counts as running while its group does not know it, so its worker stays', async () => {
    state = null;
    const unlisted = machine(60_000);
    await failsWith('unavailable', unlisted.protect(true));
    await failsWith('unavailable', unlisted.leave(false));
    state = 'Pending';
    await failsWith('unavailable', unlisted.protect(true));
  });

  it('counts as terminating if its group does not know it for too long, and in any state that begins with Terminating', async () => {
    state = 'Terminating:Retained';
    expect(await machine(60_000).protect(true)).to.equal(false);
    expect(await machine(60_000).leave(false)).to.equal(true);
    state = null;
    const unlisted = machine(1);
    await failsWith('unavailable', unlisted.protect(true));
    await until('the time limit is over', async () => (await unlisted.protect(true).catch(() => null)) === false);
  });
});
