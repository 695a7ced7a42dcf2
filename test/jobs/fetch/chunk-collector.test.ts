// Protects: output written in many small pieces is saved complete and in order.
import { expect } from 'chai';
import { ChunkCollector } from '../../../src/jobs/fetch/chunk-collector.ts';

describe('collected pieces', () => {
  it('are written in order and many at once, the last ones on flush', async () => {
    const writes: string[] = [];
    const pieces = new ChunkCollector(async (bytes) => void writes.push(Buffer.from(bytes).toString()));
    const lines = Array.from({ length: 50_000 }, (_, n) => `line ${n}\n`);
    for (const line of lines) await pieces.add(Buffer.from(line));
    await pieces.flush();
    await pieces.flush();
    expect(writes.join('')).to.equal(lines.join(''));
    expect(writes.length).to.be.within(2, 4);
  });

  it('are written before a large piece that follows them', async () => {
    const writes: number[] = [];
    const pieces = new ChunkCollector(async (bytes) => void writes.push(bytes.length));
    await pieces.add(Buffer.from('abc'));
    await pieces.add(Buffer.alloc(2 ** 20));
    expect(writes).to.deep.equal([3, 2 ** 20]);
  });
});
