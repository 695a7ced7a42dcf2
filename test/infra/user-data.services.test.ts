// Protects: instances get a boot script that EC2 accepts, with the configured endpoints and no role for commands.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { AwsProfile } from '../../src/config/load-config.ts';
import { BatchctlError } from '../../src/errors.ts';
import { templateDifferences } from '../../src/infra/launch-template.ts';
import {
  type BootRelease,
  decodeUserData,
  encodeUserData,
  instanceConfig,
  managerUserData,
  type Reader,
  workerUserData,
} from '../../src/infra/user-data.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { installed } from '../support/run/lacking.ts';

const RELEASE: BootRelease = { sha256: 'a'.repeat(64), setups: { default: 'b'.repeat(64), gpu: null }, ca: null };

describe('user-data', () => {
  const dir = mkdtempSync(join(tmpdir(), 'batchctl-user-data-'));
  after(() => rmSync(dir, { recursive: true, force: true }));

  const profileWith = (fields: Readonly<Record<string, unknown>> = {}): Promise<AwsProfile> =>
    awsProfile({
      manager: {},
      bucket: { name: 'acme-data', existing: true, prefix: "it's/month end/" },
      kmsKey: 'arn:aws:kms:eu-west-1:123456789012:key/1',
      groups: {
        default: { packages: ['ffmpeg'], setup: 'setup.sh', env: { MODE: "a 'quoted' $HOME `id` \\" }, slots: 2 },
        gpu: { commandRole: true },
      },
      ...fields,
    });

  it('passes shellcheck, for workers with everything and with nothing to set up, and for the manager', async () => {
    const shellcheck = installed('shellcheck');
    const profile = await profileWith();
    const scripts = {
      'default.sh': workerUserData(profile, 'default', RELEASE),
      'gpu.sh': workerUserData(profile, 'gpu', RELEASE),
      'manager.sh': managerUserData(profile, { ...RELEASE, ca: 'c'.repeat(64) }, 'eipalloc-1'),
    };
    for (const [name, text] of Object.entries(scripts)) writeFileSync(join(dir, name), text);
    const { stdout, status } = spawnSync(shellcheck, Object.keys(scripts), { cwd: dir, encoding: 'utf8' });
    expect(status, stdout).to.equal(0);
  });

  it('begins with a line that cloud-init recognizes as a script, and 50 groups have at most 16 KB of it', async () => {
    const settings = (number: number) => ({
      instances: [`c${number}g.large`, `m${number}g.large`, `r${number}g.large`, `x${number}g.large`],
      visibility: `${100 + number}s`,
      max: number,
      slots: number,
      packages: ['ffmpeg', 'jq'],
      env: Object.fromEntries(Array.from({ length: 8 }, (_, each) => [`KEY_${each}`, randomBytes(40).toString('hex')])),
      secrets: { PASSWORD: `secretsmanager:claims/db-${randomBytes(20).toString('hex')}#password` },
    });
    const groups = Object.fromEntries(Array.from({ length: 50 }, (_, each) => [`group-${each}`, settings(each + 1)]));
    const profile = await profileWith({ groups });
    const scripts = [workerUserData(profile, 'group-0', RELEASE), managerUserData(profile, RELEASE, 'eipalloc-1')];
    for (const text of scripts) {
      expect(text).to.match(/^#!\/bin\/bash\n/);
      const encoded = encodeUserData(text);
      expect(Buffer.from(encoded, 'base64')).to.have.length.lessThan(16_384);
      expect(decodeUserData(encoded)).to.equal(text);
    }
  });

  it("is compared with a launch template's by its text, however it is compressed", () => {
    const wanted = { UserData: encodeUserData('#!/bin/sh\necho up\n') };
    const differences = (bytes: Buffer) =>
      templateDifferences({ UserData: bytes.toString('base64') }, wanted).differences.length;
    const text = Buffer.from('#!/bin/sh\necho up\n');
    expect([text, gzipSync(text, { level: 0 })].map(differences)).to.deep.equal([0, 0]);
    expect([Buffer.from('#!/bin/sh\n'), gzipSync('#!/bin/sh\n')].map(differences)).to.deep.equal([1, 1]);
    const broken = gzipSync(text).subarray(0, 20);
    expect(differences(broken), 'truncated').to.equal(1);
  });

  it("contains env and secrets of its own group only, and what jobs may name on other groups' machines", async () => {
    const own = { env: { MODE: 'own' }, secrets: { KEY: 'env:OWN' } };
    const other = { env: { MODE: 'other' }, secrets: { KEY: 'env:OTHER', TOKEN: 'ssm:/other' }, slots: 3 };
    const profile = await profileWith({
      groups: { own, other },
      allowSecrets: ['file:/run/*'],
      requesterPays: ['raw'],
    });
    const configOf = (reader: Reader) =>
      (instanceConfig(profile, reader, null) as { profiles: Record<string, object> }).profiles.prod;
    const usual = { visibility: '120s', min: 0, max: 20, instances: ['c7g.large', 'm7g.large'], spot: true };
    expect(configOf({ worker: 'own' })).to.deep.include({
      groups: { own: { ...usual, ...own }, other: { ...usual, slots: 3 } },
      allowSecrets: ['file:/run/*', 'env:OTHER'],
      requesterPays: ['raw'],
    });
    expect(configOf('manager')).to.deep.include({ allowSecrets: ['file:/run/*', 'env:OWN', 'env:OTHER'] });
    expect(JSON.stringify(configOf('manager'))).not.to.include('MODE');
  });

  it('is rejected if long settings would make it too long, and says what to shorten', async () => {
    const groups = { default: { env: { LONG: randomBytes(15_000).toString('base64') } } };
    const profile = await profileWith({ groups });
    expect(() => workerUserData(profile, 'default', RELEASE))
      .to.throw(BatchctlError, /would have \d+ bytes, compressed, but EC2 allows 16384/)
      .that.deep.include({ kind: 'config' });
  });

  it('rejects a group that does not exist, naming the existing ones', async () => {
    const profile = await profileWith();
    expect(() => workerUserData(profile, 'cpu', RELEASE)).to.throw(/has no group cpu/);
  });

  it("runs commands as a user without the role of the instance, unless the group's settings allow it", async () => {
    const profile = await profileWith();
    expect(workerUserData(profile, 'default', RELEASE)).to.include('COMMAND_USER=batchctl-task');
    expect(workerUserData(profile, 'gpu', RELEASE)).to.include("COMMAND_USER=''");
  });

  it('contains the configured endpoints, except those on the machine that generates it', async () => {
    const endpoints = { s3: 'https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com', sqs: 'http://127.0.0.1:4566' };
    const text = workerUserData(await profileWith({ endpoints }), 'default', RELEASE);
    expect(text).to.include(`export AWS_ENDPOINT_URL_S3=${endpoints.s3}`).and.not.to.include('127.0.0.1');
    expect(text).to.include(`"s3": "${endpoints.s3}"`);
  });

  it('changes with the release, the setup and the settings, and with nothing else', async () => {
    const [one, two] = [await profileWith(), await profileWith()];
    const script = (profile: AwsProfile, release = RELEASE) => workerUserData(profile, 'default', release);
    expect(script(one)).to.equal(script(two));
    expect(script(one, { ...RELEASE, sha256: 'd'.repeat(64) })).not.to.equal(script(one));
    expect(script(one, { ...RELEASE, setups: { default: null, gpu: null } })).not.to.equal(script(one));
    const tagged = await profileWith({ tags: { CostCenter: '1' }, network: { publicIp: false } });
    expect(script(tagged)).to.equal(script(one));
  });
});
