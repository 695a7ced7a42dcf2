// Protects: the right configuration file and profile apply, with the documented precedence, and secrets stay hidden.

import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Config, explainConfig, type LoadConfigOptions, loadConfig } from '../../src/config/load-config.ts';
import type { AwsProfile } from '../../src/config/profile.ts';
import { failsWith } from '../support/rejection.ts';

const AWS = { backend: 'aws', region: 'eu-west-1', bucket: 'acme-data' };

describe('the configuration', () => {
  let dir: string;
  beforeEach(() => {
    dir = realpathSync(mkdtempSync(join(tmpdir(), 'batchctl-config-')));
    mkdirSync(join(dir, 'work', 'deep'), { recursive: true });
    mkdirSync(join(dir, 'home', '.config', 'batchctl'), { recursive: true });
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const write = (path: string, value: unknown): string => {
    writeFileSync(join(dir, path), JSON.stringify(value));
    return join(dir, path);
  };
  const load = (options: Partial<LoadConfigOptions> = {}): Promise<Config> =>
    loadConfig({
      env: {},
      cwd: join(dir, 'work', 'deep'),
      home: join(dir, 'home'),
      etc: join(dir, 'etc.json'),
      ...options,
    });
  /** Writes a file above the working directory that selects its profile p. */
  const writeProfile = (p: object, others: object = {}): string =>
    write('work/batchctl.config.json', { profile: 'p', profiles: { p, ...others } });
  async function loadAws(options: Partial<LoadConfigOptions> = {}): Promise<Config & { readonly profile: AwsProfile }> {
    const config = await load(options);
    const { profile } = config;
    if (profile.backend !== 'aws') throw new Error(`expected a profile on AWS, found one on ${profile.backend}`);
    return { ...config, profile };
  }
  const failure = (options: Partial<LoadConfigOptions> = {}) => failsWith('config', load(options));
  const rowOf = async (config: Config, path: string) => (await explainConfig(config)).find((row) => row.path === path);
  const originOf = async (config: Config, path: string): Promise<unknown> => (await rowOf(config, path))?.origin;

  describe('in or above the working directory', () => {
    it('that others may write is refused with a hint, unless it is named explicitly', async () => {
      const path = write('work/batchctl.config.json', { profile: 'local' });
      chmodSync(path, 0o666);
      const error = await failure();
      expect(error.message).to.include(`the configuration ${path} can be written by everyone`);
      expect(error.hint).to.include(`--config ${path}`);
      expect((await load({ flags: { config: path } })).file).to.equal(path);
      expect((await load({ env: { BATCHCTL_CONFIG: path } })).file).to.equal(path);
    });

    it('of another user is refused, even behind a link of this user', async function () {
      if (process.getuid?.() !== 0) return this.skip();
      const path = write('work/other.json', { profile: 'local' });
      chownSync(path, 12_345, 12_345);
      symlinkSync(path, join(dir, 'work', 'batchctl.config.json'));
      expect((await failure()).message).to.include('belongs to another user (mode 0644, owner 12345');
    });
  });

  it('without a file is the local profile in .batchctl of the working directory', async () => {
    const config = await load();
    expect(config).to.deep.include({ file: null, profileFrom: 'default', profiles: ['local'] });
    expect(config.profile).to.deep.equal({
      name: 'local',
      backend: 'local',
      tz: null,
      protect: false,
      root: join(dir, 'work', 'deep', '.batchctl'),
      durability: 'process',
      slots: null,
      groups: {},
      allowSecrets: null,
      notify: [],
      requesterPays: [],
    });
    expect(await originOf(config, 'root')).to.equal('default');
    expect(Object.isFrozen(config.profile)).to.equal(true);
  });

  describe('is searched for', () => {
    const root = (value: string): unknown => ({ profiles: { local: { backend: 'local', root: value } } });
    it('by --config, BATCHCTL_CONFIG, upwards, in the home directory, in etc: in this order', async () => {
      const etc = write('etc.json', root('/r/etc'));
      expect((await load()).file).to.equal(etc);
      const home = write('home/.config/batchctl/config.json', root('/r/home'));
      expect((await load()).file).to.equal(home);
      const far = write('batchctl.config.json', root('/r/far'));
      expect((await load()).file).to.equal(far);
      const near = write('work/batchctl.config.json', root('/r/near'));
      expect((await load()).file).to.equal(near);
      const named = write('named.json', root('/r/named'));
      expect((await load({ env: { BATCHCTL_CONFIG: named } })).file).to.equal(named);
      expect((await load({ env: { BATCHCTL_CONFIG: '' } })).file).to.equal(near);
      const flag = write('flag.json', root('/r/flag'));
      const config = await load({ env: { BATCHCTL_CONFIG: named }, flags: { config: '../../flag.json' } });
      expect(config.file).to.equal(flag);
      expect(config.profile).to.deep.include({ root: '/r/flag' });
    });

    it('and must exist if it is named explicitly', async () => {
      const error = await failure({ flags: { config: 'none.json' } });
      expect(error.message).to.contain(join(dir, 'work', 'deep', 'none.json'));
      expect((await failure({ env: { BATCHCTL_CONFIG: 'none.json' } })).message).to.contain('BATCHCTL_CONFIG');
    });

    it("and is not skipped if it can't be read", async () => {
      mkdirSync(join(dir, 'work', 'batchctl.config.json'));
      expect((await failure()).message).to.contain("can't read the configuration");
    });
  });

  it('takes a root from the file relative to that file, and the default root relative to the project', async () => {
    write('home/.config/batchctl/config.json', { profiles: { prod: AWS } });
    expect((await load()).profile).to.deep.include({ root: join(dir, 'work', 'deep', '.batchctl') });
    write('home/.config/batchctl/config.json', { profiles: { local: { backend: 'local', root: 'data' } } });
    expect((await load()).profile).to.deep.include({ root: join(dir, 'home', '.config', 'batchctl', 'data') });
    write('work/batchctl.config.json', { profiles: { prod: AWS } });
    expect((await load()).profile).to.deep.include({ root: join(dir, 'work', '.batchctl') });
  });

  it('prefers --profile over BATCHCTL_PROFILE, the file and the default, in this order', async () => {
    const local = { backend: 'local' };
    write('work/batchctl.config.json', { profile: 'a', profiles: { a: local, b: local, c: local } });
    const chosen = async (options: Partial<LoadConfigOptions>): Promise<string[]> => {
      const config = await load(options);
      return [config.profile.name, config.profileFrom, String(await originOf(config, 'profile'))];
    };
    expect(await chosen({})).to.deep.equal(['a', 'file', join(dir, 'work', 'batchctl.config.json')]);
    expect(await chosen({ env: { BATCHCTL_PROFILE: 'b' } })).to.deep.equal(['b', 'env', 'BATCHCTL_PROFILE']);
    expect(await chosen({ env: { BATCHCTL_PROFILE: '' } })).to.deep.include('a');
    const flags = { profile: 'c' };
    expect(await chosen({ env: { BATCHCTL_PROFILE: 'b' }, flags })).to.deep.equal(['c', 'flag', '--profile']);
  });

  it("names the searched places and the existing profiles if one doesn't exist", async () => {
    const error = await failure({ flags: { profile: 'prod' } });
    expect(error.message)
      .to.contain('known: local')
      .and.contain(join(dir, 'work', 'batchctl.config.json'))
      .and.contain('etc.json');
    const file = write('work/batchctl.config.json', { profiles: { prod: AWS } });
    expect((await failure({ flags: { profile: 'prdo' } })).message)
      .to.contain('did you mean prod?')
      .and.contain(file);
  });

  it('fills in every default of an AWS profile, in bytes and seconds', async () => {
    const file = writeProfile({ ...AWS, groups: { big: { setup: 's.sh' } } });
    const config = await loadAws();
    expect(config.profile).to.deep.include({
      stack: 'acme-data',
      account: null,
      bucket: { name: 'acme-data', existing: false, owner: null, prefix: '' },
      ledger: { kind: 'store' },
      manager: null,
      budget: { month: null, job: null },
      protect: false,
    });
    expect(config.profile.groups.big).to.deep.equal({
      instances: ['c7g.large', 'm7g.large'],
      spot: true,
      rebalance: 'keep',
      onDemandBase: 0,
      onDemandMax: 5,
      min: 0,
      max: 20,
      slots: null,
      visibility: 120,
      disk: 30e9,
      ami: null,
      setup: join(dir, 'work', 's.sh'),
      setupTimeout: 900,
      packages: [],
      read: [],
      write: [],
      keys: [],
      commandRole: false,
      env: {},
      secrets: {},
    });
    expect(await originOf(config, 'groups.big.disk')).to.equal('default');
    expect(await originOf(config, 'groups.big.setup')).to.equal(`${file} (p)`);
  });

  it("names the bucket after stack, account and region if the file doesn't", async () => {
    writeProfile({ backend: 'aws', region: 'eu-west-1', account: '123456789012' });
    expect((await loadAws()).profile.bucket.name).to.equal('batchctl-123456789012-eu-west-1');
  });

  it('merges an extended profile field by field, replaces lists, and lets null remove a value', async () => {
    const file = write('work/batchctl.config.json', {
      profiles: {
        base: {
          ...AWS,
          ledger: { kind: 'postgres', url: 'postgres://u@h/d', passwordEnv: 'PW' },
          groups: { default: { instances: ['c7g.large', 'm7g.large'], max: 50, disk: '50GB' } },
          manager: {},
          tags: { A: '1' },
          tz: 'Europe/London',
        },
        mid: { extends: 'base', groups: { default: { instances: ['t3.large'], disk: null } }, tags: { B: '2' } },
        top: { extends: 'mid', ledger: { kind: 'simpledb' }, manager: null, tz: null },
      },
    });
    const config = await loadAws({ flags: { profile: 'top' } });
    expect(config.profile.ledger).to.deep.equal({ kind: 'simpledb', domains: 4 });
    expect(config.profile.manager).to.equal(null);
    expect(config.profile.tags).to.deep.equal({ A: '1', B: '2' });
    expect(config.profile.groups.default).to.deep.include({ instances: ['t3.large'], max: 50 });
    expect(await originOf(config, 'groups.default.max')).to.equal(`${file} (base)`);
    expect(await originOf(config, 'groups.default.instances')).to.equal(`${file} (mid)`);
    expect(await originOf(config, 'ledger.kind')).to.equal(`${file} (top)`);
    expect(await rowOf(config, 'ledger.url')).to.equal(undefined);
    expect(config.profile.tz).to.equal(null);
    expect(await originOf(config, 'groups.default.disk'), 'of a value that was removed').to.equal('default');
  });

  it('takes endpoints from the environment first, a region only if the file has none', async () => {
    const q = { backend: 'aws', bucket: 'acme-data' };
    writeProfile({ ...AWS, endpoints: { s3: 'http://f:1', sqs: 'http://f:2' } }, { q });
    const env = { AWS_ENDPOINT_URL: 'http://e:1', AWS_ENDPOINT_URL_S3: 'http://e:2', AWS_REGION: 'us-east-1' };
    const config = await loadAws({ env });
    expect(config.profile.endpoints).to.deep.include({ s3: 'http://e:2', sqs: 'http://e:1', sns: 'http://e:1' });
    expect(config.profile.region).to.equal('eu-west-1');
    expect(await originOf(config, 'endpoints.s3')).to.equal('AWS_ENDPOINT_URL_S3');
    const other = await load({ env, flags: { profile: 'q' } });
    expect(other.profile).to.deep.include({ region: 'us-east-1' });
    expect(await originOf(other, 'region')).to.equal('AWS_REGION');
    expect((await failure({ env: { AWS_ENDPOINT_URL: 'e:1' } })).message).to.contain('AWS_ENDPOINT_URL: found "e:1"');
  });

  it('prefers --tz over the profile, and checks it', async () => {
    write('work/batchctl.config.json', { profiles: { local: { backend: 'local', tz: 'Europe/London' } } });
    expect((await load()).profile.tz).to.equal('Europe/London');
    const config = await load({ flags: { tz: 'Asia/Tokyo' } });
    expect(config.profile.tz).to.equal('Asia/Tokyo');
    expect(await originOf(config, 'tz')).to.equal('--tz');
    await failsWith('usage', load({ flags: { tz: 'Mars' } }));
  });

  it('hides secrets when it is displayed', async () => {
    writeProfile({
      ...AWS,
      groups: { default: { env: { API_TOKEN: 'hunter2', DB: 'postgres://u:hunter2@h/d' } } },
    });
    const config = await load();
    expect(JSON.stringify(await explainConfig(config))).to.not.contain('hunter2');
    expect((await rowOf(config, 'groups.default.env.API_TOKEN'))?.value).to.equal('(hidden)');
    expect((await rowOf(config, 'groups.default.env.DB'))?.value).to.equal('postgres://u:***@h/d');
  });

  it('of this repository is valid in every profile', async () => {
    const file = new URL('../../batchctl.config.json', import.meta.url).pathname;
    const names = Object.keys((JSON.parse(readFileSync(file, 'utf8')) as { profiles: object }).profiles);
    expect(names).to.include.members(['local', 'prod', 'prod-sdb', 'prod-sql', 'lab', 'remote']);
    for (const profile of names)
      expect((await load({ flags: { config: file, profile } })).profile.name).to.equal(profile);
  });
});
