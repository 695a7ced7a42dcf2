// Protects: a new instance becomes a working worker or manager, and a failed boot terminates it with the reason kept.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadConfig } from '../../src/config/load-config.ts';
import { EXIT_CODES } from '../../src/errors.ts';
import { managerUserData, workerUserData } from '../../src/infra/user-data.ts';
import { failedBoots, liftHold, readHold, recordBootTime } from '../../src/jobs/boots.ts';
import { isAlive } from '../../src/lib/leftovers.ts';
import { bootLogKey, bootMark, bootsPrefix, bootTimesKey, bundleKey } from '../../src/model/keys.ts';
import { BOOT_PATH, bootLog, callsOf } from '../support/boot/boot-in.ts';
import { readUnit } from '../support/boot/unit.ts';
import { forSuite } from '../support/fixture.ts';
import { addressHolder } from '../support/grid/account-clients.ts';
import type { CloudRequest } from '../support/grid/front.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { installed } from '../support/run/lacking.ts';
import { until } from '../support/until.ts';
import { BootHost, type BootStack } from './boot-host.ts';

const links: string[] = [];

/** A unit with paths in /tmp, because systemd accepts no working directory below /dev, where a run's files may be. */
function unitOnDisk(root: string, name: string): string {
  const link = mkdtempSync('/tmp/batchctl-unit-');
  links.push(link);
  symlinkSync(root, join(link, 'root'));
  const unit = readFileSync(join(root, 'etc/systemd/system', name), 'utf8').replaceAll(root, join(link, 'root'));
  writeFileSync(join(link, name), unit);
  return join(link, name);
}

