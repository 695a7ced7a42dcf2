import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { KEYS } from '../support/aws-keys.ts';
import { killProcessesOf } from '../support/run/processes.mjs';
import { freePort } from '../support/servers/program.ts';
import { type Block, lasting, markedBlocks } from './readme-blocks.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The built program; another build of it is tested with `BATCHCTL_TEST_BIN`. */
const BIN = process.env.BATCHCTL_TEST_BIN ?? join(ROOT, 'bin/batchctl.js');
/** They replace jq and curl where those are not installed. */
const STAND_INS = join(import.meta.dirname, 'stand-ins.mjs');

/** The AWS CLI, in a fork of a process that has loaded it where a test started one. */
const AWS = join(ROOT, 'test/support/boot/bin/aws');

/** A directory as a reader makes one, with `batchctl` on the path. */
export class ReaderShell {
  readonly #dir = mkdtempSync(join(tmpdir(), 'batchctl-readme-'));
  readonly work = join(this.#dir, 'month-end');
  readonly #bin = join(this.#dir, 'bin');

  /** The reader's environment. */
  readonly env: Readonly<Record<string, string>>;

  constructor(env: Readonly<Record<string, string>> = {}) {
    const last = join(this.#dir, 'stand-ins');
    const { PATH, BATCHCTL_TEST_RUN = '' } = process.env;
    this.env = { PATH: `${this.#bin}:${PATH}:${last}`, HOME: this.#dir, TZ: 'UTC', BATCHCTL_TEST_RUN, ...env };
    for (const directory of [this.work, this.#bin, last]) mkdirSync(directory);
    const program = (path: string, command: string): void =>
      writeFileSync(path, `#!/bin/sh\nexec "${process.execPath}" ${command} "$@"\n`, { mode: 0o755 });
    program(join(this.#bin, 'batchctl'), `"${BIN}"`);
    symlinkSync(AWS, join(this.#bin, 'aws'));
    for (const name of ['jq', 'curl']) program(join(last, name), `"${STAND_INS}" ${name}`);
  }

  /** Runs a line as a shell does; stdout and stderr together, as on a terminal. `env`: of this line alone. */
  async sh(
    script: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
    const child = spawn('/bin/sh', ['-c', `{ ${script}\n} 2>&1`], {
      cwd: this.work,
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(child, 'close');
    const stdout = await text(child.stdout);
    const [code]: (number | null)[] = await ended;
    return { code: code ?? null, lines: stdout.replace(/\n$/, '').split('\n') };
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.work, name), text);
  }

  /** First kills workers and managers that are still running: they would create their directory again. */
  async remove(): Promise<void> {
    await killProcessesOf(this.#dir);
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** Milliseconds for all commands of a page, forty and more, on a busy machine. */
export const PAGE_MS = 900_000;

/**
 * Pages whose commands need nothing but this machine, by the set of tests that runs them: the two that a newcomer reads first
 * run in `npm test`. The other pages with commands are tried by tests of their own.
 */
export const PAGES = {
  local: ['README.md', 'docs/tour.md'],
  services: ['docs/failures.md', 'docs/manager.md', 'docs/json.md', 'docs/recipes.md'],
} as const;

/** A manager's default address. */
const DEFAULT_LISTEN = '127.0.0.1:8787';

/** Does in a fresh directory what a page says, in order. */
export async function tryPage(path: (typeof PAGES)[keyof typeof PAGES][number]): Promise<void> {
  // The reader's manager has its port to itself; here another may run.
  const address = `127.0.0.1:${await freePort()}`;
  const page = readFileSync(join(ROOT, path), 'utf8').replaceAll(DEFAULT_LISTEN, address);
  await tryBlocks(page, { BATCHCTL_LISTEN: address });
}

/** Does in a fresh directory, with this environment, what the marked blocks of a page's text say. */
export async function tryBlocks(page: string, env: Readonly<Record<string, string>>): Promise<void> {
  const shell = new ReaderShell(env);
  try {
    for (const block of markedBlocks(page)) await tryOut(shell, block);
  } finally {
    await shell.remove();
  }
}

/** Does what a block of a page says, and compares what it prints with what the page shows. */
export async function tryOut(shell: ReaderShell, block: Block): Promise<void> {
  if (block.kind === 'file') {
    shell.write(block.name, block.text);
    return;
  }
  if (block.kind === 'script') {
    expect(await shell.sh(block.text), `line ${block.line}`).to.deep.equal({ code: 0, lines: [''] });
    return;
  }
  for (const { line, text, output } of block.commands) {
    const { code, lines } = await shell.sh(text);
    expect(code, `line ${line}: ${text}\n${lines.join('\n')}`).to.equal(0);
    if (block.checked) expect(lasting(lines), `line ${line}: ${text}`).to.deep.equal(lasting(output));
  }
}

/** The environment in which a profile on AWS is one on emulators: the SDK's own variables. */
export function onEmulators(url: string): Readonly<Record<string, string>> {
  return { ...KEYS, AWS_ENDPOINT_URL: url };
}
