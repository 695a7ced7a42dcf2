// Protects: infra up --only manager starts the manager on the current release, and never replaces that release.
import { DescribeLaunchTemplateVersionsCommand } from '@aws-sdk/client-ec2';
import { CreateBucketCommand, DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { decodeUserData } from '../../src/infra/user-data.ts';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { othersIn } from '../support/grid/leftovers.ts';
import { StackWorkspace, well } from './stack-workspace.ts';

const OTHER = 'b'.repeat(64);

describe('infra up --only manager', () => {
  const cloud = forSuite(() => startCloud({ pace: { second: 20 } }));
  const others = forSuite(() => othersIn(cloud));
  const workspace = forSuite(() => new StackWorkspace(cloud));

  before(async () => {
    workspace.configure({ manager: { allow: ['203.0.113.0/24'] } });
    await others.s3.send(new CreateBucketCommand({ Bucket: workspace.stack }));
    workspace.configure(
      { manager: { allow: ['203.0.113.0/24'] }, bucket: { name: workspace.stack, existing: true, prefix: 'ours/' } },
      workspace.stack,
    );
    for (const part of ['data', 'iam']) await workspace.wellHere('infra', 'up', '--yes', '--only', part);
  });

  const manager = () => workspace.here('infra', 'up', '--yes', '--only', 'manager');
  const put = (Key: string, Body: string) =>
    others.s3.send(new PutObjectCommand({ Bucket: workspace.stack, Key: `ours/releases/${Key}`, Body }));

  it('creates nothing before there is a release, and says how to create one', async () => {
    cloud.takeCalls();
    const { code, stderr } = await manager();
    expect(code).to.equal(3);
    expect(stderr).to.include('there is no release for the manager yet').and.include('batchctl infra release');
    expect(cloud.takeCalls().filter(({ action }) => /^(Create|Allocate)/.test(action))).to.deep.equal([]);
  });

  it('makes the manager run the current release, even when the local program differs', async () => {
    await workspace.wellHere('infra', 'release', '--yes');
    await put(`${OTHER}.tar.gz`, 'another program');
    const first = await others.s3.send(
      new GetObjectCommand({ Bucket: workspace.stack, Key: 'ours/releases/0000.json' }),
    );
    const release = JSON.parse((await first.Body?.transformToString()) ?? '');
    await put('0001.json', JSON.stringify({ ...release, number: 1, sha256: OTHER }));
    await well(manager());
    const asked = new DescribeLaunchTemplateVersionsCommand({
      LaunchTemplateName: `${workspace.stack}-manager`,
      Versions: ['$Latest'],
    });
    const [version] = (await others.ec2.send(asked)).LaunchTemplateVersions ?? [];
    const userData = decodeUserData(version?.LaunchTemplateData?.UserData ?? '');
    expect(/^RELEASE=(\w+)$/m.exec(userData)?.[1]).to.equal(OTHER);
  });

  it('creates nothing if the bundle of the release is gone', async () => {
    await others.s3.send(new DeleteObjectCommand({ Bucket: workspace.stack, Key: `ours/releases/${OTHER}.tar.gz` }));
    const { code, stderr } = await manager();
    expect(code).to.equal(3);
    expect(stderr).to.include(`releases/${OTHER}.tar.gz, which is not in the store`);
  });
});
