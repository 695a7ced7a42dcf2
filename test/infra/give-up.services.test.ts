// Protects: an instance whose worker can't run is terminated and stops costing money, with the reason kept.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { workerUserData } from '../../src/infra/user-data.ts';
import { failedBoots } from '../../src/jobs/boots.ts';
import { bootLogKey } from '../../src/model/keys.ts';
import { bootLog, callsOf } from '../support/boot/boot-in.ts';
import { readUnit, unitIn } from '../support/boot/unit.ts';
import { forSuite } from '../support/fixture.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { installed } from '../support/run/lacking.ts';
import { BootHost, type BootStack } from './boot-host.ts';

const UNREACHABLE = { AWS_ENDPOINT_URL_AUTO_SCALING: 'http://127.0.0.1:9', AWS_MAX_ATTEMPTS: '1' };
const NO_METADATA = { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:9' };
/** As if the hour had passed. */
const RESPITE_OVER = { BATCHCTL_TEST_BOOT_RESPITE: '0' };

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
  async function giveUp(env: Readonly<Record<string, string>> = {}, state = 'failed'): Promise<number | null> {
    const unit = unitIn(stack.root(instance), readUnit(stack.root(instance))?.onFailure ?? '');
    const [, script = '', ...words] = unit.argv;
    writeFileSync(join(stack.root(instance), 'batchctl-worker.service.state'), `${state}\n`);
    return stack.bootToEnd(instance, readFileSync(script, 'utf8'), env, words);
  }

  const isOff = (): boolean => callsOf(stack.root(instance), 'systemctl').includes('poweroff');

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
    expect(await giveUp({ ...UNREACHABLE, BATCHCTL_TEST_BOOT_PATIENCE: '0' })).to.equal(1);
    expect(await stack.desired()).to.equal(1);
    expect(await giveUp()).to.equal(0);
    await stack.gone(instance);
    expect(await stack.desired()).to.equal(0);
  });

  it('is left alone if its worker runs again', async () => {
    await boot(0);
    expect(await giveUp({ ...UNREACHABLE, BATCHCTL_TEST_BOOT_PATIENCE: '0' })).to.equal(1);
    host.account.cloud.takeCalls();
    expect(await giveUp(RESPITE_OVER, 'active')).to.equal(0);
    expect(host.account.cloud.takeCalls()).to.deep.equal([]);
    expect(bootLog(stack.root(instance))).to.include('batchctl-worker runs again');
    // Its next failure has an hour of its own.
    expect(await giveUp({ ...UNREACHABLE, BATCHCTL_TEST_BOOT_PATIENCE: '0' })).to.equal(1);
    expect(bootLog(stack.root(instance))).to.match(/shuts down in 61 minutes at the latest\n$/);
    expect(isOff()).to.equal(false);
  });

  it('shuts down after an hour in which neither Auto Scaling nor its metadata answered', async () => {
    for (const env of [UNREACHABLE, NO_METADATA]) {
      await boot(0);
      const soon = { ...env, BATCHCTL_TEST_BOOT_PATIENCE: '0' };
      for (const _ of [1, 2]) {
        expect(await giveUp(soon)).to.equal(1);
        expect(isOff()).to.equal(false);
      }
      expect(await giveUp({ ...soon, ...RESPITE_OVER })).to.equal(0);
      expect(isOff()).to.equal(true);
      expect(bootLog(stack.root(instance))).to.include('could not end through its group: it shuts down');
      expect(await failedBoots(stack.store, 'default')).to.deep.equal([]);
    }
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
