// Protects: a renewed certificate is used without a restart, and a bad one does not break the manager.
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { fingerprintOf } from '../../src/lib/certificate.ts';
import { forEachTest } from '../support/fixture.ts';
import { linesOf, listening } from '../support/manager/manager-lines.ts';
import { layPair, shownBy } from '../support/manager/shown-certificate.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

const MANAGER = ['manager', '--listen', '127.0.0.1:0', '--json', '--tls-cert', 'cert.pem', '--tls-key', 'key.pem'];

describe('a manager with a certificate from files', () => {
  const workspace = forEachTest(() => new Workspace());

  it('uses a renewed certificate after SIGHUP, and keeps it if the next one is unusable', async () => {
    const first = await layPair(workspace.dir, 'one');
    const running = workspace.start(MANAGER);
    const { address, fingerprint } = await listening(running);
    expect(fingerprint).to.equal(first);
    const { protocol, port } = new URL(address);
    expect(protocol).to.equal('https:');
    const shown = async (): Promise<string> => fingerprintOf((await shownBy(Number(port))).peer.raw);
    expect(await shown()).to.equal(first);
    const second = await layPair(workspace.dir, 'two');
    running.child.kill('SIGHUP');
    await until('the second is shown to who comes now', async () => (await shown()) === second);
    writeFileSync(workspace.path('key.pem'), 'rubbish');
    running.child.kill('SIGHUP');
    const told = await until('it is told', () => linesOf(running).find(({ level }) => level === 'warning'));
    expect(told.text).to.include('the current certificate stays in use').and.include('key.pem');
    expect(await shown()).to.equal(second);
    running.child.kill('SIGTERM');
    const { code, stderr } = await running.ended;
    expect(code, stderr).to.equal(0);
    expect(stderr).to.not.include('PRIVATE KEY');
  });
});
