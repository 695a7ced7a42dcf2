// Protects: infra up makes a whole grid in one run, even while EC2 does not list new resources yet.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { down, looks, openResources, type StackResources, up } from '../support/grid/emulated-account.ts';

/** What EC2 says of things that it was just given: the answer's text for an action, as it is or as it was before. */
type Tell = (action: string, answer: string) => string;

describe('a grid while EC2 does not list new resources yet (eventual consistency)', () => {
  let cloud: Cloud;
  let front: Server;
  let late: Cloud;
  let tell: Tell = (_, answer) => answer;
  let desk: StackResources;

  before(async () => {
    cloud = await startCloud({ sqs: 'moto' });
    front = createServer(async (asked, answer) => {
      const body = Buffer.concat(await asked.toArray());
      const headers = Object.fromEntries(
        Object.entries(asked.headers).filter(([name]) => !/^(host|connection|content-length|expect)$/.test(name)),
      );
      const to = { method: asked.method ?? 'GET', headers: headers as Record<string, string> };
      const reply = await fetch(`${cloud.url}${asked.url}`, body.length === 0 ? to : { ...to, body });
      const text = tell(new URLSearchParams(String(body)).get('Action') ?? '', await reply.text());
      answer.writeHead(reply.status, { 'content-type': reply.headers.get('content-type') ?? 'text/xml' });
      answer.end(text);
    });
    front.listen(0, '127.0.0.1');
    await once(front, 'listening');
    const address = front.address();
    late = { ...cloud, url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}` };
  });
  after(async () => {
    front?.closeAllConnections();
    front?.close();
    await cloud?.close();
  });
  afterEach(async () => {
    tell = (_, answer) => answer;
    await down([...desk.grid, ...desk.manager]);
    await desk.close();
  });

  const named = async () => {
    const { stack } = desk.profile;
    const asked = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [`${stack}-default`] });
    const [group] = (await (await desk.parts.clients.autoScaling()).send(asked)).AutoScalingGroups ?? [];
    return group?.MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification?.Version;
  };

  it('uses the template version that it made, even while EC2 lists an older one as the latest', async () => {
    desk = await openResources(late);
    await up(desk.grid);
    const { stack } = desk.profile;
    await desk.close();
    desk = await openResources(late, { stack, groups: { default: { disk: '50GB' } } });
    tell = (action, answer) =>
      action === 'DescribeLaunchTemplates'
        ? answer.replace(/<latestVersionNumber>\d+</, '<latestVersionNumber>1<')
        : answer;
    await up(desk.grid);
    expect(await named()).to.equal('2');
  });

  it('is made in one run, though EC2 lists none of its resources at first', async () => {
    desk = await openResources(late, { manager: { allow: ['203.0.113.0/24'] } });
    const things = /<(securityGroupInfo|addressesSet|launchTemplates)>.*<\/\1>/s;
    tell = (action, answer) =>
      /^Describe(SecurityGroups|Addresses|LaunchTemplates)$/.test(action) ? answer.replace(things, '<$1/>') : answer;
    await up([...desk.grid, ...desk.manager]);
    tell = (_, answer) => answer;
    const states = (await looks([...desk.grid, ...desk.manager])).map(({ state }) => state);
    expect(new Set(states)).to.deep.equal(new Set(['asItShould']));
  });
});
