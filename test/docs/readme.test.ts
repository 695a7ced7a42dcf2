import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { until } from '../support/until.ts';
import { type Block, lasting, markedBlocks } from './readme-blocks.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The built program; another build of it is tested with `BATCHCTL_TEST_BIN`. */
const BIN = process.env.BATCHCTL_TEST_BIN ?? join(ROOT, 'bin/batchctl.js');

/** A directory as a reader makes one, with `batchctl` on the path. */
class Desk {
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

  tryOut(block: Block): void {
    if (block.kind === 'file') {
      writeFileSync(join(this.work, block.name), block.text);
      return;
    }
    if (block.kind === 'script') {
      expect(this.sh(block.text), `line ${block.line}`).to.deep.equal({ code: 0, lines: [''] });
      return;
    }
    for (const { line, text, output } of block.commands) {
      const { code, lines } = this.sh(text);
      expect(code, `line ${line}: ${text}\n${lines.join('\n')}`).to.equal(0);
      if (block.checked) expect(lasting(lines), `line ${line}: ${text}`).to.deep.equal(lasting(output));
    }
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

describe('the README', function () {
  this.timeout(180_000);
  const page = readFileSync(join(ROOT, 'README.md'), 'utf8');

  it('shows what happens: its files written and its commands typed in a fresh directory, in order', async () => {
    const desk = new Desk();
    try {
      for (const block of markedBlocks(page)) desk.tryOut(block);
    } finally {
      await desk.remove();
    }
  });

  it('names only files that exist', () => {
    const links = [...page.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '');
    expect(links.filter((link) => !link.includes('://') && !existsSync(join(ROOT, link)))).to.deep.equal([]);
  });
});
