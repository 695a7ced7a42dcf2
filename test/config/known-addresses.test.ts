// Protects: a configuration that came with a clone sends no token, password or signed request where its author wants.

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { confirmSendings, requireKnownAddresses, unconfirmedSendings } from '../../src/config/known-addresses.ts';
import { type Config, loadConfig } from '../../src/config/load-config.ts';
import { forEachTest } from '../support/fixture.ts';
import { failsWith } from '../support/rejection.ts';
import { Scratch } from '../support/scratch.ts';

const MANAGER = { backend: 'manager', url: 'https://198.51.100.7/api', tokenEnv: 'BATCHCTL_TOKEN' };
const AWS = { backend: 'aws', region: 'eu-west-1', bucket: 'acme' };
const LEDGER = { kind: 'postgres', url: 'postgres://u@db.example.com:5433/d', passwordEnv: 'BATCHCTL_DB_PASSWORD' };
const SET = { BATCHCTL_TOKEN: 'bct_x', BATCHCTL_DB_PASSWORD: 'x', AWS_SECRET_ACCESS_KEY: 'x', PGPASSWORD: 'x' };

describe('what a configuration found upward sends', () => {
  const scratch = forEachTest(() => new Scratch());
  const load = (profile: object, { env = {}, flag = false } = {}): Promise<Config> => {
    const file = scratch.path('batchctl.config.json');
    writeFileSync(file, JSON.stringify({ profile: 'p', profiles: { p: profile } }));
    const flags = flag ? { config: file } : {};
    return loadConfig({ cwd: scratch.directory, home: '', etc: '', env, flags });
  };
  const env = (more: object = {}) => ({ HOME: scratch.path('home'), ...SET, ...more });
  const refusal = (config: Config, more: object = {}) =>
    failsWith(
      'refused',
      Promise.resolve().then(() => requireKnownAddresses(config, env(more))),
    );
  const confirm = (config: Config, { named = [] as string[], dryRun = false, more = {} } = {}) =>
    confirmSendings(config, { env: env(more), named, dryRun });

  it('is refused until the address is confirmed, once, for that variable', async () => {
    const config = await load(MANAGER);
    const error = await refusal(config);
    expect(error.message).to.include('sends BATCHCTL_TOKEN to https://198.51.100.7, which you have not confirmed');
    expect(error.hint).to.include('batchctl config trust --profile p, once').and.include(`--config ${config.file}`);
    const sending = { what: 'BATCHCTL_TOKEN', address: 'https://198.51.100.7' };
    expect(confirm(config, { dryRun: true })).to.deep.equal([sending]);
    await refusal(config);
    expect(confirm(config)).to.deep.equal([sending]);
    requireKnownAddresses(config, env());
    expect(confirm(config)).to.deep.equal([]);
    for (const other of [
      { ...MANAGER, url: 'https://198.51.100.8' },
      { ...MANAGER, url: 'https://198.51.100.7:8443' },
      { ...MANAGER, url: 'https://198.51.100.7.evil.example' },
      { ...MANAGER, tokenEnv: 'BATCHCTL_DB_PASSWORD' },
    ])
      await refusal(await load(other));
    requireKnownAddresses(await load({ ...MANAGER, url: 'https://198.51.100.7/elsewhere' }), env());
  });

  it('is kept in a file of the user alone, which only grows', async () => {
    confirm(await load(MANAGER));
    confirm(await load({ ...MANAGER, url: 'https://second.example' }));
    const file = scratch.path('home', '.local/state/batchctl/known-addresses');
    const lines = 'https://198.51.100.7 BATCHCTL_TOKEN\nhttps://second.example BATCHCTL_TOKEN\n';
    expect(readFileSync(file, 'utf8')).to.equal(lines);
    for (const path of [file, dirname(file)]) expect(statSync(path).mode & 0o077, path).to.equal(0);
    const elsewhere = { XDG_STATE_HOME: scratch.path('state') };
    await refusal(await load(MANAGER), elsewhere);
    confirm(await load(MANAGER), { more: elsewhere });
    expect(readFileSync(scratch.path('state', 'batchctl/known-addresses'), 'utf8')).to.include('BATCHCTL_TOKEN');
    requireKnownAddresses(await load(MANAGER), env({ XDG_STATE_HOME: 'relative' }));
  });

  it('is only a variable of batchctl, unless the user names another', async () => {
    for (const tokenEnv of ['AWS_SECRET_ACCESS_KEY', 'PGPASSWORD', 'batchctl_token']) {
      for (const url of [MANAGER.url, 'http://127.0.0.1:8787']) {
        const config = await load({ ...MANAGER, url, tokenEnv });
        const error = await refusal(config, { batchctl_token: 'x' });
        expect(error.hint, tokenEnv).to.include(`batchctl config trust --profile p --send ${tokenEnv}`);
        for (const named of [[], ['BATCHCTL_TOKEN']]) {
          const refused = await failsWith(
            'usage',
            Promise.resolve().then(() => confirm(config, { named })),
          );
          expect(refused.hint).to.include(`--send ${tokenEnv}`);
        }
        confirm(config, { named: [tokenEnv] });
        requireKnownAddresses(config, env({ batchctl_token: 'x' }));
      }
    }
  });

  it('is not asked about where nothing is sent, or to this machine', async () => {
    requireKnownAddresses(await load(MANAGER), { HOME: scratch.path('home') });
    requireKnownAddresses(await load(MANAGER), env({ BATCHCTL_TOKEN: '' }));
    for (const url of ['http://127.0.0.1:8787', 'http://localhost:8787', 'http://[::1]:8787', 'https://127.3.4.5'])
      requireKnownAddresses(await load({ ...MANAGER, url }), env());
    await refusal(await load({ ...MANAGER, url: 'https://127.0.0.1.evil.example' }));
    requireKnownAddresses(await load({ backend: 'local' }), env());
    requireKnownAddresses(await load(AWS), env());
  });

  it('is not asked about if the user named the file', async () => {
    requireKnownAddresses(await load({ ...MANAGER, tokenEnv: 'PGPASSWORD' }, { flag: true }), env());
    const file = scratch.path('batchctl.config.json');
    const named = await loadConfig({ cwd: '/', home: '', etc: '', env: { BATCHCTL_CONFIG: file } });
    requireKnownAddresses(named, env());
  });

  it('includes the password of a ledger, and requests to endpoints that the file names', async () => {
    const endpoints = { s3: 'https://s3.evil.example/x', sqs: 'https://s3.evil.example', ec2: 'http://127.0.0.1:5000' };
    const config = await load({ ...AWS, ledger: LEDGER, endpoints });
    expect(unconfirmedSendings(config, env())).to.deep.equal([
      { what: 'BATCHCTL_DB_PASSWORD', address: 'postgres://db.example.com:5433' },
      { what: 'AWS credentials', address: 'https://s3.evil.example' },
    ]);
    expect((await refusal(config, { BATCHCTL_DB_PASSWORD: '' })).message).to.include(
      'sends requests signed with your AWS credentials to https://s3.evil.example',
    );
    confirm(config);
    requireKnownAddresses(config, env());
    const own = await load(AWS, { env: { AWS_ENDPOINT_URL_S3: 'https://minio.example' } });
    expect(own.profile).to.have.nested.property('endpoints.s3', 'https://minio.example');
    requireKnownAddresses(own, env());
  });

  it('includes the secret of a ledger, which the user must name, on this machine too', async () => {
    const secret = 'secretsmanager:prod/db#password';
    for (const host of ['db.example.com:5433', 'localhost:5433']) {
      const ledger = { kind: 'postgres', url: `postgres://u@${host}/d`, password: secret };
      const config = await load({ ...AWS, ledger });
      const sending = { what: secret, address: `postgres://${host}` };
      const error = await refusal(config);
      expect(error.message).to.include(`sends ${secret} to postgres://${host}, which you have not confirmed`);
      expect(error.hint).to.include(`batchctl config trust --profile p --send '${secret}'`);
      const unnamed = await failsWith(
        'usage',
        Promise.resolve().then(() => confirm(config)),
      );
      expect(unnamed.message).to.include(`sends the secret ${secret} to postgres://${host}`);
      expect(confirm(config, { named: [secret] })).to.deep.equal([sending]);
      requireKnownAddresses(config, env());
    }
  });
});
