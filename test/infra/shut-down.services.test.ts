// Protects: an instance that can't end through its group shuts itself down, and a group does not replace it for ever.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { workerUserData } from '../../src/infra/user-data.ts';
import { failedBoots } from '../../src/jobs/boots.ts';
import { bootMark } from '../../src/model/keys.ts';
import { bootLog, callsOf } from '../support/boot/boot-in.ts';
import { unitIn } from '../support/boot/unit.ts';
import { forSuite } from '../support/fixture.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { BootHost, type BootStack } from './boot-host.ts';

const END = 'TerminateInstanceInAutoScalingGroup';
const SHRINK = 'SetDesiredCapacity';
/** Seconds that a boot tries again: AWS refuses for good here. */
const SOON = { BATCHCTL_TEST_BOOT_PATIENCE: '1', AWS_MAX_ATTEMPTS: '1' };

describe('an instance that can not end through its group', () => {
  const host = forSuite(() => BootHost.open());
  let stack: BootStack;
  afterEach(() => stack.close());

  const isOff = (instance: GridInstance): boolean => callsOf(stack.root(instance), 'systemctl').includes('poweroff');
  /** Denies actions on the stack's group and its instances. */
  function deny(...actions: readonly string[]): void {
    const own = [`${stack.profile.stack}-default`, ...stack.instances.map(({ id }) => id)];
    host.account.cloud.failNext(
      ({ action, body }) => actions.includes(action) && own.some((name) => body.includes(name)),
      403,
      'AccessDenied',
      'User: arn:aws:sts::123456789012:assumed-role/w/i is not authorized to perform this',
      Number.POSITIVE_INFINITY,
    );
  }
  /** Boots an instance; with a setup that fails, unless it goes well. */
  async function boot(instance: GridInstance, goesWell: boolean, env: Readonly<Record<string, string>> = SOON) {
    const setup = goesWell ? null : await stack.putFile('setup', '#!/bin/sh\nexit 3\n');
    const script = workerUserData(stack.profile, 'default', {
      sha256: host.bundle.sha256,
      setups: { default: setup },
      ca: null,
    });
    expect((await stack.bootToEnd(instance, script, env)) === 0, bootLog(stack.root(instance))).to.equal(goesWell);
  }
  /** Runs the unit that systemd starts when the worker has failed for good. */
  async function giveUp(instance: GridInstance, env: Readonly<Record<string, string>> = SOON): Promise<number | null> {
    const unit = unitIn(stack.root(instance), 'batchctl-give-up.service');
    const [, script = '', ...words] = unit.argv;
    writeFileSync(join(stack.root(instance), 'batchctl-worker.service.state'), 'failed\n');
    return stack.bootToEnd(instance, readFileSync(script, 'utf8'), env, words);
  }

  it('makes its group smaller and shuts down, after a failed boot and when its worker fails for good', async () => {
    stack = await host.stack(2);
    const [first, second] = stack.instances;
    if (first === undefined || second === undefined) throw new Error('expected two instances');
    deny(END);
    await boot(first, false);
    expect([isOff(first), await stack.desired()], bootLog(stack.root(first))).to.deep.equal([true, 1]);
    await boot(second, true);
    expect(isOff(second)).to.equal(false);
    expect(await giveUp(second), bootLog(stack.root(second))).to.equal(0);
    expect([isOff(second), await stack.desired()]).to.deep.equal([true, 0]);
  });

  it('shuts down after a failed boot if it may do neither, until three boots in a row failed', async () => {
    stack = await host.stack(3);
    deny(END, SHRINK);
    const off: boolean[] = [];
    for (const instance of stack.instances) {
      await boot(instance, false);
      off.push(isOff(instance));
    }
    expect(off).to.deep.equal([true, true, false]);
    expect(await failedBoots(stack.store, 'default')).to.have.length(3);
    expect(await stack.desired()).to.equal(3);
  });

  it('stays at the minimum size unless its boot failed, and tries again', async () => {
    stack = await host.stack(1, {}, 1);
    deny(END);
    await boot(stack.instance, true);
    expect(await giveUp(stack.instance)).to.equal(1);
    expect([isOff(stack.instance), await stack.desired()]).to.deep.equal([false, 1]);
  });

  it('shuts down after a failed boot if it can not reach Auto Scaling', async () => {
    stack = await host.stack(1);
    await boot(stack.instance, false, { ...SOON, AWS_ENDPOINT_URL_AUTO_SCALING: 'http://127.0.0.1:9' });
    expect(isOff(stack.instance), bootLog(stack.root(stack.instance))).to.equal(true);
    expect((await failedBoots(stack.store, 'default'))[0]).to.include({ step: 'setup' });
  });

  it('ends later if its metadata does not answer: through its group once it does, or by itself after an hour', async () => {
    stack = await host.stack(2);
    const [first, second] = stack.instances;
    if (first === undefined || second === undefined) throw new Error('expected two instances');
    const mute = { ...SOON, AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:9' };
    for (const each of [first, second]) {
      await boot(each, false, mute);
      expect(bootLog(stack.root(each))).to.include("the instance's metadata does not answer at http://127.0.0.1:9");
      expect(callsOf(stack.root(each), 'systemctl')).to.include('start --no-block batchctl-give-up.service');
      expect(await giveUp(each, mute)).to.equal(1);
      expect(isOff(each)).to.equal(false);
    }
    expect(await giveUp(first), bootLog(stack.root(first))).to.equal(0);
    await stack.gone(first);
    expect(await stack.desired()).to.equal(1);
    expect(await failedBoots(stack.store, 'default')).to.containSubset([{ instance: first.id, step: 'instance' }]);
    expect(await giveUp(second, { ...mute, BATCHCTL_TEST_BOOT_RESPITE: '0' })).to.equal(0);
    expect(isOff(second), bootLog(stack.root(second))).to.equal(true);
  });

  it('shuts down an hour after the third failed boot in a row, in a group at its minimum', async () => {
    stack = await host.stack(1, {}, 1);
    for (const other of ['i-1', 'i-2']) await stack.store.put(bootMark('default', other, 'failed'), '{}');
    await boot(stack.instance, false);
    expect(await giveUp(stack.instance)).to.equal(1);
    expect(isOff(stack.instance)).to.equal(false);
    expect(bootLog(stack.root(stack.instance))).to.include('three boots in a row failed: this instance stays for now');
    expect(await giveUp(stack.instance, { ...SOON, BATCHCTL_TEST_BOOT_RESPITE: '0' })).to.equal(0);
    expect(isOff(stack.instance)).to.equal(true);
  });
});
