// Protects: a command names the account, region and stack on which it acts.

import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { whereLine } from '../../src/cli/context.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { forEachTest } from '../support/fixture.ts';
import { Scratch } from '../support/scratch.ts';
import { fakeContext } from './fake-io.ts';

describe('where a command writes', () => {
  const scratch = forEachTest(() => new Scratch());

  const lineOf = async (name?: string): Promise<string> => {
    const { directory: cwd } = scratch;
    const flags = { profile: name };
    const { profile, file } = await loadConfig({ cwd, home: '', etc: scratch.path('none'), env: {}, flags });
    return whereLine(profile, file, cwd);
  };
  const contextOf = (argv: readonly string[]) =>
    fakeContext(argv, { cwd: scratch.directory, env: { HOME: scratch.directory } });

  it('is the embedded default if no configuration is found', async () => {
    expect(await lineOf()).to.equal('-> local: .batchctl (no configuration found)');
  });

  it('includes account, region, stack and file for AWS', async () => {
    const prod = { backend: 'aws', region: 'eu-west-1', account: '123456789012', stack: 'month-end', bucket: 'acme' };
    const remote = { backend: 'manager', url: 'https://198.51.100.7' };
    writeFileSync(scratch.path('batchctl.config.json'), JSON.stringify({ profiles: { prod, remote } }));
    expect(await Promise.all(['prod', 'remote'].map(lineOf))).to.deep.equal([
      '-> prod: aws 123456789012 eu-west-1, stack month-end (batchctl.config.json)',
      '-> remote: manager https://198.51.100.7 (batchctl.config.json)',
    ]);
  });

  it('is printed once, on stderr, and not with --quiet', async () => {
    const announced = contextOf([]);
    await announced.ctx.announce();
    await announced.ctx.announce();
    expect(announced.io.stderr.text).to.equal('-> local: .batchctl (no configuration found)\n');
    const quiet = contextOf(['--quiet']);
    await quiet.ctx.announce();
    expect(quiet.io.stderr.text).to.equal('');
  });
});
