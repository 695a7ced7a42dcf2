import { expect } from 'chai';
import type { Desk } from './desk.ts';
import { type Block, lasting } from './readme-blocks.ts';

/** Does what a block of a page says, and compares what it prints with what the page shows. */
export async function tryOut(desk: Desk, block: Block): Promise<void> {
  if (block.kind === 'file') {
    desk.write(block.name, block.text);
    return;
  }
  if (block.kind === 'script') {
    expect(await desk.sh(block.text), `line ${block.line}`).to.deep.equal({ code: 0, lines: [''] });
    return;
  }
  for (const { line, text, output } of block.commands) {
    const { code, lines } = await desk.sh(text);
    expect(code, `line ${line}: ${text}\n${lines.join('\n')}`).to.equal(0);
    if (block.checked) expect(lasting(lines), `line ${line}: ${text}`).to.deep.equal(lasting(output));
  }
}
