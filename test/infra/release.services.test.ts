// Protects: infra release rolls a program out to groups and back again, and continues after an interruption.
import { expect } from 'chai';
import { decodeUserData } from '../../src/infra/user-data.ts';
import { forSuite } from '../support/fixture.ts';
import { findScalingGroup, findTemplateData } from '../support/grid/account-clients.ts';
import { openAccount } from '../support/grid/emulated-account.ts';
import { nextProgram } from '../support/next-program.ts';
import { parseLines, StackWorkspace } from './stack-workspace.ts';

interface Answer {
  readonly release: { readonly number: number; readonly sha256: string };
  readonly before: { readonly number: number } | null;
  readonly dryRun: boolean;
  readonly rolled: boolean;
  readonly groups: readonly { readonly group: string; readonly state: string }[];
}

describe('infra release', () => {
  const account = forSuite(() => openAccount());
  const workspace = forSuite(() => new StackWorkspace(account.cloud));

  const release = async (...flags: readonly string[]): Promise<Answer | undefined> =>
    (await workspace.answer<Answer>(['infra', 'release', ...flags]))[0];
  /** The same by a program that differs by a line. */
  const releaseByOther = async (...flags: readonly string[]): Promise<Answer | undefined> => {
    const args = ['infra', 'release', '--yes', '--json', ...flags];
    const { code, stdout, stderr } = await workspace.start(args, {}, null, nextProgram(workspace)).ended;
    expect(code, stderr).to.equal(0);
    return parseLines<Answer>(stdout)[0];
  };
  /** The user-data of new instances of a group. */
  const userDataOf = async (group: string): Promise<string> => {
    const name = `${workspace.stack}-${group}`;
    const { MixedInstancesPolicy, LaunchTemplate } = (await findScalingGroup(account, name)) ?? {};
    const template = MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification ?? LaunchTemplate;
    const { UserData = '' } = await findTemplateData(account, name, template?.Version);
    return decodeUserData(UserData);
  };
  /** The checksum of the program of new instances of a group. */
  const released = async (group: string): Promise<string> =>
    /^RELEASE=(\w+)$/m.exec(await userDataOf(group))?.[1] ?? '';

  it('must come before user-data, and up does it', async () => {
    await workspace.up('--only', 'data');
    const early = await workspace.run(['infra', 'user-data']);
    expect(early.code).to.equal(4);
    expect(early.stderr).to.include('batchctl infra release');
    await workspace.up();
    const { stdout } = await workspace.runSuccessfully('infra', 'user-data', '--group', 'gpu');
    expect(stdout.trimEnd()).to.equal((await userDataOf('gpu')).trimEnd());
  });

  it('changes nothing if the program is already current', async () => {
    account.cloud.takeCalls();
    const answer = await release('--yes');
    expect(answer?.release.number).to.equal(0);
    const groups = answer?.groups.map(({ group, state }) => `${group} ${state}`);
    expect(groups).to.deep.equal(['default pointed', 'gpu pointed']);
    expect(account.cloud.takeChanges().filter(({ service }) => service !== 's3')).to.deep.equal([]);
  });

  it('gives new instances another program, and rolls it back', async () => {
    const first = await released('default');
    const answer = await releaseByOther();
    expect(answer?.release.number).to.equal(1);
    expect(answer?.before?.number).to.equal(0);
    expect(answer?.rolled).to.equal(false);
    expect(await released('default')).to.equal(answer?.release.sha256);
    expect(await released('gpu')).to.equal(answer?.release.sha256);
    const back = await releaseByOther('--rollback');
    expect(back?.release).to.include({ number: 2, sha256: first });
    expect(await released('default')).to.equal(first);
    await workspace.answer(['infra', 'release', '--rollback', '--yes'], 7);
  });

  it('finishes a rollback that failed before the groups got it, and goes no further back', async () => {
    const first = await released('default');
    await releaseByOther();
    account.cloud.failNext('ec2:CreateLaunchTemplateVersion', 403, 'UnauthorizedOperation');
    await workspace.answer(['infra', 'release', '--rollback', '--yes'], 3);
    expect(await released('default')).not.to.equal(first);
    const answer = await release('--rollback', '--yes');
    expect(answer?.release.sha256).to.equal(first);
    expect(answer?.before?.number).to.equal(answer?.release.number);
    expect([await released('default'), await released('gpu')]).to.deep.equal([first, first]);
  });

  it('shows what it would do, and changes nothing, with --dry-run', async () => {
    account.cloud.takeCalls();
    expect(await release('--dry-run', '--roll')).to.include({ dryRun: true, rolled: false });
    expect(account.cloud.takeChanges()).to.deep.equal([]);
  });

  it('terminates instances that have no worker, waits for new ones to appear, and says how to continue', async () => {
    const group = `${workspace.stack}-default`;
    await account.resize(group, 1);
    const [old] = await account.serves(group, 1);
    await releaseByOther();
    const rolled = await workspace.run(['infra', 'release', '--rollback', '--roll', '--timeout', '3s', '--yes']);
    expect(rolled.code, rolled.stderr).to.equal(6);
    expect(rolled.stderr).to.include('infra release --roll continues').and.include('0 of 1 new ready');
    expect(account.cloud.grid.instance(old?.id ?? '').state).to.match(/^Terminat/);
    expect(await findScalingGroup(account, group)).to.include({ DesiredCapacity: 1 });
  });
});
