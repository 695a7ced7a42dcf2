// Protects: a command says which account, region and stack it acts on, and never submits to a place that no one chose.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { whereLine } from '../../src/cli/context.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { fakeContext } from './fake-io.ts';

describe('where a command writes', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'batchctl-where-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true, force: true }));

  const config = (profile?: string) =>
    loadConfig({ cwd, home: '', etc: join(cwd, 'none'), env: {}, flags: { profile } });
  const contextOf = (argv: readonly string[]) => fakeContext(argv, { cwd, env: { HOME: cwd } });

  it('is the embedded default if no configuration is found', async () => {
    const { profile, file } = await config();
    expect(whereLine(profile, file, cwd)).to.equal('-> local: .batchctl (no configuration found)');
  });

  it('includes account, region, stack and file for AWS', async () => {
    const prod = { backend: 'aws', region: 'eu-west-1', account: '123456789012', stack: 'month-end', bucket: 'acme' };
    const remote = { backend: 'manager', url: 'https://198.51.100.7' };
    writeFileSync(join(cwd, 'batchctl.config.json'), JSON.stringify({ profiles: { prod, remote } }));
    const lines = await Promise.all(
      ['prod', 'remote'].map(async (name) => {
        const { profile, file } = await config(name);
        return whereLine(profile, file, cwd);
      }),
    );
    expect(lines).to.deep.equal([
      '-> prod: aws 123456789012 eu-west-1, stack month-end (batchctl.config.json)',
      '-> remote: manager https://198.51.100.7 (batchctl.config.json)',
    ]);
  });

  it('is printed once, on stderr, and not with --quiet', async () => {
    const loud = contextOf([]);
    await loud.ctx.announce();
    await loud.ctx.announce();
    expect(loud.io.stderr.text).to.equal('-> local: .batchctl (no configuration found)\n');
    const quiet = contextOf(['--quiet']);
    await quiet.ctx.announce();
    expect(quiet.io.stderr.text).to.equal('');
  });
});
