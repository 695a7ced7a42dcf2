import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The built program; another build of it is tested with `BATCHCTL_TEST_BIN`. */
const BIN = process.env.BATCHCTL_TEST_BIN ?? join(ROOT, 'bin/batchctl.js');

/** A directory as a reader makes one, with `batchctl` on the path. */
export class ReaderShell {
  readonly #dir = mkdtempSync(join(tmpdir(), 'batchctl-readme-'));
  readonly work = join(this.#dir, 'month-end');
  readonly #bin = join(this.#dir, 'bin');

  /** The reader's environment. */
  readonly env: Readonly<Record<string, string>>;

  constructor(env: Readonly<Record<string, string>> = {}) {
    this.env = { PATH: `${this.#bin}:${process.env.PATH}`, HOME: this.#dir, TZ: 'UTC', ...env };
    for (const directory of [this.work, this.#bin]) mkdirSync(directory);
    writeFileSync(join(this.#bin, 'batchctl'), `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`, {
      mode: 0o755,
    });
  }

  /** Runs a line as a shell does; stdout and stderr together, as on a terminal. */
  async sh(script: string): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
    const child = spawn('/bin/sh', ['-c', `{ ${script}\n} 2>&1`], {
      cwd: this.work,
      env: this.env,
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

  /** Workers that the page, or a failed test, left up go first: they would make their directory again. */
  async remove(): Promise<void> {
    if (existsSync(join(this.work, '.batchctl'))) {
      await this.sh('batchctl scale 0');
      await until('all workers have left', async () => (await this.sh('batchctl scale --json')).lines.every(isAtRest));
    }
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

const isAtRest = (group: string): boolean => group.includes('"running":0,');
