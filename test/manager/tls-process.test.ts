// Protects: a renewed certificate is used without a restart, and a bad one does not break the manager.
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { fingerprintOf } from '../../src/lib/certificate.ts';
import type { CheckResult } from '../../src/model/answers/upkeep.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { parseJsonLines } from '../support/json-lines.ts';
import { connectTls, writeCertificate } from '../support/manager/certificate-pair.ts';
import { linesOf, listeningLine, MANAGER } from '../support/manager/manager-lines.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

describe('a manager with a certificate from files', () => {
  const workspace = forEachTest(() => new Workspace());

  it('uses a renewed certificate after SIGHUP, and keeps it if the next one is unusable', async () => {
    const first = await writeCertificate(workspace.dir, 'one');
    const running = workspace.start([...MANAGER, '--tls-cert', 'cert.pem', '--tls-key', 'key.pem']);
    const { address, fingerprint } = await listeningLine(running);
    expect(fingerprint).to.equal(first);
    const { protocol, port } = new URL(address);
    expect(protocol).to.equal('https:');
    const usedFingerprint = async (): Promise<string> => fingerprintOf((await connectTls(Number(port))).peer.raw);
    expect(await usedFingerprint()).to.equal(first);
    const second = await writeCertificate(workspace.dir, 'two');
    running.child.kill('SIGHUP');
    await until('new connections use the second', async () => (await usedFingerprint()) === second);
    writeFileSync(workspace.path('key.pem'), 'rubbish');
    running.child.kill('SIGHUP');
    const warning = await until('it warns', () => linesOf(running).find(({ level }) => level === 'warning'));
    expect(warning.text).to.include('the current certificate stays in use').and.include('key.pem');
    expect(await usedFingerprint()).to.equal(second);
    running.child.kill('SIGTERM');
    const { code, stderr } = await running.ended;
    expect(code, stderr).to.equal(0);
    expect(stderr).to.not.include('PRIVATE KEY');
  });

  it('is warned of by doctor two weeks before it expires, with the fix for those who pin it', async () => {
    const HOUR_MS = 3_600_000;
    const inDays = (days: number): number => Date.now() + days * 24 * HOUR_MS;
    const fingerprint = await writeCertificate(workspace.dir, 'localhost', inDays(14) - HOUR_MS);
    const running = workspace.start([...MANAGER, '--tls-cert', 'cert.pem', '--tls-key', 'key.pem']);
    const { port } = new URL((await listeningLine(running)).address);
    const { stdout } = await workspace.run(['manager', 'token', 'create', 'ann', '--scope', 'read']);
    const far = { backend: 'manager', url: `https://localhost:${port}`, tokenEnv: 'BATCHCTL_TOKEN' };
    const configure = (pinned: string): void =>
      workspace.write('batchctl.config.json', { profiles: { pinned: { ...far, fingerprint: pinned }, signed: far } });
    configure(fingerprint);
    const env = { BATCHCTL_TOKEN: stdout.trim() };
    const authority = { NODE_EXTRA_CA_CERTS: workspace.path('cert.pem') };
    const examine = async (profile: string) => {
      const words = ['doctor', '--json', '--profile', profile];
      // Only a process of its own reads NODE_EXTRA_CA_CERTS.
      const ended = await (profile === 'signed'
        ? workspace.start(words, { ...env, ...authority }).ended
        : workspace.run(words, env));
      const lines = parseJsonLines<CheckResult>(expectExit(ended).stdout);
      return lines.find(({ code }) => code === 'certificate') ?? null;
    };
    const expires = new X509Certificate(readFileSync(workspace.path('cert.pem'))).validTo;
    const message = `its certificate expires ${new Date(expires).toISOString()}`;
    const pinned = 'a renewed certificate has another fingerprint: get it and correct the profile';
    const signed = 'renew the files of --tls-cert and --tls-key on the manager; it reloads them';
    const warned = { code: 'certificate', severity: 'warn', message };
    expect(await examine('pinned')).to.deep.equal({ ...warned, fix: pinned });
    expect(await examine('signed')).to.deep.equal({ ...warned, fix: signed });

    const later = await writeCertificate(workspace.dir, 'localhost', inDays(14) + HOUR_MS);
    running.child.kill('SIGHUP');
    await until(
      'it uses the renewed one',
      async () => fingerprintOf((await connectTls(Number(port))).peer.raw) === later,
    );
    configure(later);
    expect(await examine('pinned')).to.equal(null);
    running.child.kill('SIGTERM');
    expectExit(await running.ended);
  });
});
