import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { freePort } from '../support/servers/program.ts';
import { ReaderShell } from './reader-shell.ts';
import { type Block, lasting, markedBlocks } from './readme-blocks.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Pages whose commands need nothing but this machine; the others are tried by tests of their own. */
export const LOCAL_PAGES = ['README.md', 'docs/tour.md', 'docs/failures.md', 'docs/manager.md'] as const;
/** Where a manager listens unless it is told otherwise. */
const DEFAULT_LISTEN = '127.0.0.1:8787';

/** Does in a fresh directory what a page says, in order. */
export async function tryPage(path: (typeof LOCAL_PAGES)[number]): Promise<void> {
  // The reader's manager has its port to itself; here another may run.
  const address = `127.0.0.1:${await freePort()}`;
  const shell = new ReaderShell({ BATCHCTL_LISTEN: address });
  try {
    const page = readFileSync(join(ROOT, path), 'utf8').replaceAll(DEFAULT_LISTEN, address);
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
