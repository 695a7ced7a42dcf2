import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The built program; another build of it is tested with `BATCHCTL_TEST_BIN`. */
const BIN = process.env.BATCHCTL_TEST_BIN ?? join(ROOT, 'bin/batchctl.js');

/** A directory as a reader makes one, with `batchctl` on the path. */
export class Desk {
  readonly #dir = mkdtempSync(join(tmpdir(), 'batchctl-readme-'));
  readonly work = join(this.#dir, 'month-end');
  readonly #bin = join(this.#dir, 'bin');

  constructor() {
    for (const directory of [this.work, this.#bin]) mkdirSync(directory);
    writeFileSync(join(this.#bin, 'batchctl'), `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`, {
      mode: 0o755,
    });
  }

  /** Runs a line as a shell does; stdout and stderr together, as on a terminal. */
  sh(script: string): { readonly code: number | null; readonly lines: readonly string[] } {
    const { status, stdout } = spawnSync('/bin/sh', ['-c', `{ ${script}\n} 2>&1`], {
      cwd: this.work,
      env: { PATH: `${this.#bin}:${process.env.PATH}`, HOME: this.#dir, TZ: 'UTC' },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return { code: status, lines: stdout.replace(/\n$/, '').split('\n') };
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.work, name), text);
  }

  /** Workers that the page, or a failed test, left up go first: they would make their directory again. */
  async remove(): Promise<void> {
    if (existsSync(join(this.work, '.batchctl'))) {
      this.sh('batchctl scale 0');
      await until('all workers have left', () => this.sh('batchctl scale --json').lines.every(isAtRest));
    }
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

const isAtRest = (group: string): boolean => group.includes('"running":0,');
