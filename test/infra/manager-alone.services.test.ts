// Protects: infra up --only manager starts the manager on the current release, and never replaces that release.
import { expect } from 'chai';
import { decodeUserData } from '../../src/infra/user-data.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients, findTemplateData } from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { MANAGER } from './grid-lab.ts';
import { StackWorkspace } from './stack-workspace.ts';

const OTHER = 'b'.repeat(64);

describe('infra up --only manager', () => {
  const cloud = forSuite(() => startCloud({ pace: { second: 20 } }));
  const others = forSuite(() => accountClients(cloud));
  const workspace = forSuite(() => new StackWorkspace(cloud));

  before(async () => {
    const { stack } = workspace;
    await others.s3.createBucket({ Bucket: stack });
    workspace.configure({ manager: MANAGER, bucket: { name: stack, existing: true, prefix: 'ours/' } }, stack);
    for (const part of ['data', 'iam']) await workspace.up('--only', part);
  });

  const upManager = () => workspace.output('infra', 'up', '--yes', '--only', 'manager');
  const put = (Key: string, Body: string) =>
    others.s3.putObject({ Bucket: workspace.stack, Key: `ours/releases/${Key}`, Body });

  it('creates nothing before there is a release, and says how to create one', async () => {
    cloud.takeCalls();
    const { code, stderr } = await upManager();
    expect(code).to.equal(3);
    expect(stderr).to.include('there is no release for the manager yet').and.include('batchctl infra release');
    expect(cloud.takeChanges().filter(({ service }) => service !== 's3')).to.deep.equal([]);
  });

  it('makes the manager run the current release, even when the local program differs', async () => {
    await workspace.answer(['infra', 'release', '--yes']);
    await put(`${OTHER}.tar.gz`, 'another program');
    const first = await others.s3.getObject({ Bucket: workspace.stack, Key: 'ours/releases/0000.json' });
    const release = JSON.parse((await first.Body?.transformToString()) ?? '');
    await put('0001.json', JSON.stringify({ ...release, number: 1, sha256: OTHER }));
    await workspace.up('--only', 'manager');
    const { UserData = '' } = await findTemplateData(others, `${workspace.stack}-manager`);
    expect(decodeUserData(UserData)).to.include(`\nRELEASE=${OTHER}\n`);
  });

  it('creates nothing if the bundle of the release is gone', async () => {
    await others.s3.deleteObject({ Bucket: workspace.stack, Key: `ours/releases/${OTHER}.tar.gz` });
    const { code, stderr } = await upManager();
    expect(code).to.equal(3);
    expect(stderr).to.include(`releases/${OTHER}.tar.gz, which is not in the store`);
  });
});
