// Protects: a renewed certificate is used without a restart, and a bad one does not break the manager.
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { fingerprintOf } from '../../src/lib/certificate.ts';
import { forEachTest } from '../support/fixture.ts';
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
});
