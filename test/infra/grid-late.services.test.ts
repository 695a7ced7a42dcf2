// Protects: infra up makes a whole grid in one run, even while EC2 does not list new resources yet.
import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { down, looks, openResources, type StackResources, up } from '../support/grid/emulated-account.ts';
import { HostileAws, type Rule } from '../support/servers/hostile-aws.ts';

/** EC2 tells of things that it was just given as it knew them before: of these actions the answer's text is another one. */
const tells = (actions: RegExp, before: (answer: string) => string): Rule => ({
  amend: ({ action }, reply) =>
    actions.test(action) ? { ...reply, body: Buffer.from(before(reply.body.toString())) } : null,
});

describe('a grid while EC2 does not list new resources yet (eventual consistency)', () => {
  let cloud: Cloud;
  let hostile: HostileAws;
  let late: Cloud;
  let desk: StackResources;

  before(async () => {
    cloud = await startCloud({ sqs: 'moto' });
    hostile = await HostileAws.start(() => cloud.url);
    late = { ...cloud, url: hostile.url };
  });
  after(async () => {
    await hostile?.close();
    await cloud?.close();
  });
  afterEach(async () => {
    hostile.enforce();
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
    hostile.enforce(
      tells(/^DescribeLaunchTemplates$/, (answer) =>
        answer.replace(/<latestVersionNumber>\d+</, '<latestVersionNumber>1<'),
      ),
    );
    await up(desk.grid);
    expect(await named()).to.equal('2');
  });

  it('is made in one run, though EC2 lists none of its resources at first', async () => {
    desk = await openResources(late, { manager: { allow: ['203.0.113.0/24'] } });
    const things = /<(securityGroupInfo|addressesSet|launchTemplates)>.*<\/\1>/s;
    hostile.enforce(
      tells(/^Describe(SecurityGroups|Addresses|LaunchTemplates)$/, (answer) => answer.replace(things, '<$1/>')),
    );
    await up([...desk.grid, ...desk.manager]);
    hostile.enforce();
    const states = (await looks([...desk.grid, ...desk.manager])).map(({ state }) => state);
    expect(new Set(states)).to.deep.equal(new Set(['asItShould']));
  });
});
