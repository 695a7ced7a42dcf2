// Protects: infra up creates everything in one run, even while EC2 does not list new resources yet.
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { HostileAws, type Rule } from '../support/servers/hostile-aws.ts';
import { expectAll, GridLab, MANAGER, UP_TO_DATE, up } from './grid-lab.ts';

/** EC2 answers with the state before the last change: a rule that edits the answers to these actions. */
const outdated = (actions: RegExp, edit: (answer: string) => string): Rule => ({
  amend: ({ action }, reply) =>
    actions.test(action) ? { ...reply, body: Buffer.from(edit(reply.body.toString())) } : null,
});

describe('a grid while EC2 does not list new resources yet (eventual consistency)', () => {
  afterEach(() => hostile.enforce());
  const lab = new GridLab(() => hostile.url);
  const hostile = forSuite(() => HostileAws.start(() => lab.cloud.url));

  it('uses the template version that it created, even while EC2 lists an older one as the latest', async () => {
    await lab.create();
    hostile.enforce(
      outdated(/^DescribeLaunchTemplates$/, (answer) =>
        answer.replace(/<latestVersionNumber>\d+</, '<latestVersionNumber>1<'),
      ),
    );
    await lab.reapply({ groups: { default: { disk: '50GB' } } });
    expect(await lab.launchedVersion()).to.equal('2');
  });

  it('is created in one run, although EC2 lists none of its resources at first', async () => {
    await lab.open({ manager: MANAGER });
    const lists = /<(securityGroupInfo|addressesSet|launchTemplates)>.*<\/\1>/s;
    hostile.enforce(
      outdated(/^Describe(SecurityGroups|Addresses|LaunchTemplates)$/, (answer) => answer.replace(lists, '<$1/>')),
    );
    await up(lab.all);
    hostile.enforce();
    await expectAll(lab.all, UP_TO_DATE);
  });
});
