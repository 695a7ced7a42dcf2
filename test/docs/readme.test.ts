import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Desk } from './desk.ts';
import { type Block, lasting, markedBlocks } from './readme-blocks.ts';

const ROOT = join(import.meta.dirname, '../..');

function tryOut(desk: Desk, block: Block): void {
  if (block.kind === 'file') {
    desk.write(block.name, block.text);
    return;
  }
  if (block.kind === 'script') {
    expect(desk.sh(block.text), `line ${block.line}`).to.deep.equal({ code: 0, lines: [''] });
    return;
  }
  for (const { line, text, output } of block.commands) {
    const { code, lines } = desk.sh(text);
    expect(code, `line ${line}: ${text}\n${lines.join('\n')}`).to.equal(0);
    if (block.checked) expect(lasting(lines), `line ${line}: ${text}`).to.deep.equal(lasting(output));
  }
}

describe('the README', function () {
  this.timeout(180_000);
  const page = readFileSync(join(ROOT, 'README.md'), 'utf8');

  it('shows what happens: its files written and its commands typed in a fresh directory, in order', async () => {
    const desk = new Desk();
    try {
      for (const block of markedBlocks(page)) tryOut(desk, block);
    } finally {
      await desk.remove();
    }
  });

  it('names only files that exist', () => {
    const links = [...page.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '');
    expect(links.filter((link) => !link.includes('://') && !existsSync(join(ROOT, link)))).to.deep.equal([]);
  });
});
