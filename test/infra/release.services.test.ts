// Protects: infra release rolls a program out to groups and back again, and continues after an interruption.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { DescribeLaunchTemplateVersionsCommand } from '@aws-sdk/client-ec2';
import { expect } from 'chai';
import { decodeUserData } from '../../src/infra/user-data.ts';
import { runCli } from '../cli/fake-io.ts';
import { forSuite } from '../support/fixture.ts';
import { openAccount } from '../support/grid/emulated-account.ts';
import { StackWorkspace } from './stack-workspace.ts';

interface Answer {
  readonly release: { readonly number: number; readonly sha256: string } | null;
  readonly before: { readonly number: number } | null;
  readonly rolled: boolean;
  readonly groups: readonly {
    readonly group: string;
    readonly state: string;
    readonly version: string | null;
    readonly old: number;
  }[];
}

const ROOT = join(import.meta.dirname, '../..');

describe('infra release', () => {
  const grid = forSuite(() => openAccount());
  const workspace = forSuite(() => new StackWorkspace(grid.cloud));

  const cli = async (...args: readonly string[]) =>
    runCli(args, { cwd: workspace.dir, env: { AWS_ENDPOINT_URL: grid.cloud.url } });
  const release = async (...flags: readonly string[]): Promise<Answer> => {
    const { code, stdout, stderr } = await cli('infra', 'release', '--yes', '--json', ...flags);
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout);
  };
  /** The user-data of new instances of a group. */
  const userDataOf = async (group: string): Promise<string> => {
    const LaunchTemplateName = `${workspace.stack}-${group}`;
    const asked = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [LaunchTemplateName] });
    const [found] = (await grid.scaling.send(asked)).AutoScalingGroups ?? [];
    const named = found?.MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification ?? found?.LaunchTemplate;
    const versions = new DescribeLaunchTemplateVersionsCommand({
      LaunchTemplateName,
      Versions: [named?.Version ?? ''],
    });
    const [version] = (await grid.ec2.send(versions)).LaunchTemplateVersions ?? [];
    return decodeUserData(version?.LaunchTemplateData?.UserData ?? '');
  };
  const released = async (group: string): Promise<string> =>
    /^RELEASE=(\w+)$/m.exec(await userDataOf(group))?.[1] ?? '';
  /** The checksum of a program that differs by a line. */
  const other = async (...args: readonly string[]): Promise<Answer> => {
    const next = workspace.path('next');
    for (const part of ['bin', 'dist', 'package.json', 'LICENSE']) {
      cpSync(join(ROOT, part), join(next, part), { recursive: true });
    }
    appendFileSync(join(next, 'bin/batchctl.js'), '// The next one.\n');
    const child = spawn(process.execPath, [join(next, 'bin/batchctl.js'), ...args, '--yes', '--json'], {
      ...{ cwd: workspace.dir, stdio: ['ignore', 'pipe', 'pipe'] },
      env: {
        ...{ PATH: process.env.PATH, HOME: workspace.dir, AWS_ENDPOINT_URL: grid.cloud.url },
        ...{ AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' },
        AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
      },
    });
    let [stdout, stderr] = ['', ''];
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    const [code] = await once(child, 'close');
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout);
  };

  it('must come before user-data, and up does it', async () => {
    await workspace.here('infra', 'up', '--only', 'data', '--yes');
    const early = await cli('infra', 'user-data');
    expect(early.code).to.equal(4);
    expect(early.stderr).to.include('batchctl infra release');
    expect((await workspace.here('infra', 'up', '--yes')).code).to.equal(0);
    const { stdout } = await cli('infra', 'user-data', '--group', 'gpu');
    expect(stdout.trimEnd()).to.equal((await userDataOf('gpu')).trimEnd());
  });

  it('changes nothing if the program is already current', async () => {
    const before = grid.cloud.calls.length;
    const answer = await release();
    expect(answer.release?.number).to.equal(0);
    expect(answer.groups.map(({ group, state }) => `${group} ${state}`)).to.deep.equal([
      'default pointed',
      'gpu pointed',
    ]);
    const changed = grid.cloud.calls
      .slice(before)
      .filter(({ service, action }) => service !== 's3' && /^(Create|Update)/.test(action));
    expect(changed).to.deep.equal([]);
  });

  it('gives new instances another program, and rolls it back', async () => {
    const first = await released('default');
    const answer = await other('infra', 'release');
    expect(answer.release?.number).to.equal(1);
    expect(answer.before?.number).to.equal(0);
    expect(answer.rolled).to.equal(false);
    expect(await released('default')).to.equal(answer.release?.sha256);
    expect(await released('gpu')).to.equal(answer.release?.sha256);
    const back = await other('infra', 'release', '--rollback');
    expect(back.release).to.include({ number: 2, sha256: first });
    expect(await released('default')).to.equal(first);
    const none = await cli('infra', 'release', '--rollback', '--yes');
    expect(none.code, none.stderr).to.equal(7);
  });

  it('finishes a rollback that failed before the groups got it, and goes no further back', async () => {
    const first = await released('default');
    await other('infra', 'release');
    grid.cloud.failNext('ec2:CreateLaunchTemplateVersion', 403, 'UnauthorizedOperation');
    const cut = await cli('infra', 'release', '--rollback', '--yes');
    expect(cut.code).to.equal(3);
    expect(await released('default')).not.to.equal(first);
    const answer = await release('--rollback');
    expect(answer.release?.sha256).to.equal(first);
    expect(answer.before?.number).to.equal(answer.release?.number);
    expect([await released('default'), await released('gpu')]).to.deep.equal([first, first]);
  });

  it('shows what it would do, and changes nothing, with --dry-run', async () => {
    const before = grid.cloud.calls.length;
    const { code, stdout } = await cli('infra', 'release', '--dry-run', '--roll', '--json');
    expect(code).to.equal(0);
    expect(JSON.parse(stdout)).to.include({ dryRun: true, rolled: false });
    const writes = grid.cloud.calls
      .slice(before)
      .filter(({ method, action }) => method === 'PUT' || /^(Create|Update|Put)/.test(action));
    expect(writes).to.deep.equal([]);
  });

  it('terminates instances that have no worker, waits for new ones to appear, and says how to continue', async () => {
    const group = `${workspace.stack}-default`;
    await grid.resize(group, 1);
    const [old] = await grid.serves(group, 1);
    await other('infra', 'release');
    const rolled = await cli('infra', 'release', '--rollback', '--roll', '--timeout', '3s', '--yes');
    expect(rolled.code, rolled.stderr).to.equal(6);
    expect(rolled.stderr).to.include('infra release --roll continues').and.include('0 of 1 new ready');
    expect(grid.cloud.grid.instance(old?.id ?? '').state).to.match(/^Terminat/);
    const asked = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [group] });
    expect((await grid.scaling.send(asked)).AutoScalingGroups?.[0]?.DesiredCapacity).to.equal(1);
  });
});
