// Protects: infra up creates everything in one run, even while EC2 does not list new resources yet.
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { down, groupOf, looks, openResources, type StackResources, up } from '../support/grid/emulated-account.ts';
import { HostileAws, type Rule } from '../support/servers/hostile-aws.ts';

/** EC2 lists what was just created in its previous state. For these actions, the answer is replaced. */
const tells = (actions: RegExp, before: (answer: string) => string): Rule => ({
  amend: ({ action }, reply) =>
    actions.test(action) ? { ...reply, body: Buffer.from(before(reply.body.toString())) } : null,
});

describe('a grid while EC2 does not list new resources yet (eventual consistency)', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  const hostile = forSuite(() => HostileAws.start(() => cloud.url));
  let late: Cloud;
  let resources: StackResources;

  before(async () => {
    late = { ...cloud, url: hostile.url };
  });
  afterEach(async () => {
    hostile.enforce();
    await down([...resources.grid, ...resources.manager]);
    await resources.close();
  });

  const { groupNow } = groupOf(() => resources);

  it('uses the template version that it created, even while EC2 lists an older one as the latest', async () => {
    resources = await openResources(late);
    await up(resources.grid);
    const { stack } = resources.profile;
    await resources.close();
    resources = await openResources(late, { stack, groups: { default: { disk: '50GB' } } });
    hostile.enforce(
      tells(/^DescribeLaunchTemplates$/, (answer) =>
        answer.replace(/<latestVersionNumber>\d+</, '<latestVersionNumber>1<'),
      ),
    );
    await up(resources.grid);
    const { LaunchTemplate } = (await groupNow())?.MixedInstancesPolicy ?? {};
    expect(LaunchTemplate?.LaunchTemplateSpecification?.Version).to.equal('2');
  });

  it('is created in one run, although EC2 lists none of its resources at first', async () => {
    resources = await openResources(late, { manager: { allow: ['203.0.113.0/24'] } });
    const things = /<(securityGroupInfo|addressesSet|launchTemplates)>.*<\/\1>/s;
    hostile.enforce(
      tells(/^Describe(SecurityGroups|Addresses|LaunchTemplates)$/, (answer) => answer.replace(things, '<$1/>')),
    );
    await up([...resources.grid, ...resources.manager]);
    hostile.enforce();
    const states = (await looks([...resources.grid, ...resources.manager])).map(({ state }) => state);
    expect(new Set(states)).to.deep.equal(new Set(['asItShould']));
  });
});
