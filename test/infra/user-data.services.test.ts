// Protects: instances get a boot script that EC2 accepts, with the configured endpoints and no role for commands.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type AwsProfile, loadConfig } from '../../src/config.ts';
import { BatchctlError } from '../../src/errors.ts';
import { type BootRelease, managerUserData, userDataFor } from '../../src/infra/user-data.ts';
import { installed } from '../support/run/lacking.ts';

const RELEASE: BootRelease = { sha256: 'a'.repeat(64), setups: { default: 'b'.repeat(64), gpu: null }, ca: null };

describe('user-data', () => {
  const dir = mkdtempSync(join(tmpdir(), 'batchctl-user-data-'));
  after(() => rmSync(dir, { recursive: true, force: true }));

  async function profileWith(fields: Readonly<Record<string, unknown>> = {}): Promise<AwsProfile> {
    const prod = {
      ...{ backend: 'aws', region: 'eu-west-1', account: '123456789012', stack: 'month-end', manager: {} },
      bucket: { name: 'acme-data', existing: true, prefix: "it's/month end/" },
      kmsKey: 'arn:aws:kms:eu-west-1:123456789012:key/1',
      groups: {
        default: { packages: ['ffmpeg'], setup: 'setup.sh', env: { MODE: "a 'quoted' $HOME `id` \\" }, slots: 2 },
        gpu: { commandRole: true },
      },
      ...fields,
    };
    writeFileSync(join(dir, 'batchctl.config.json'), JSON.stringify({ profile: 'prod', profiles: { prod } }));
    const { profile } = await loadConfig({ env: {}, cwd: dir, home: '', etc: '' });
    if (profile.backend !== 'aws') throw new Error('it is a profile of AWS');
    return profile;
  }

  it('passes shellcheck, for workers with all and with nothing to set up, and for the manager', async () => {
    const shellcheck = installed('shellcheck');
    const profile = await profileWith();
    const scripts = {
      'default.sh': userDataFor({ profile, group: 'default', release: RELEASE }),
      'gpu.sh': userDataFor({ profile, group: 'gpu', release: RELEASE }),
      'manager.sh': managerUserData({ profile, release: { ...RELEASE, ca: 'c'.repeat(64) }, allocation: 'eipalloc-1' }),
    };
    for (const [name, text] of Object.entries(scripts)) writeFileSync(join(dir, name), text);
    const { stdout, status } = spawnSync(shellcheck, Object.keys(scripts), { cwd: dir, encoding: 'utf8' });
    expect(status, stdout).to.equal(0);
  });

  it('begins with what EC2 takes for a script, and has at most 16 KB', async () => {
    const profile = await profileWith();
    for (const group of ['default', 'gpu']) {
      const text = userDataFor({ profile, group, release: RELEASE });
      expect(text).to.match(/^#!\/bin\/bash\n/);
      expect(Buffer.byteLength(text)).to.be.lessThan(16_384);
    }
  });

  it('is refused where long settings would make it too long, and says what to shorten', async () => {
    const groups = { default: { env: { LONG: 'x'.repeat(9_000) } } };
    const profile = await profileWith({ groups });
    expect(() => userDataFor({ profile, group: 'default', release: RELEASE }))
      .to.throw(BatchctlError, /would have \d+ bytes, and EC2 takes at most 16384/)
      .that.deep.include({ kind: 'config' });
  });

  it('refuses a group that is not there, naming those that are', async () => {
    const profile = await profileWith();
    expect(() => userDataFor({ profile, group: 'cpu', release: RELEASE })).to.throw(/has no group cpu/);
  });

  it('runs commands as a user without the role of the instance, unless the group says otherwise', async () => {
    const profile = await profileWith();
    expect(userDataFor({ profile, group: 'default', release: RELEASE })).to.include('COMMAND_USER=batchctl-task');
    expect(userDataFor({ profile, group: 'gpu', release: RELEASE })).to.include("COMMAND_USER=''");
  });

  it('carries the configured endpoints, except those on the machine that makes it', async () => {
    const endpoints = { s3: 'https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com', sqs: 'http://127.0.0.1:4566' };
    const text = userDataFor({ profile: await profileWith({ endpoints }), group: 'default', release: RELEASE });
    expect(text).to.include(`export AWS_ENDPOINT_URL_S3=${endpoints.s3}`).and.not.to.include('127.0.0.1');
    expect(text).to.include(`"s3": "${endpoints.s3}"`);
  });

  it('changes with the release, the setup and the settings, and with nothing else', async () => {
    const [one, two] = [await profileWith(), await profileWith()];
    const of = (profile: AwsProfile, release = RELEASE) => userDataFor({ profile, group: 'default', release });
    expect(of(one)).to.equal(of(two));
    expect(of(one, { ...RELEASE, sha256: 'd'.repeat(64) })).not.to.equal(of(one));
    expect(of(one, { ...RELEASE, setups: { default: null, gpu: null } })).not.to.equal(of(one));
    expect(of(await profileWith({ tags: { CostCenter: '1' }, network: { publicIp: false } }))).to.equal(of(one));
  });
});
