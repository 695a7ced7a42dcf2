// Protects: manager tokens can be created, listed and revoked, and are never shown again after creation.

import { expect } from 'chai';
import { main } from '../../src/cli/main.ts';
import { hashOf } from '../../src/jobs/tokens.ts';
import { ensureCertificate } from '../../src/manager/tls/open-tls.ts';
import { tokenKey } from '../../src/model/keys.ts';
import { TOKEN_TEXT } from '../../src/model/token.ts';
import { forEachTest } from '../support/fixture.ts';
import { until } from '../support/until.ts';
import { type Running, Workspace } from '../support/workspace.ts';
import { fakeIo } from './fake-io.ts';

describe('batchctl manager token', () => {
  const workspace = forEachTest(() => new Workspace());

  const token = (...args: readonly string[]) => workspace.run(['manager', 'token', ...args]);

  it('create prints only the token, for a variable to hold', async () => {
    const { code, stdout, stderr } = await token('create', 'ann');
    expect(code, stderr).to.equal(0);
    expect(stdout.trim()).to.match(TOKEN_TEXT);
    expect(stderr).to.not.include(stdout.trim());
    expect(stderr).to.include('-> local: .batchctl');
  });

  it('create, list and revoke agree on a token, and never print its text again', async () => {
    const made = await token('create', 'ann', '--scope', 'operate', '--expires', '90d', '--json');
    const created = JSON.parse(made.stdout) as Record<string, string>;
    const { token: text, ...known } = created;
    expect(known).to.include({ name: 'ann', scope: 'operate' });
    expect(Date.parse(known.expires ?? '') - Date.parse(known.at ?? '')).to.equal(90 * 86_400_000);
    const listed = await token('list', '--json');
    expect(JSON.parse(listed.stdout)).to.deep.equal({ ...known, expired: false, used: null });
    const table = await token('list');
    expect(table.stdout).to.match(/ann +operate/);
    expect(listed.stdout + table.stdout + table.stderr).to.not.include(text?.slice(4, 20));
    expect((await token('revoke', 'ann')).code).to.equal(7);
    const would = await token('revoke', 'ann', '--dry-run', '--json');
    expect(JSON.parse(would.stdout)).to.deep.equal({ ids: [known.id], revoked: false });
    const { code, stdout } = await token('revoke', known.id ?? '', '--yes', '--json');
    expect(code).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.equal({ ids: [known.id], revoked: true });
    const none = await token('list');
    expect(none.stdout).to.equal('');
    expect(none.stderr).to.include('no tokens');
    expect((await token('revoke', 'ann', '--yes')).code).to.equal(4);
  });

  it('create rejects a name in use, and --dry-run reports that and creates nothing', async () => {
    const would = await token('create', 'ann', '--dry-run', '--json');
    expect(JSON.parse(would.stdout)).to.deep.include({
      token: null,
      id: null,
      name: 'ann',
      scope: 'read',
      expires: null,
    });
    expect((await token('list', '--json')).stdout).to.equal('');
    await token('create', 'ann');
    for (const flags of [[], ['--dry-run']]) {
      const { code, stderr } = await token('create', 'ann', ...flags);
      expect(code).to.equal(7);
      expect(stderr).to.include('a token ann exists already');
    }
    expect((await token('create', 'Ann')).code).to.equal(2);
    expect((await token('create', 'bob', '--scope', 'all')).code).to.equal(2);
    expect((await token('create', 'bob', '--expires', 'soon')).code).to.equal(2);
    expect((await token('create', 'bob', '--url', 'http://198.51.100.7')).code).to.equal(2);
  });

  it('create prints on a terminal what the holder must configure, with the fingerprint', async () => {
    const { fingerprint } = await ensureCertificate(await workspace.platform(), []);
    const io = fakeIo({ cwd: workspace.dir, env: { HOME: workspace.dir }, tty: true });
    expect(await main(['manager', 'token', 'create', 'ann', '--url', 'https://198.51.100.7/'], io)).to.equal(0);
    const made = io.stdout.text.trim();
    expect(made).to.match(TOKEN_TEXT);
    expect(io.stderr.text).to.include('It is shown only once').and.not.include(made);
    const profile = /"local": (\{.*\})/.exec(io.stderr.text)?.[1] ?? '';
    expect(JSON.parse(profile)).to.deep.equal({
      ...{ backend: 'manager', url: 'https://198.51.100.7', tokenEnv: 'BATCHCTL_TOKEN', fingerprint },
    });
    const told = await workspace.run(['manager', 'fingerprint']);
    expect(told.stdout.trim()).to.equal(fingerprint);
  });

  it('fingerprint says how to create one if there is none', async () => {
    await workspace.platform();
    const { code, stderr } = await workspace.run(['manager', 'fingerprint']);
    expect(code).to.equal(4);
    expect(stderr).to.include('batchctl manager --listen');
  });

  it('is refused with the reason on a profile that uses a manager', async () => {
    workspace.write('batchctl.config.json', {
      profiles: { remote: { backend: 'manager', url: 'https://198.51.100.7' } },
    });
    for (const args of [
      ['token', 'create', 'ann'],
      ['token', 'list'],
      ['token', 'revoke', 'ann', '--yes'],
      ['fingerprint'],
    ]) {
      const { code, stderr, stdout } = await workspace.run(['manager', ...args, '--profile', 'remote']);
      expect(code, stderr).to.equal(3);
      expect(stdout).to.equal('');
    }
  });

  it("list names a token that it can't read, and revoke removes it", async () => {
    const hash = hashOf('x');
    const { store } = await workspace.platform();
    await store.put(tokenKey(hash), '{"format":7}');
    const { code, stderr } = await token('list');
    expect(code).to.equal(0);
    expect(stderr).to.include(`token ${hash.slice(0, 12)} is invalid`);
    expect((await token('revoke', hash.slice(0, 12), '--yes')).code).to.equal(0);
    expect(await store.head(tokenKey(hash))).to.equal(null);
  });

  it('revoke takes effect in a running manager within seconds', async () => {
    const { stdout } = await token('create', 'ann');
    const manager: Running = workspace.start(['manager', '--listen', '127.0.0.1:0']);
    const url = await until('it listens', () => /listening at (http:\S+?),/.exec(manager.said())?.[1]);
    const status = async (): Promise<number> => {
      const headers = { authorization: `Bearer ${stdout.trim()}` };
      return (await fetch(`${url}/api/v1/jobs`, { headers })).status;
    };
    expect(await status()).to.equal(200);
    await token('revoke', 'ann', '--yes');
    const began = performance.now();
    await until('it is refused', async () => (await status()) === 401);
    expect(performance.now() - began).to.be.below(30_000);
    manager.child.kill('SIGTERM');
    await until('it is leaving', () => manager.said().includes('shutting down'));
    const told = performance.now();
    expect((await manager.ended).code).to.equal(0);
    // Its only connection is idle, so it need not wait ten seconds for it.
    expect(performance.now() - told).to.be.below(9_500);
    expect(manager.said()).to.match(/audit \{.*"status":401/);
    expect(manager.said()).to.not.include(stdout.trim());
  });

  it('a manager reachable from other machines uses TLS, and prints its fingerprint', async () => {
    const manager = workspace.start(['manager', '--listen', '0.0.0.0:0']);
    await until('it listens', () => manager.said().includes('fingerprint sha256:'));
    const { stdout } = await workspace.run(['manager', 'fingerprint']);
    expect(manager.said()).to.include(`fingerprint ${stdout.trim()}`).and.include('listening at https://');
    manager.child.kill('SIGTERM');
    expect((await manager.ended).code).to.equal(0);
    const lacking = await workspace.run(['manager', '--tls-cert', 'cert.pem']);
    expect(lacking.code).to.equal(2);
    const none = await workspace.run(['manager', '--tls-cert', 'cert.pem', '--tls-key', 'key.pem']);
    expect(none.code).to.equal(3);
    expect(none.stderr).to.include('cert.pem');
  });
});
