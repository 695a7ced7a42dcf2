// Protects: infra up applies a changed configuration to groups without lowering sizes that a person set.
import { SSM } from '@aws-sdk/client-ssm';
import { expect } from 'chai';
import { clientConfig } from '../support/grid/account-clients.ts';
import { differencesOf, GridLab, statesOf, UP_TO_DATE, up } from './grid-lab.ts';

describe('a grid whose configuration changes', () => {
  const lab = new GridLab();
  const versionNumbers = async () => (await lab.versions()).map(({ VersionNumber }) => VersionNumber);

  it('gets a new version of its template, which the group names, when the configuration or the release changes', async () => {
    await lab.create();
    await lab.reopen({ groups: { default: { disk: '50GB' } }, tags: { team: 'ours' } }, { sha256: 'b'.repeat(64) });
    const differences = await differencesOf(lab.grid);
    expect(differences).to.include('volume GiB 28 → 47');
    expect(differences).to.include("instance's tag batchctl:release aaaaaaaaaaaa → bbbbbbbbbbbb");
    expect(differences).to.include("instance's tag team none → ours");
    expect(differences.some((text) => text.startsWith('user-data '))).to.equal(true);
    expect(await up(lab.grid)).to.deep.equal(['securityGroup', 'launchTemplate', 'group']);
    expect(await lab.launchedVersion()).to.equal('2');
    expect(await versionNumbers()).to.deep.equal([2, 1]);
    await lab.reopen({ groups: { default: { disk: '50GB' } } }, { sha256: 'b'.repeat(64) });
    expect(await differencesOf(lab.grid)).to.include("instance's tag team ours → none");
  });

  it("keeps the last five versions of a template, the default, and the group's own", async () => {
    await lab.create();
    for (const disk of [31, 32, 33, 34, 35, 36, 37, 38]) {
      await lab.reapply({ groups: { default: { disk: `${disk}GiB` } } });
    }
    expect(await versionNumbers()).to.deep.equal([9, 8, 7, 6, 5, 1]);
  });

  it('uses a newer image at the next up, and does not report it as drift', async () => {
    const Name = '/lab/image';
    const fromParameter = { groups: { default: { instances: ['c5.large'], ami: `ssm:${Name}` } } };
    const Filters = [
      { Name: 'architecture', Values: ['x86_64'] },
      { Name: 'root-device-type', Values: ['ebs'] },
      { Name: 'root-device-name', Values: ['/dev/xvda'] },
    ];
    const { Images = [] } = await lab.clients.ec2.describeImages({ Filters });
    const [one, two] = Images.filter(({ BlockDeviceMappings = [], RootDeviceName }) =>
      BlockDeviceMappings.some(({ DeviceName, Ebs }) => DeviceName === RootDeviceName && (Ebs?.VolumeSize ?? 0) < 20),
    ).map(({ ImageId }) => ImageId);
    const ssm = new SSM(clientConfig(lab.cloud));
    const setImage = (Value: string | undefined) => ssm.putParameter({ Name, Value, Type: 'String', Overwrite: true });
    await setImage(one);
    await lab.create(fromParameter);
    await setImage(two);
    ssm.destroy();
    await lab.reopen(fromParameter);
    expect(await statesOf(lab.grid)).to.deep.equal([
      UP_TO_DATE,
      { state: 'differs', differences: [], newer: [`image ${one} → ${two} (newer)`] },
      { state: 'differs', differences: [], newer: ["launch template's version 1 → the next"] },
    ]);
    await up(lab.grid);
    expect((await lab.versions())[0]?.LaunchTemplateData?.ImageId).to.equal(two);
    // An image that the profile names by its id is obeyed, even if it is older.
    await lab.reopen({ groups: { default: { instances: ['c5.large'], ami: one } } });
    expect(await differencesOf(lab.grid)).to.deep.equal([
      `image ${two} → ${one}`,
      "launch template's version 2 → the next",
    ]);
  });

  it('keeps bounds that a person set until the configuration changes', async () => {
    await lab.create({ groups: { default: { min: 0, max: 9 } } });
    await lab.update({ MinSize: 1, MaxSize: 400 });
    const note = 'min 1, max 400, as set by a person (configuration: min 0, max 9)';
    expect(await lab.groupState()).to.deep.equal({ ...UP_TO_DATE, notes: [note] });
    // Another change doesn't undo them.
    await lab.reapply({ groups: { default: { min: 0, max: 9 } }, tags: { team: 'ours' } });
    expect(await lab.sizes()).to.deep.equal([1, 400, 1]);
    expect(await lab.groupState()).to.deep.equal({ ...UP_TO_DATE, notes: [note] });
    await lab.reopen({ groups: { default: { min: 0, max: 12 } }, tags: { team: 'ours' } });
    expect(await differencesOf(lab.grid)).to.include.members([
      'min 1 → 0',
      'max 400 → 12',
      'tag batchctl:bounds 0 9 → 0 12',
    ]);
    await up(lab.grid);
    expect(await lab.sizes()).to.deep.equal([0, 12, 1]);
  });

  it('never lowers the desired size, even if the configuration allows less', async () => {
    await lab.create({ groups: { default: { max: 9 } } });
    await lab.update({ DesiredCapacity: 6 });
    await lab.reapply({ groups: { default: { max: 4 } } });
    expect(await lab.sizes()).to.deep.equal([0, 6, 6]);
    expect(await lab.groupState()).to.deep.equal({
      ...UP_TO_DATE,
      notes: ['max 4 once the desired size is no higher (now 6)'],
    });
    await lab.update({ DesiredCapacity: 2 });
    expect(await differencesOf(lab.grid)).to.deep.equal(['max 6 → 4', 'tag batchctl:bounds 0 6 → 0 4']);
    await up(lab.grid);
    expect(await lab.sizes()).to.deep.equal([0, 4, 2]);
  });
});
