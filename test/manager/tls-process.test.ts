// Protects: a renewed certificate is used without a restart, and a bad one does not break the manager.
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { fingerprintOf } from '../../src/lib/fingerprint.ts';
import { forEachTest } from '../support/fixture.ts';
import { layPair, shownBy } from '../support/manager/shown-certificate.ts';
import { until } from '../support/until.ts';
import { type Running, Workspace } from '../support/workspace.ts';

interface Line {
  readonly event: string;
  readonly level: string;
  readonly text: string;
  readonly address?: string;
  readonly fingerprint?: string;
}

const MANAGER = ['manager', '--listen', '127.0.0.1:0', '--json', '--tls-cert', 'cert.pem', '--tls-key', 'key.pem'];

const linesOf = (running: Running): readonly Line[] =>
  running
    .said()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Line);

describe('a manager with a certificate from files', () => {
  const workspace = forEachTest(() => new Workspace());

  it('uses a renewed certificate after SIGHUP, and keeps it if the next one is unusable', async () => {
    const first = await layPair(workspace.dir, 'one');
    const running = workspace.start(MANAGER);
    const listening = await until('it listens', () => linesOf(running).find(({ event }) => event === 'listening'));
    expect(listening).to.include({ fingerprint: first });
    const { protocol, port } = new URL(listening.address ?? '');
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
