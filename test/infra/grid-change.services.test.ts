// Protects: infra up applies a changed configuration to groups without lowering sizes that a person set.
import { SetDesiredCapacityCommand } from '@aws-sdk/client-auto-scaling';
import { DescribeImagesCommand } from '@aws-sdk/client-ec2';
import { PutParameterCommand } from '@aws-sdk/client-ssm';
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import {
  differing,
  down,
  groupOf,
  looks,
  openResources,
  type StackResources,
  up,
} from '../support/grid/emulated-account.ts';

const asItShould = { state: 'asItShould' };

describe('a grid whose configuration changes', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  let resources: StackResources;
  afterEach(async () => {
    await down([...resources.grid, ...resources.manager]);
    await resources.close();
  });

  const { name, ec2, scaling, groupNow, sizeNow, update, versions } = groupOf(() => resources);
  /** The same stack with another configuration. */
  const again = async (settings: object, release = {}): Promise<void> => {
    const { stack } = resources.profile;
    await resources.close();
    resources = await openResources(cloud, { stack, ...settings }, release);
  };

  it('gets a new version of its template, which the group names, when the configuration or the release changes', async () => {
    resources = await openResources(cloud);
    await up(resources.grid);
    await again({ groups: { default: { disk: '50GB' } }, tags: { team: 'ours' } }, { sha256: 'b'.repeat(64) });
    const found = await looks(resources.grid);
    expect(differing(found)).to.include('volume GiB 28 → 47');
    expect(differing(found)).to.include("instance's tag batchctl:release aaaaaaaaaaaa → bbbbbbbbbbbb");
    expect(differing(found)).to.include("instance's tag team none → ours");
    expect(differing(found).some((text) => text.startsWith('user-data '))).to.equal(true);
    expect(await up(resources.grid)).to.deep.equal(['securityGroup', 'launchTemplate', 'group']);
    const named = (await groupNow())?.MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification?.Version;
    expect(named).to.equal('2');
    expect((await versions()).map(({ VersionNumber }) => VersionNumber)).to.deep.equal([2, 1]);
    await again({ groups: { default: { disk: '50GB' } } }, { sha256: 'b'.repeat(64) });
    expect(differing(await looks(resources.grid))).to.include("instance's tag team ours → none");
  });

  it("keeps the last five versions of a template, the default, and the group's own", async () => {
    resources = await openResources(cloud);
    await up(resources.grid);
    for (const disk of [31, 32, 33, 34, 35, 36, 37, 38]) {
      await again({ groups: { default: { disk: `${disk}GiB` } } });
      await up(resources.grid);
    }
    expect((await versions()).map(({ VersionNumber }) => VersionNumber)).to.deep.equal([9, 8, 7, 6, 5, 1]);
  });

  it('uses a newer image at the next up, and does not report it as drift', async () => {
    const Name = '/lab/image';
    resources = await openResources(cloud, { groups: { default: { instances: ['c5.large'], ami: `ssm:${Name}` } } });
    const filter = [
      { Name: 'architecture', Values: ['x86_64'] },
      { Name: 'root-device-type', Values: ['ebs'] },
    ];
    const { Images = [] } = await (await ec2()).send(new DescribeImagesCommand({ Filters: filter }));
    const [one, two] = Images.filter(({ BlockDeviceMappings = [], RootDeviceName }) =>
      BlockDeviceMappings.some(({ DeviceName, Ebs }) => DeviceName === RootDeviceName && (Ebs?.VolumeSize ?? 0) < 20),
    )
      .filter(({ RootDeviceName }) => RootDeviceName === '/dev/xvda')
      .map(({ ImageId }) => ImageId);
    const say = async (Value: string | undefined): Promise<void> => {
      const put = { Name, Value, Type: 'String', Overwrite: true } as const;
      await (await resources.parts.clients.ssm()).send(new PutParameterCommand(put));
    };
    await say(one);
    await up(resources.grid);
    await say(two);
    await again({ groups: { default: { instances: ['c5.large'], ami: `ssm:${Name}` } } });
    expect(await looks(resources.grid)).to.deep.equal([
      asItShould,
      { state: 'differs', differences: [], newer: [`image ${one} → ${two} (newer)`] },
      { state: 'differs', differences: [], newer: ["launch template's version 1 → the next"] },
    ]);
    await up(resources.grid);
    expect((await versions())[0]?.LaunchTemplateData?.ImageId).to.equal(two);
    // An image that the profile names by id is what it should be.
    await again({ groups: { default: { instances: ['c5.large'], ami: one } } });
    expect(differing(await looks(resources.grid))).to.deep.equal([
      `image ${two} → ${one}`,
      "launch template's version 2 → the next",
    ]);
  });

  it('keeps bounds that a person set until the configuration changes', async () => {
    resources = await openResources(cloud, { groups: { default: { min: 0, max: 9 } } });
    await up(resources.grid);
    await update({ MinSize: 1, MaxSize: 400 });
    const note = 'min 1, max 400, as set by a person (configuration: min 0, max 9)';
    expect(await resources.grid[2]?.look()).to.deep.equal({ ...asItShould, notes: [note] });
    // Another change doesn't undo them.
    await again({ groups: { default: { min: 0, max: 9 } }, tags: { team: 'ours' } });
    await up(resources.grid);
    expect(await sizeNow()).to.deep.equal([1, 400, 1]);
    expect(await resources.grid[2]?.look()).to.deep.equal({ ...asItShould, notes: [note] });
    await again({ groups: { default: { min: 0, max: 12 } }, tags: { team: 'ours' } });
    expect(differing(await looks(resources.grid))).to.include.members([
      'min 1 → 0',
      'max 400 → 12',
      'tag batchctl:bounds 0 9 → 0 12',
    ]);
    await up(resources.grid);
    expect(await sizeNow()).to.deep.equal([0, 12, 1]);
  });

  it('never lowers the desired size, even if the configuration allows less', async () => {
    resources = await openResources(cloud, { groups: { default: { max: 9 } } });
    await up(resources.grid);
    const size = (DesiredCapacity: number) =>
      new SetDesiredCapacityCommand({ AutoScalingGroupName: name(), DesiredCapacity });
    await (await scaling()).send(size(6));
    await again({ groups: { default: { max: 4 } } });
    await up(resources.grid);
    expect(await sizeNow()).to.deep.equal([0, 6, 6]);
    expect(await resources.grid[2]?.look()).to.deep.equal({
      ...asItShould,
      notes: ['max 4 once the desired size is no higher (now 6)'],
    });
    await (await scaling()).send(size(2));
    expect(differing(await looks(resources.grid))).to.deep.equal(['max 6 → 4', 'tag batchctl:bounds 0 6 → 0 4']);
    await up(resources.grid);
    expect(await sizeNow()).to.deep.equal([0, 4, 2]);
  });
});
