// Protects: infra up --only manager starts the manager on the current release, and never replaces that release.
import { DescribeLaunchTemplateVersionsCommand } from '@aws-sdk/client-ec2';
import { CreateBucketCommand, DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { decodeUserData } from '../../src/infra/user-data.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { type Others, othersIn } from './remains.ts';
import { StackDesk } from './stack-desk.ts';

const OTHER = 'b'.repeat(64);

describe('infra up --only manager', () => {
  let cloud: Cloud;
  let others: Others;
  let desk: StackDesk;

  before(async () => {
    cloud = await startCloud({ pace: { second: 20 } });
    others = othersIn(cloud);
    desk = new StackDesk(cloud);
    desk.configure({ manager: { allow: ['203.0.113.0/24'] } });
    await others.s3.send(new CreateBucketCommand({ Bucket: desk.stack }));
    desk.configure(
      { manager: { allow: ['203.0.113.0/24'] }, bucket: { name: desk.stack, existing: true, prefix: 'ours/' } },
      desk.stack,
    );
    for (const part of ['data', 'iam']) {
      const { code, stderr } = await desk.here('infra', 'up', '--yes', '--only', part);
      expect(code, stderr).to.equal(0);
    }
  });
  after(async () => {
    await desk?.remove();
    for (const client of Object.values(others ?? {})) client.destroy();
    await cloud?.close();
  });

  const manager = () => desk.here('infra', 'up', '--yes', '--only', 'manager');
  const put = (Key: string, Body: string) =>
    others.s3.send(new PutObjectCommand({ Bucket: desk.stack, Key: `ours/releases/${Key}`, Body }));

  it('makes nothing before there is a release, and says how to make one', async () => {
    cloud.takeCalls();
    const { code, stderr } = await manager();
    expect(code).to.equal(3);
    expect(stderr).to.include('there is no release for the manager yet').and.include('batchctl infra release');
    expect(cloud.takeCalls().filter(({ action }) => /^(Create|Allocate)/.test(action))).to.deep.equal([]);
  });

  it('makes the manager run the current release, even when the local program differs', async () => {
    const made = await desk.here('infra', 'release', '--yes');
    expect(made.code, made.stderr).to.equal(0);
    await put(`${OTHER}.tar.gz`, 'another program');
    const first = await others.s3.send(new GetObjectCommand({ Bucket: desk.stack, Key: 'ours/releases/0000.json' }));
    const release = JSON.parse((await first.Body?.transformToString()) ?? '');
    await put('0001.json', JSON.stringify({ ...release, number: 1, sha256: OTHER }));
    const { code, stderr } = await manager();
    expect(code, stderr).to.equal(0);
    const asked = new DescribeLaunchTemplateVersionsCommand({
      LaunchTemplateName: `${desk.stack}-manager`,
      Versions: ['$Latest'],
    });
    const [version] = (await others.ec2.send(asked)).LaunchTemplateVersions ?? [];
    const userData = decodeUserData(version?.LaunchTemplateData?.UserData ?? '');
    expect(/^RELEASE=(\w+)$/m.exec(userData)?.[1]).to.equal(OTHER);
  });

  it('makes nothing when the bundle of the release is gone', async () => {
    await others.s3.send(new DeleteObjectCommand({ Bucket: desk.stack, Key: `ours/releases/${OTHER}.tar.gz` }));
    const { code, stderr } = await manager();
    expect(code).to.equal(3);
    expect(stderr).to.include(`releases/${OTHER}.tar.gz, which is not in the store`);
  });
});
