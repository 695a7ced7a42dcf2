// Protects: global flags work before and after the command's name, and never swallow its flags or arguments.

import { expect } from 'chai';
import { splitGlobalFlags } from '../../src/cli/global-flags.ts';
import { BatchctlError } from '../../src/errors.ts';

describe('flags of every command', () => {
  it("are accepted before and after the command's name alike", () => {
    const before = splitGlobalFlags(['--profile', 'prod', '--json', 'status', 'last']);
    const after = splitGlobalFlags(['status', '--json', 'last', '--profile=prod']);
    expect(before).to.deep.equal(after);
    expect(before.words).to.deep.equal(['status', 'last']);
    expect(before.flags).to.include({ profile: 'prod', json: true, quiet: false, color: true, dryRun: false });
  });

  it('are left alone after --', () => {
    const split = splitGlobalFlags(['run', '--yes', '--', 'grep', '--json', '--']);
    expect(split.rest).to.deep.equal(['grep', '--json', '--']);
    expect(split.flags).to.include({ yes: true, json: false });
  });

  it('have short names', () => {
    const split = splitGlobalFlags(['retry', '-n', 'last', '-y', '-q', '-v']);
    expect(split.words).to.deep.equal(['retry', 'last']);
    expect(split.flags).to.include({ dryRun: true, yes: true, quiet: true, verbose: true });
    expect(split.flags).to.include({ help: false, version: false });
    expect(splitGlobalFlags(['-h', '-V']).flags).to.include({ help: true, version: true });
    expect(splitGlobalFlags(['run', '--', 'sort', '-n']).flags).to.include({ dryRun: false });
  });

  it("don't interfere with a command's own flags", () => {
    const words = ['tasks', 'j', '--step', 'price', '-o', '-'];
    expect(splitGlobalFlags(words).words).to.deep.equal(words);
  });

  const mistakes: readonly (readonly [readonly string[], string])[] = [
    [['status', '--profile'], '--profile requires a value'],
    [['status', '--profile='], '--profile requires a value'],
    [['--config', '--json', 'status'], '--config requires a value'],
    [['status', '--json=yes'], '--json takes no value'],
    [['status', '--tz', 'Mars/Olympus'], 'time zone'],
  ];
  for (const [argv, message] of mistakes) {
    it(`are rejected: ${argv.join(' ')}`, () => {
      expect(() => splitGlobalFlags(argv))
        .to.throw(BatchctlError, message)
        .that.includes({ kind: 'usage' });
    });
  }
});
