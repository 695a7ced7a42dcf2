// Protects: batchctl works in pipes: only the answer is on stdout, the exit code is right and a closed pipe is no error.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { Scratch } from '../support/scratch.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const TSX = join(import.meta.dirname, '../../node_modules/tsx/dist/loader.mjs');
const RUN = `import { main } from ${JSON.stringify(MAIN)}; process.exitCode = await main(process.argv.slice(1));`;

describe('the process', () => {
  const scratch = forEachTest(() => new Scratch());

  const start = (...argv: readonly string[]) =>
    spawn(process.execPath, ['--import', TSX, '--input-type=module', '-e', RUN, '--', ...argv], {
      cwd: scratch.directory,
      env: { PATH: process.env.PATH, HOME: scratch.directory },
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  it('ends silently if its answer is not read', async () => {
    const child = start('schema', 'config');
    child.stdout.destroy();
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
  });

  it('returns its exit code, with only the answer on stdout', async () => {
    const child = start('config', 'show', 'backend', '--json');
    const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    expect(code).to.equal(0);
    expect(stdout).to.equal('{"path":"backend","value":"local","origin":"default"}\n');
  });
});
