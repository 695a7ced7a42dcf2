import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Desk } from './desk.ts';
import { markedBlocks } from './readme-blocks.ts';
import { tryOut } from './try-out.ts';

const ROOT = join(import.meta.dirname, '../..');

describe('the README', function () {
  this.timeout(180_000);
  const page = readFileSync(join(ROOT, 'README.md'), 'utf8');

  it('shows what happens: its files written and its commands typed in a fresh directory, in order', async () => {
    const desk = new Desk();
    try {
      for (const block of markedBlocks(page)) await tryOut(desk, block);
    } finally {
      await desk.remove();
    }
  });

  it('names only files that exist', () => {
    const links = [...page.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '');
    expect(links.filter((link) => !link.includes('://') && !existsSync(join(ROOT, link)))).to.deep.equal([]);
  });
});
