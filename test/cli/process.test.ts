// Protects: batchctl works in pipes: only the answer is on stdout, the exit code is right and a closed pipe is no error.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const TSX = join(import.meta.dirname, '../../node_modules/tsx/dist/loader.mjs');
const RUN = `import { main } from ${JSON.stringify(MAIN)}; process.exitCode = await main(process.argv.slice(1));`;

describe('the process', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'batchctl-process-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true, force: true }));

  const start = (argv: readonly string[]) =>
    spawn(process.execPath, ['--import', TSX, '--input-type=module', '-e', RUN, '--', ...argv], {
      cwd,
      env: { PATH: process.env.PATH, HOME: cwd },
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  it('ends silently if no one reads its answer', async () => {
    const child = start(['config', 'schema']);
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
  });

  it('returns its exit code, with only the answer on stdout', async () => {
    const child = start(['config', 'show', 'backend', '--json']);
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect({ code, stdout }).to.deep.equal({
      code: 0,
      stdout: '{"path":"backend","value":"local","origin":"default"}\n',
    });
  });
});
