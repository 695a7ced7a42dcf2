// Protects: manager tokens can be created, listed and revoked, and are never shown again after creation.

import { expect } from 'chai';
import { main } from '../../src/cli/main.ts';
import { hashOf } from '../../src/jobs/tokens.ts';
import { ensureCertificate } from '../../src/manager/tls/open-tls.ts';
import { tokenKey } from '../../src/model/keys.ts';
import { TOKEN_TEXT } from '../../src/model/token.ts';
import { forEachTest } from '../support/fixture.ts';
import { linesOf, listeningLine, MANAGER } from '../support/manager/manager-lines.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { fakeIo } from './fake-io.ts';

describe('batchctl manager token', () => {
  const workspace = forEachTest(() => new Workspace());

  const token = (...args: readonly string[]) => workspace.run(['manager', 'token', ...args]);

  it('create prints only the token on stdout', async () => {
    const { stdout, stderr } = await workspace.runSuccessfully('manager', 'token', 'create', 'ann');
    expect(stdout.trim()).to.match(TOKEN_TEXT);
    expect(stderr).to.not.include(stdout.trim());
    expect(stderr).to.include('-> local: .batchctl');
  });

  it('create, list and revoke agree on a token, and never print its text again', async () => {
    const created = await token('create', 'ann', '--scope', 'operate', '--expires', '90d', '--json');
    const { token: text, ...fields } = JSON.parse(created.stdout);
    expect(fields).to.include({ name: 'ann', scope: 'operate' });
    expect(Date.parse(fields.expires) - Date.parse(fields.at)).to.equal(90 * 86_400_000);
    const listed = await token('list', '--json');
    expect(JSON.parse(listed.stdout)).to.deep.equal({ ...fields, expired: false, used: null });
    const table = await token('list');
    expect(table.stdout).to.match(/ann +operate/);
    expect(listed.stdout + table.stdout + table.stderr).to.not.include(text.slice(4, 20));
    expect((await token('revoke', 'ann')).code).to.equal(7);
    const preview = await token('revoke', 'ann', '--dry-run', '--json');
    expect(JSON.parse(preview.stdout)).to.deep.equal({ ids: [fields.id], revoked: false });
    const { code, stdout } = await token('revoke', fields.id, '--yes', '--json');
    expect(code).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.equal({ ids: [fields.id], revoked: true });
    const none = await token('list');
    expect(none.stdout).to.equal('');
    expect(none.stderr).to.include('no tokens');
    expect((await token('revoke', 'ann', '--yes')).code).to.equal(4);
  });

  it('create rejects a name in use, and --dry-run reports that and creates nothing', async () => {
    const preview = JSON.parse((await token('create', 'ann', '--dry-run', '--json')).stdout);
    expect(preview).to.deep.include({ token: null, id: null, name: 'ann', scope: 'read', expires: null });
    expect((await token('list', '--json')).stdout).to.equal('');
    await token('create', 'ann');
    for (const flags of [[], ['--dry-run']]) {
      const { code, stderr } = await token('create', 'ann', ...flags);
      expect(code).to.equal(7);
      expect(stderr).to.include('a token ann exists already');
    }
    for (const args of [
      ['Ann'],
      ['bob', '--scope', 'all'],
      ['bob', '--expires', 'soon'],
      ['bob', '--url', 'http://a.b'],
    ])
      expect((await token('create', ...args)).code, args.join(' ')).to.equal(2);
  });

  it('create prints on a terminal what the holder must configure, with the fingerprint', async () => {
    const { fingerprint } = await ensureCertificate(await workspace.platform(), []);
    const io = fakeIo({ cwd: workspace.dir, env: { HOME: workspace.dir }, tty: true });
    expect(await main(['manager', 'token', 'create', 'ann', '--url', 'https://198.51.100.7/'], io)).to.equal(0);
    const text = io.stdout.text.trim();
    expect(text).to.match(TOKEN_TEXT);
    expect(io.stderr.text).to.include('It is shown only once').and.not.include(text);
    const profile = /"local": (\{.*\})/.exec(io.stderr.text)?.[1] ?? '';
    expect(JSON.parse(profile)).to.deep.equal({
      backend: 'manager',
      url: 'https://198.51.100.7',
      tokenEnv: 'BATCHCTL_TOKEN',
      fingerprint,
    });
    const { stdout } = await workspace.run(['manager', 'fingerprint']);
    expect(stdout.trim()).to.equal(fingerprint);
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

  it('revoke takes effect in a running manager, which exits with 0 when it is told to stop', async () => {
    const text = (await token('create', 'ann')).stdout.trim();
    const manager = workspace.start(MANAGER);
    const { address } = await listeningLine(manager);
    const status = async (): Promise<number> => {
      const headers = { authorization: `Bearer ${text}` };
      return (await fetch(`${address}/api/v1/jobs`, { headers })).status;
    };
    expect(await status()).to.equal(200);
    await token('revoke', 'ann', '--yes');
    await until('the token is refused', async () => (await status()) === 401);
    manager.child.kill('SIGTERM');
    expect((await manager.ended).code).to.equal(0);
    expect(
      linesOf(manager).some(({ event, text: line }) => event === 'audit' && line.includes('"status":401')),
    ).to.equal(true);
    expect(manager.printed()).to.not.include(text);
  });

  it('a manager reachable from other machines uses TLS, and prints its fingerprint', async () => {
    const manager = workspace.start(['manager', '--listen', '0.0.0.0:0']);
    await until('the manager listens', () => manager.printed().includes('fingerprint sha256:'));
    const { stdout } = await workspace.run(['manager', 'fingerprint']);
    expect(manager.printed()).to.include(`fingerprint ${stdout.trim()}`).and.include('listening at https://');
    manager.child.kill('SIGTERM');
    expect((await manager.ended).code).to.equal(0);
    expect((await workspace.run(['manager', '--tls-cert', 'cert.pem'])).code).to.equal(2);
    const missing = await workspace.run(['manager', '--tls-cert', 'cert.pem', '--tls-key', 'key.pem']);
    expect(missing.code).to.equal(3);
    expect(missing.stderr).to.include('cert.pem');
  });
});
