// Protects: a contributor who lacks a program can still run the other tests, and CI never skips a test silently.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';

const ROOT = join(import.meta.dirname, '../../..');

/**
 * Two suites that share what another program is wanted for, as suites share moto, when a server of theirs runs already; and a
 * test that wants a program in the middle.
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

describe('a machine that lacks a program of the tests', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'lacking-'));
    writeFileSync(join(dir, 'suites.test.ts'), SUITES);
    writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  /** `npm test -- FILE` with nothing in PATH. */
  async function run(env: Readonly<Record<string, string>>): Promise<{ readonly code: number; readonly said: string }> {
    const child = spawn(process.execPath, ['.ci/test.mjs', 'all', join(dir, 'suites.test.ts')], {
      ...{ cwd: ROOT, env: { PATH: dir, HOME: dir, TMPDIR: dir, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
    });
    const saying = Promise.all([text(child.stdout), text(child.stderr)]);
    const [said, [code]] = await Promise.all([saying, once(child, 'close') as Promise<[number]>]);
    return { code, said: said.join('') };
  }

  it('skips what needs it, says what to install, and ends though a server was left', async () => {
    const { code, said } = await run({});
    expect(code, said).to.equal(0);
    expect(said).to.include('skipped: zsh is not installed (apt-get install zsh)');
    expect(said).to.include('1 passing, 0 failing, 5 skipped\nto run what was skipped: apt-get install fish zsh\n');
  });

  it('fails under CI', async () => {
    const { code, said } = await run({ CI: '1' });
    expect(code, said).to.equal(1);
    expect(said).to.include('\n1 passing, 3 failing, 0 skipped\n');
    expect(said).to.include('zsh is not installed (apt-get install zsh)');
  });
});
