// Protects: the emulated instance metadata behaves as EC2's does, so that tests of spot notices can be trusted.
import { expect } from 'chai';
import { forSuite } from '../fixture.ts';
import { until } from '../until.ts';
import { openAccount } from './emulated-account.ts';
import type { GridInstance } from './grid.ts';

describe("the emulated instances' metadata", () => {
  const account = forSuite(() => openAccount());
  let one: GridInstance;
  let url: string;
  let token: string;
  beforeEach(async () => {
    const name = `seen-${Math.random().toString(36).slice(2)}`;
    one = await account.makeInstance(name, { LifecycleHookSpecificationList: [] });
    url = await account.cloud.grid.imdsUrl(one);
    token = await (await put('600')).text();
  });

  const put = (ttl: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
    fetch(`${url}/latest/api/token`, {
      method: 'PUT',
      headers: { 'x-aws-ec2-metadata-token-ttl-seconds': ttl, ...headers },
    });
  const get = (path: string, sent = token): Promise<Response> =>
    fetch(`${url}/latest/${path}`, { headers: { 'x-aws-ec2-metadata-token': sent } });
  const text = async (path: string): Promise<string> => (await get(path)).text();
  const status = async (path: string): Promise<number> => (await get(path)).status;

  it('issues tokens that expire, but not through proxies, and requires one for data', async () => {
    expect((await put('0')).status).to.equal(400);
    expect((await put('21601')).status).to.equal(400);
    expect((await put('600', { 'x-forwarded-for': '10.0.0.1' })).status).to.equal(403);
    expect((await get('meta-data/instance-id', 'other')).status).to.equal(401);
    expect((await fetch(`${url}/latest/meta-data/instance-id`)).status).to.equal(401);
    expect(await text('meta-data/instance-id')).to.equal(one.id);
    (await account.cloud.grid.imds(one)).expireTokens();
    expect(await status('meta-data/instance-id')).to.equal(401);
  });

  it('returns the facts of the instance, its user-data and its credentials', async () => {
    expect(await text('meta-data/instance-type')).to.equal('c7g.large');
    expect(await text('meta-data/placement/region')).to.equal('us-east-1');
    expect(await text('meta-data/placement/availability-zone')).to.equal(one.zone);
    expect(await text('meta-data/instance-life-cycle')).to.equal('on-demand');
    expect(await text('meta-data/tags/instance/team')).to.equal('finance');
    expect(await text('meta-data/tags/instance')).to.include('aws:autoscaling:groupName');
    expect(await text('user-data')).to.equal('#!/bin/sh\necho up\n');
    expect(await text('meta-data/iam/security-credentials/')).to.equal('work');
    const given = (await (await get('meta-data/iam/security-credentials/work')).json()) as Record<string, string>;
    expect(given).to.include({ Code: 'Success', AccessKeyId: one.accessKeyId });
    expect(await status('meta-data/iam/security-credentials/other')).to.equal(404);
    const document = (await (await get('dynamic/instance-identity/document')).json()) as Record<string, string>;
    expect(document).to.include({ instanceId: one.id, region: 'us-east-1', accountId: account.cloud.account });
  });

  it('reports a rebalance recommendation or an interruption only once there is one', async () => {
    expect(await status('meta-data/spot/instance-action')).to.equal(404);
    expect(await status('meta-data/events/recommendations/rebalance')).to.equal(404);
    expect(await text('meta-data/autoscaling/target-lifecycle-state')).to.equal('InService');
    account.cloud.grid.rebalance(one);
    expect(JSON.parse(await text('meta-data/events/recommendations/rebalance'))).to.have.property('noticeTime');
    const ends: string[] = [];
    account.cloud.grid.onEnd(({ id }, how) => ends.push(`${id} ${how}`));
    account.cloud.grid.interrupt(one, 0.3);
    const action = JSON.parse(await text('meta-data/spot/instance-action'));
    expect(action.action).to.equal('terminate');
    expect(action.time).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    await until('the instance is replaced', () =>
      account.cloud.grid.instances(one.group).some(({ id, state }) => id !== one.id && state === 'InService'),
    );
    expect(ends).to.deep.equal([`${one.id} terminate`]);
    expect(await text('meta-data/autoscaling/target-lifecycle-state')).to.equal('Terminated');
  });

  it('answers no request of a partitioned instance, and identifies callers by their keys', async () => {
    const tag = { ResourceId: one.group, ResourceType: 'auto-scaling-group', Key: 'by', Value: 'it' };
    const own = { accessKeyId: one.accessKeyId, secretAccessKey: 'secret', sessionToken: 'token' };
    const ask = () => account.scaling.createOrUpdateTags({ Tags: [tag] });
    const theirs = account.scaling.config.credentials;
    account.scaling.config.credentials = async () => own;
    try {
      await ask();
      expect(account.cloud.calls.at(-1)).to.include({ action: 'CreateOrUpdateTags', accessKeyId: one.accessKeyId });
      account.cloud.grid.partition(one);
      const before = account.cloud.calls.length;
      const asked = ask().then(
        () => 'answered',
        () => 'broken',
      );
      expect(await text('meta-data/instance-id')).to.equal(one.id);
      expect(account.cloud.calls).to.have.length(before);
      await until('the request has arrived', () => account.cloud.held() === 1);
      account.cloud.grid.partition(one, false);
      expect(await asked).to.equal('broken');
      await ask();
    } finally {
      account.scaling.config.credentials = theirs;
    }
  });

  it('answers nothing while it is silent', async () => {
    const imds = await account.cloud.grid.imds(one);
    imds.silent = true;
    const asked = fetch(`${url}/latest/api/token`, { method: 'PUT', signal: AbortSignal.timeout(100) });
    expect(
      await asked.then(
        () => 'answered',
        () => 'silent',
      ),
    ).to.equal('silent');
  });
});
