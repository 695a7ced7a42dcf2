// Protects: an instance whose worker can't run is terminated and stops costing money, with the reason kept.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { workerUserData } from '../../src/infra/user-data.ts';
import { failedBoots } from '../../src/jobs/boots.ts';
import { bootLogKey } from '../../src/model/keys.ts';
import { bootLog } from '../support/boot/boot-in.ts';
import { readUnit, unitIn } from '../support/boot/unit.ts';
import { forSuite } from '../support/fixture.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { installed } from '../support/run/lacking.ts';
import { BootHost, type BootStack } from './boot-host.ts';

describe('an instance whose worker fails for good', () => {
  const host = forSuite(() => BootHost.open());
  let stack: BootStack;
  let instance: GridInstance;
  afterEach(() => stack.close());

  /** Boots an instance in a group of one. */
  async function boot(min: number): Promise<void> {
    stack = await host.stack(1, {}, min);
    instance = stack.instance;
    const release = { sha256: host.bundle.sha256, setups: { default: null }, ca: null };
    const script = workerUserData(stack.profile, 'default', release);
    expect(await stack.bootToEnd(instance, script), bootLog(stack.root(instance))).to.equal(0);
  }
  /** Runs the unit that systemd starts when the worker has failed for good. */
  async function giveUp(env: Readonly<Record<string, string>> = {}): Promise<number | null> {
    const unit = unitIn(stack.root(instance), readUnit(stack.root(instance))?.onFailure ?? '');
    const [, script = '', ...words] = unit.argv;
    return stack.bootToEnd(instance, readFileSync(script, 'utf8'), env, words);
  }

  it('is terminated, shrinks its group, leaves its log in the store, and does not put the group on hold', async () => {
    await boot(0);
    expect(await giveUp(), bootLog(stack.root(instance))).to.equal(0);
    await stack.gone(instance);
    expect(await stack.desired()).to.equal(0);
    expect(await stack.read(bootLogKey(instance.id)))
      .to.include("batchctl-worker can't run: this instance gives up")
      .and.include('journal: --no-pager -o cat -n 100 -u batchctl-worker.service');
    expect(await failedBoots(stack.store, 'default')).to.deep.equal([]);
    // Already terminating: nothing more is requested.
    host.account.cloud.takeCalls();
    expect(await giveUp()).to.equal(0);
    expect(host.account.cloud.takeCalls().filter(({ action }) => /Terminate/.test(action))).to.deep.equal([]);
  });

  it('is replaced if its group is at its minimum', async () => {
    await boot(1);
    expect(await giveUp()).to.equal(0);
    await stack.gone(instance);
    expect(await stack.desired()).to.equal(1);
  });

  it('stays if a person has put it on standby', async () => {
    await boot(0);
    host.account.cloud.grid.target(instance, 'Standby');
    expect(await giveUp()).to.equal(0);
    expect(bootLog(stack.root(instance))).to.include('this instance is to be Standby, and not ended here');
    expect(await stack.desired()).to.equal(1);
  });

  it('fails while Auto Scaling does not answer, so that systemd starts it again', async () => {
    await boot(0);
    const unreachable = { AWS_ENDPOINT_URL_AUTO_SCALING: 'http://127.0.0.1:9', AWS_MAX_ATTEMPTS: '1' };
    expect(await giveUp({ ...unreachable, BATCHCTL_TEST_BOOT_PATIENCE: '0' })).to.equal(1);
    expect(await stack.desired()).to.equal(1);
    expect(await giveUp()).to.equal(0);
    await stack.gone(instance);
    expect(await stack.desired()).to.equal(0);
  });

  it('has units that systemd understands', async () => {
    const analyze = installed('systemd');
    await boot(0);
    const units = ['batchctl-worker.service', 'batchctl-give-up.service'].map((name) =>
      join(stack.root(instance), 'etc/systemd/system', name),
    );
    const verified = spawnSync(analyze, ['verify', '--man=no', ...units], { encoding: 'utf8' });
    expect(verified.stderr + verified.stdout).to.equal('');
  });
});
