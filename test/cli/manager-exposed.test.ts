// Protects: an operator who opens a manager to everyone is told.
import { expect } from 'chai';
import { validateAllow } from '../../src/infra/validate.ts';
import { forEachTest } from '../support/fixture.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

describe('a manager that anyone may reach', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  const linesOf = async (...flags: readonly string[]): Promise<string> => {
    const { child, printed, ended } = workspace.start(['manager', ...flags]);
    await until('it listens', () => printed().includes('fingerprint sha256:') || printed().includes('127.0.0.1:'));
    child.kill('SIGTERM');
    await ended;
    return printed();
  };

  for (const listen of ['0.0.0.0:0', '[::]:0', ':0'])
    it(`because it listens at ${listen} says so in its log`, async () => {
      expect(await linesOf('--listen', listen)).to.match(/ warning: this manager listens at all addresses .*firewall/);
    });

  it('is not one that listens at one address', async () => {
    expect(await linesOf('--listen', '127.0.0.1:0')).not.to.include('warning');
  });

  it('because of manager.allow is a warning of infra plan and infra up', () => {
    const found = (...allow: readonly string[]) => validateAllow({ manager: { instance: 't4g.small', allow } });
    for (const wide of ['0.0.0.0/0', '::/0', '0.0.0.0/1', '128.0.0.0/7', '2000::/3', '2001::/15'])
      expect(
        found('203.0.113.0/24', wide)
          .map(({ message }) => message)
          .join(),
        wide,
      ).to.include(`has ${wide}: nearly`);
    expect(found('203.0.113.0/24', '10.0.0.0/8', '2001::/16')).to.deep.equal([]);
    expect(validateAllow({ manager: null })).to.deep.equal([]);
  });
});
