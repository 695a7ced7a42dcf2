// Protects: an interruption is noticed whatever else fails; a new worker keeps running while its Auto Scaling group does not list it yet, and leaves when the group terminates it.

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

describe('the notices of an instance', () => {
  let texts: Readonly<Record<string, string>>;
  const server = forEachTest(() =>
    serve((request, answer) => {
      const url = request.url ?? '';
      const found = Object.entries(texts).find(([end]) => url.endsWith(end))?.[1];
      const isToken = url.endsWith('/token');
      answer.writeHead(isToken ? 200 : found === undefined ? 404 : found === '' ? 500 : 200);
      answer.end(isToken ? 'token' : found);
    }),
  );
  const clients = forEachTest(() => openClients({}));

  it('are those of each path that answers, and the last of one that does not', async () => {
    const at = Date.parse('2026-12-01T10:00:00Z');
    const stop = JSON.stringify({ action: 'stop', time: '2026-12-01T10:00:00Z' });
    const facts = { instance: 'i', type: 't', zone: 'a', lifeCycle: 'spot', release: null, launchedAt: null } as const;
    const imds = new Imds(server.url, { tries: 1 });
    const machine = new AwsMachine({ clients, imds, facts, scalingGroup: 'g' });
    texts = { 'instance-action': '', 'target-lifecycle-state': '', rebalance: '' };
    expect(await machine.notice(), 'nothing answers').to.equal(null);
    texts = { 'target-lifecycle-state': 'InService', rebalance: '{}' };
    expect(await machine.notice()).to.include({ kind: 'rebalance' });
    texts = { 'instance-action': stop, 'target-lifecycle-state': '', rebalance: '' };
    expect(await machine.notice()).to.deep.equal({ kind: 'interruption', at });
    texts = { 'instance-action': '', 'target-lifecycle-state': 'InService', rebalance: '' };
    expect(await machine.notice()).to.deep.equal({ kind: 'interruption', at });
    texts = { 'target-lifecycle-state': 'Terminated', rebalance: '' };
    expect(await machine.notice()).to.include({ kind: 'terminating' });
  });
});
