// Protects: an instance whose worker can't run is terminated and stops costing money, with the reason kept.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { workerUserData } from '../../src/infra/user-data.ts';
import { failedBoots } from '../../src/jobs/grid/boots.ts';
import { bootLogKey } from '../../src/model/keys.ts';
import { bootLog } from '../support/boot/boot-in.ts';
import { readUnit, unitIn } from '../support/boot/unit.ts';
import { forSuite } from '../support/fixture.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { installed } from '../support/run/lacking.ts';
import { until } from '../support/until.ts';
import { BootHost, type BootStack } from './boot-host.ts';

describe('an instance whose worker fails for good', () => {
  const host = forSuite(() => BootHost.open());
  let stack: BootStack;
  let instance: GridInstance;
  let script: string;
  afterEach(() => stack.close());

  /** An instance that booted well, in a group of one. */
  async function booted(min: number): Promise<void> {
    stack = await host.stack(1, {}, min);
    const [only] = stack.instances;
    if (only === undefined) throw new Error('the group has no instance');
    instance = only;
    const release = { sha256: host.bundle.sha256, setups: { default: null }, ca: null };
    script = workerUserData(stack.profile, 'default', release);
    expect((await (await stack.boot(instance, script)).ended).code, bootLog(stack.root(instance))).to.equal(0);
  }
  /** Acts like systemd, using what the boot left on the disk. */
  async function giveUp(env: Readonly<Record<string, string>> = {}): Promise<number | null> {
    const unit = unitIn(stack.root(instance), readUnit(stack.root(instance))?.onFailure ?? '');
    const [, kept = '', ...words] = unit.argv;
    return (await (await stack.boot(instance, readFileSync(kept, 'utf8'), env, words)).ended).code;
  }
  const desired = async (): Promise<number | undefined> => {
    const asked = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [`${stack.profile.stack}-default`] });
    return (await host.account.scaling.send(asked)).AutoScalingGroups?.[0]?.DesiredCapacity;
  };
  const isEnded = () => until('it is gone', () => host.account.cloud.grid.instance(instance).gone);

  it('is terminated, shrinks its group, leaves its log in the store, and does not put the group on hold', async () => {
    await booted(0);
    expect(await giveUp(), bootLog(stack.root(instance))).to.equal(0);
    await isEnded();
    expect(await desired()).to.equal(0);
    expect(await stack.read(bootLogKey(instance.id)))
      .to.include("batchctl-worker can't run: this instance gives up")
      .and.include('journal: --no-pager -o cat -n 100 -u batchctl-worker.service');
    expect(await failedBoots(stack.store, 'default')).to.deep.equal([]);
    // Already terminating: nothing more is requested.
    host.account.cloud.takeCalls();
    expect(await giveUp()).to.equal(0);
    const asked = host.account.cloud.takeCalls().filter(({ action }) => /Terminate/.test(action));
    expect(asked).to.deep.equal([]);
  });

  it('is replaced if its group is at its minimum', async () => {
    await booted(1);
    expect(await giveUp()).to.equal(0);
    await isEnded();
    expect(await desired()).to.equal(1);
  });

  it('stays if a person has set it aside', async () => {
    await booted(0);
    host.account.cloud.grid.target(instance, 'Standby');
    expect(await giveUp()).to.equal(0);
    expect(bootLog(stack.root(instance))).to.include('this instance is to be Standby, and not ended here');
    expect(await desired()).to.equal(1);
  });

  it('fails while Auto Scaling does not answer, so that systemd starts it again', async () => {
    await booted(0);
    const away = { AWS_ENDPOINT_URL_AUTO_SCALING: 'http://127.0.0.1:9', AWS_MAX_ATTEMPTS: '1' };
    expect(await giveUp({ ...away, BATCHCTL_TEST_BOOT_PATIENCE: '0' })).to.equal(1);
    expect(await desired()).to.equal(1);
    expect(await giveUp()).to.equal(0);
    await isEnded();
    expect(await desired()).to.equal(0);
  });

  it('has units that systemd understands', async () => {
    const analyze = installed('systemd');
    await booted(0);
    const units = ['batchctl-worker.service', 'batchctl-give-up.service'].map((name) =>
      join(stack.root(instance), 'etc/systemd/system', name),
    );
    const verified = spawnSync(analyze, ['verify', '--man=no', ...units], { encoding: 'utf8' });
    expect(verified.stderr + verified.stdout).to.equal('');
  });
});
