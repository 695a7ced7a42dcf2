// Protects: the commands of the README work in a fresh directory as shown.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { installed } from '../support/run/lacking.ts';
import { freePort } from '../support/servers/program.ts';
import { Desk } from './desk.ts';
import { markedBlocks } from './readme-blocks.ts';
import { tryOut } from './try-out.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Where a manager listens unless it is told otherwise. */
const DEFAULT_LISTEN = '127.0.0.1:8787';

describe('the README', () => {
  const page = readFileSync(join(ROOT, 'README.md'), 'utf8');

  it('shows what happens: its files written and its commands typed in a fresh directory, in order', async () => {
    installed('curl');
    // The reader's manager has its port to itself; here another may run.
    const address = `127.0.0.1:${await freePort()}`;
    const desk = new Desk({ BATCHCTL_LISTEN: address });
    try {
      for (const block of markedBlocks(page.replaceAll(DEFAULT_LISTEN, address))) await tryOut(desk, block);
    } finally {
      await desk.remove();
    }
  });

  it('names only files that exist', () => {
    const links = [...page.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '');
    expect(links.filter((link) => !link.includes('://') && !existsSync(join(ROOT, link)))).to.deep.equal([]);
  });
});
