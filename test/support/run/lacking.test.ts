// Protects: a contributor who lacks a program can still run the other tests, and CI never skips a test silently.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { forSuite } from '../fixture.ts';
import { Scratch } from '../scratch.ts';

const ROOT = join(import.meta.dirname, '../../..');

/**
 * Two suites that share the start of a server, as suites share moto, which needs a missing program after another server has
 * started; and a test that needs a missing program half way.
 */
const SUITES = `
import { createServer } from 'node:net';
import { startProgram } from '${join(import.meta.dirname, '../servers/program.ts')}';
import { installed } from '${join(import.meta.dirname, 'lacking.ts')}';
const start = async () => {
  await startProgram({ command: '/bin/sleep', args: ['1000'], ready: async () => true });
  installed('zsh');
};
let shared;
for (const name of ['one', 'two'])
  describe(name, () => {
    before(async () => { await (shared ??= start()); });
    it('needs it', () => { throw new Error('it ran'); });
    describe('inner', () => it('needs it too', () => { throw new Error('it ran'); }));
  });
it('needs another in the middle', () => { installed('fish'); throw new Error('it went on'); });
it('needs nothing', () => undefined);
createServer().listen(0, '127.0.0.1');
`;

describe('a test run on a machine without a program that tests need', () => {
  const scratch = forSuite(() => new Scratch());
  before(() => {
    writeFileSync(scratch.path('suites.test.ts'), SUITES);
    writeFileSync(scratch.path('package.json'), '{"type":"module"}');
  });

  /** `npm test -- FILE` with nothing in PATH. */
  async function run(
    env: Readonly<Record<string, string>>,
  ): Promise<{ readonly code: number; readonly output: string }> {
    const { directory } = scratch;
    const child = spawn(process.execPath, ['.ci/test.mjs', 'all', scratch.path('suites.test.ts')], {
      cwd: ROOT,
      env: { PATH: directory, HOME: directory, TMPDIR: directory, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const texts = Promise.all([text(child.stdout), text(child.stderr)]);
    const [output, [code]] = await Promise.all([texts, once(child, 'close') as Promise<[number]>]);
    return { code, output: output.join('') };
  }

  it('skips the tests that need it, says what to install, and ends although a server is still running', async () => {
    const { code, output } = await run({});
    expect(code, output).to.equal(0);
    expect(output).to.include('skipped: zsh is not installed (apt-get install zsh)');
    expect(output).to.include('1 passing, 0 failing, 5 skipped\nto run what was skipped: apt-get install fish zsh\n');
  });

  it('fails under CI', async () => {
    const { code, output } = await run({ CI: '1' });
    expect(code, output).to.equal(1);
    expect(output).to.include('\n1 passing, 3 failing, 0 skipped\n');
    expect(output).to.include('zsh is not installed (apt-get install zsh)');
  });
});