describe('the first boot of an instance', () => {
  const host = forSuite(() => BootHost.open());
  const stacks: BootStack[] = [];
  after(async () => {
    for (const link of links) rmSync(link, { recursive: true });
    for (const stack of stacks) await stack.close();
  });

  const openStack = async (...args: Parameters<BootHost['stack']>): Promise<BootStack> => {
    const stack = await host.stack(...args);
    stacks.push(stack);
    return stack;
  };
  const scriptOf = ({ profile }: BootStack, setup: string | null = null, ca: string | null = null): string =>
    workerUserData(profile, 'default', { sha256: host.bundle.sha256, setups: { default: setup }, ca });
  /** Stores what a worker of the group stores when it starts, with a later time than the marks of failed boots. */
  const recordStart = async (stack: BootStack, { id }: GridInstance): Promise<void> => {
    await until('the store has a later time', async () => {
      await stack.store.delete([bootTimesKey('default')]);
      await recordBootTime(stack.store, 'default', { instance: id, seconds: 100 });
      const times = new Map<string, number>();
      for await (const { key, modified } of stack.store.list(bootsPrefix('default'))) times.set(key, modified);
      const own = times.get(bootTimesKey('default')) ?? 0;
      times.delete(bootTimesKey('default'));
      return own > Math.max(...times.values());
    });
  };

  it('makes it a worker, and repeats nothing when it runs again', async () => {
    const stack = await openStack(1, { group: { packages: ['ffmpeg'], env: { SPACE: "it's $HOME", N: 3 }, slots: 2 } });
    const setup = await stack.putFile(
      'setup',
      '#!/bin/sh\necho "set up $BATCHCTL_GROUP with $SPACE" | tee -a setup.out\n',
    );
    const instance = stack.instance;
    const root = stack.root(instance);
    const script = scriptOf(stack, setup);
    const first = await (await stack.boot(instance, script)).ended;
    expect(first.code, bootLog(root)).to.equal(0);
    expect(first.console).to.include('set up default with').and.include('batchctl-worker runs');

    const unit = readUnit(root);
    const program = join(root, 'opt/batchctl', host.bundle.sha256.slice(0, 12), 'bin/batchctl.js');
    expect(unit?.argv.slice(1)).to.deep.equal([program, 'worker', '--group', 'default', '--profile', 'prod']);
    expect(unit?.before).to.deep.equal([join(root, 'opt/batchctl/fence')]);
    expect(unit?.env).to.include({
      BATCHCTL_COMMAND_USER: 'batchctl-task',
      TMPDIR: join(root, 'var/lib/batchctl/tmp'),
    });
    expect(unit).to.include({ restart: 'on-failure', restartSeconds: 20, onFailure: 'batchctl-give-up.service' });
    expect(unit?.limit).to.deep.equal({ starts: 40, seconds: 3_600 });
    // With this code a worker leaves because of --max-failures.
    expect(unit?.noRestart).to.deep.equal([EXIT_CODES.refused]);
    expect(await stack.read(bootLogKey(instance.id))).to.equal(bootLog(root));
    const toStore = host.account.cloud.calls.filter(
      ({ url, headers }) =>
        url.pathname.startsWith(`/${stack.profile.stack}`) && /aws-cli/.test(headers['user-agent'] ?? ''),
    );
    expect(toStore.map(({ action }) => action)).to.include.members(['GET', 'PUT']);
    for (const { headers } of toStore) expect(headers['x-amz-expected-bucket-owner']).to.equal(stack.profile.account);

    const calls = (): readonly string[] => ['dnf', 'useradd', 'ip'].flatMap((name) => callsOf(root, name));
    const before = calls();
    expect(before).to.deep.equal([
      'install -y ffmpeg',
      '--system --no-create-home --shell /usr/sbin/nologin batchctl-task',
      '-4 rule add priority 100 protocol kernel uidrange 2147483648-3221225471 to 169.254.169.254 prohibit',
      '-6 rule add priority 100 protocol kernel uidrange 2147483648-3221225471 to fd00:ec2::254 prohibit',
    ]);
    expect(await stack.bootToEnd(instance, script), bootLog(root)).to.equal(0);
    expect(calls()).to.deep.equal(
      [...before, 'install -y ffmpeg'].sort((a, b) => before.indexOf(a) - before.indexOf(b)),
    );
    expect(readFileSync(join(root, 'var/lib/batchctl/setup.out'), 'utf8')).to.equal("set up default with it's $HOME\n");
    expect(readUnit(root)).to.deep.equal(unit);
    expect(await stack.desired()).to.equal(1);
  });

  it('writes the configuration as the worker reads it, with references and no secret', async () => {
    const ledger = {
      kind: 'postgres',
      url: 'postgres://b@db.example.com/b',
      password: 'secretsmanager:acme/db#password',
      ca: 'rds.pem',
    };
    const secrets = { TOKEN: 'ssm:/acme/token' };
    const groups = {
      default: { secrets, env: { A: '1' }, slots: 3, visibility: '90s' },
      gpu: { env: { B: '2' }, max: 4 },
    };
    const allowSecrets = ['file:/run/secrets/*', 'env:DB_*'];
    const kmsKey = 'arn:aws:kms:us-east-1:123456789012:key/1';
    const stack = await openStack(1, { ledger, groups, kmsKey, allowSecrets });
    const ca = await stack.putFile('ca', 'PEM\n');
    const instance = stack.instance;
    const root = stack.root(instance);
    const script = scriptOf(stack, null, ca);
    expect(await stack.bootToEnd(instance, script), bootLog(root)).to.equal(0);
    const { profile } = await loadConfig({
      env: {},
      cwd: join(root, 'etc/batchctl'),
      home: '',
      flags: { config: join(root, 'etc/batchctl/config.json') },
    });
    if (profile.backend !== 'aws') throw new Error('it is a profile of AWS');
    const { stack: name, account, region, bucket } = stack.profile;
    expect(profile).to.deep.include({ name: 'prod', stack: name, account, region, bucket, kmsKey, allowSecrets });
    expect(profile.ledger).to.deep.equal({ ...stack.profile.ledger, ca: join(root, 'etc/batchctl/ca.pem') });
    expect(readFileSync(join(root, 'etc/batchctl/ca.pem'), 'utf8')).to.equal('PEM\n');
    expect(profile.groups.default).to.deep.include({ secrets, env: { A: '1' }, slots: 3, visibility: 90 });
    expect(profile.groups.gpu).to.deep.include({ env: {}, max: 4 });
  });

  it('rejects a bundle with a wrong checksum, records that in the store, and terminates the instance cleanly', async () => {
    const stack = await openStack(1);
    const instance = stack.instance;
    await stack.store.put(bundleKey(host.bundle.sha256), host.bundle.gzip.subarray(0, 1000));
    expect(await stack.bootToEnd(instance, scriptOf(stack))).not.to.equal(0);
    await stack.gone(instance);
    expect(await stack.desired()).to.equal(0);
    expect(callsOf(stack.root(instance), 'systemctl')).not.to.include('start batchctl-worker.service');
    expect(await stack.read(bootLogKey(instance.id))).to.match(
      /the bundle [0-9a-f]{64} has the checksum [0-9a-f]{64}: it is not used/,
    );
    const [failed] = await failedBoots(stack.store, 'default');
    expect(failed).to.include({ instance: instance.id, step: 'bundle', code: 1 });
  });

  it('terminates an instance whose setup fails, hangs or has a wrong checksum; three in a row put the group on hold', async () => {
    const stack = await openStack(3, { group: { setupTimeout: '1s' } });
    const scripts = ['#!/bin/sh\necho \'no "gpu" here\' >&2\nexit 3\n', '#!/bin/sh\nsleep 600\n', '#!/bin/sh\n'];
    const sums = await Promise.all(scripts.map((script) => stack.putFile('setup', script)));
    await stack.store.put(`releases/setup-${sums[2]}`, 'something else');
    const boots = stack.instances.map((instance, at) => stack.bootToEnd(instance, scriptOf(stack, sums[at] ?? '')));
    const codes = await Promise.all(boots);
    for (const instance of stack.instances) await stack.gone(instance);
    expect(codes).to.deep.equal([3, 124, 1]);
    expect(await stack.desired()).to.equal(0);
    const failed = await failedBoots(stack.store, 'default');
    const byCode = [...failed].sort((a, b) => (a.code ?? 0) - (b.code ?? 0));
    expect(byCode).to.have.lengthOf(3);
    expect(byCode[1]).to.include({ step: 'setup', code: 3 });
    expect(await stack.read(bootLogKey(stack.instances[0]?.id ?? ''))).to.include('no "gpu" here');
    expect(await readHold(stack.store, 'default')).to.deep.include({ group: 'default', failed: 3 });
    expect(await liftHold(stack.store, 'default', 'test@here')).to.equal(true);
    expect(await readHold(stack.store, 'default')).to.equal(null);
  });

  it('clears the failed boots of its group when it succeeds', async () => {
    const stack = await openStack(2);
    const [bad, good] = stack.instances;
    if (bad === undefined || good === undefined) throw new Error('the group has two');
    const setup = await stack.putFile('setup', '#!/bin/sh\nexit 1\n');
    expect(await stack.bootToEnd(bad, scriptOf(stack, setup))).to.equal(1);
    expect(await failedBoots(stack.store, 'default')).to.have.lengthOf(1);
    await recordStart(stack, good);
    expect(await stack.bootToEnd(good, scriptOf(stack))).to.equal(0);
    expect(await failedBoots(stack.store, 'default')).to.deep.equal([]);
  });

  it('replaces a failed instance in a group at its minimum, but not after three in a row', async () => {
    const stack = await openStack(1, {}, 1);
    const script = scriptOf(stack, await stack.putFile('setup', '#!/bin/sh\nexit 1\n'));
    const first = stack.instance;
    expect(await stack.bootToEnd(first, script)).to.equal(1);
    await stack.gone(first);
    const [second = first] = await host.account.serves(stack.group, 1);
    await stack.store.put(bootMark('default', 'i-another', 'failed'), '{}');
    await recordStart(stack, second);
    expect(await stack.bootToEnd(second, script)).to.equal(1);
    expect(bootLog(stack.root(second))).to.include('three boots in a row failed: this instance stays for now');
    expect(host.account.cloud.grid.instance(second).state).to.equal('InService');
    expect(await readHold(stack.store, 'default')).to.deep.include({ failed: 3 });
  });

  it('ends an instance that may not use the bucket, unless its group would replace it again and again', async () => {
    for (const [min, methods] of [
      [0, ['GET', 'PUT']],
      [1, ['GET', 'PUT']],
      [1, ['PUT']],
    ] as const) {
      const stack = await openStack(1, {}, min);
      const instance = stack.instance;
      const script = scriptOf(stack, await stack.putFile('setup', '#!/bin/sh\nexit 1\n'));
      let isDenied = true;
      const denies = ({ service, method, url }: CloudRequest): boolean =>
        isDenied &&
        service === 's3' &&
        methods.some((each) => each === method) &&
        url.pathname.startsWith(`/${stack.profile.stack}`);
      host.account.cloud.failNext(denies, 403, 'AccessDenied', 'no', Number.POSITIVE_INFINITY);
      expect(await stack.bootToEnd(instance, script, { BATCHCTL_TEST_BOOT_PATIENCE: '1' })).to.equal(1);
      const log = bootLog(stack.root(instance));
      isDenied = false;
      if (min === 0) {
        await stack.gone(instance);
        expect(await stack.desired()).to.equal(0);
        continue;
      }
      expect(log).to.include('takes no mark of a failed boot: this instance stays for now');
      expect(host.account.cloud.grid.instance(instance).state).to.equal('InService');
      expect(callsOf(stack.root(instance), 'systemctl')).to.include('start --no-block batchctl-give-up.service');
      // systemd runs this a minute later, and repeats it until it succeeds.
      expect(await stack.bootToEnd(instance, script, {}, ['give-up'])).to.equal(0);
      await stack.gone(instance);
      expect((await failedBoots(stack.store, 'default')).map((each) => each.instance)).to.deep.equal([instance.id]);
    }
  });

  it('fails if the worker does not keep running', async () => {
    const stack = await openStack(1);
    const instance = stack.instance;
    const root = stack.root(instance);
    await stack.bootToEnd(instance, 'exit 0');
    writeFileSync(join(root, 'batchctl-worker.service.state'), 'activating\n');
    expect(await stack.bootToEnd(instance, scriptOf(stack))).to.equal(1);
    await stack.gone(instance);
    expect((await failedBoots(stack.store, 'default'))[0]).to.include({ step: 'start' });
    expect(readUnit(root)).to.equal(null);
  });

  it('fails if a package is not available, and names it', async () => {
    const stack = await openStack(1, { group: { packages: ['no-such-package'] } });
    const instance = stack.instance;
    expect(await stack.bootToEnd(instance, scriptOf(stack), { BATCHCTL_TEST_BOOT_PATIENCE: '1' })).to.equal(1);
    await stack.gone(instance);
    expect(callsOf(stack.root(instance), 'dnf')).to.have.lengthOf(5);
    expect((await failedBoots(stack.store, 'default'))[0]).to.include({
      step: 'packages',
      line: 'batchctl: dnf could not install no-such-package',
    });
  });

  it('ends an instance on which a step hangs, with the processes of that step, also those that ignore SIGTERM', async () => {
    const stack = await openStack(1, { group: { packages: ['ffmpeg'] } });
    const instance = stack.instance;
    const root = stack.root(instance);
    const bin = join(root, 'hanging');
    mkdirSync(bin, { recursive: true });
    writeFileSync(
      join(bin, 'dnf'),
      `#!/bin/bash\ntrap '' TERM\necho $$ >"${root}/dnf.pid"\nwhile :; do sleep 600; done\n`,
    );
    chmodSync(join(bin, 'dnf'), 0o755);
    const env = { PATH: `${bin}:${BOOT_PATH}`, BATCHCTL_TEST_BOOT_STEP: '3' };
    expect(await stack.bootToEnd(instance, scriptOf(stack), env)).to.equal(124);
    await stack.gone(instance);
    expect(await stack.desired()).to.equal(0);
    const [failed] = await failedBoots(stack.store, 'default');
    expect(failed).to.include({
      step: 'packages',
      code: 124,
      line: 'batchctl: the step packages took too long: it is ended',
    });
    const pid = Number(readFileSync(join(root, 'dnf.pid'), 'utf8'));
    await until('the hanging process has ended', () => !isAlive(pid));
  });

  it('fails if the bundle never comes, although the store accepts the request', async () => {
    const stack = await openStack(1);
    const instance = stack.instance;
    const root = stack.root(instance);
    const bin = join(root, 'hanging');
    mkdirSync(bin, { recursive: true });
    const call = `[[ $* != *get-object* ]] || exec sleep 600\nPATH=${BOOT_PATH} exec aws "$@"\n`;
    writeFileSync(join(bin, 'aws'), `#!/bin/bash\n${call}`);
    chmodSync(join(bin, 'aws'), 0o755);
    const env = { PATH: `${bin}:${BOOT_PATH}`, BATCHCTL_TEST_BOOT_CALL: '30', BATCHCTL_TEST_BOOT_PATIENCE: '2' };
    expect(await stack.bootToEnd(instance, scriptOf(stack), env)).to.equal(1);
    await stack.gone(instance);
    expect((await failedBoots(stack.store, 'default'))[0]).to.include({ step: 'bundle' });
    expect(bootLog(root)).to.include('could not be fetched');
  });

  it('does not count as failed when the machine is shut down during it', async () => {
    const stack = await openStack(1);
    const setup = await stack.putFile('setup', '#!/bin/sh\necho "waiting $PPID"\nsleep 600\n');
    const instance = stack.instance;
    const root = stack.root(instance);
    const { child, ended } = await stack.boot(instance, scriptOf(stack, setup));
    const leader = await until('the setup runs', () => /waiting (\d+)/.exec(bootLog(root))?.[1]);
    // systemd stops a unit by killing every process. `timeout` leads its own process group.
    for (const group of [child.pid ?? 0, Number(leader)]) process.kill(-group, 'SIGTERM');
    await ended;
    expect(await failedBoots(stack.store, 'default')).to.deep.equal([]);
    expect(await stack.desired()).to.equal(1);
  });

  it('makes it a manager once its address is free, and never takes the address from another', async () => {
    const analyze = installed('systemd');
    const { ec2, cloud } = host.account;
    const stack = await openStack(2);
    const [manager, other] = stack.instances;
    if (manager === undefined || other === undefined) throw new Error('the group has two');
    const { AllocationId = '' } = await ec2.allocateAddress({ Domain: 'vpc' });
    await ec2.associateAddress({ AllocationId, InstanceId: other.id });
    const release = { sha256: host.bundle.sha256, setups: {}, ca: null };
    const script = managerUserData(stack.profile, release, AllocationId);
    const root = stack.root(manager);
    const { ended } = await stack.boot(manager, script, { BATCHCTL_TEST_BOOT_PATIENCE: '4' });
    await until('the boot waits for the address', () => bootLog(root).includes(`which ${other.id} has`));
    expect(await addressHolder(host.account, AllocationId)).to.equal(other.id);
    expect(readUnit(root, 'batchctl-manager.service')).to.equal(null);
    cloud.grid.kill(other);
    expect((await ended).code, bootLog(root)).to.equal(0);
    expect(await addressHolder(host.account, AllocationId)).to.equal(manager.id);
    const unit = readUnit(root, 'batchctl-manager.service');
    expect(unit?.argv.slice(2)).to.deep.equal(['manager', '--profile', 'prod']);
    const file = unitOnDisk(root, 'batchctl-manager.service');
    const verified = spawnSync(analyze, ['verify', '--man=no', file], { encoding: 'utf8' });
    expect(verified.stderr + verified.stdout, 'systemd understands each line').to.equal('');
    // The exposure is 10 for a unit that may do everything that root may.
    const security = spawnSync(analyze, ['security', '--offline=true', file], { encoding: 'utf8' });
    expect(Number(/exposure level for \S+ ([\d.]+)/.exec(security.stdout)?.[1]), security.stdout).to.be.below(2);
    const taken = cloud.calls.filter(({ action }) => action === 'AssociateAddress').map(({ body }) => body);
    expect(taken.slice(1).every((body) => body.includes('AllowReassociation=false'))).to.equal(true);
  });
});
