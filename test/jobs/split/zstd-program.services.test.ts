// Protects: input that the zstd program compressed is read completely.
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { openFileSource } from '../../../src/jobs/split/file-source.ts';
import { parseSplit } from '../../../src/jobs/split/parse-split.ts';
import { forEachTest } from '../../support/fixture.ts';
import { installed } from '../../support/run/lacking.ts';
import { SplitBench } from './split-bench.ts';

/** Bytes compressed by the `zstd` program, in two frames. */
function zstdProgram(bytes: Uint8Array): Buffer {
  const zstd = installed('zstd');
  const half = bytes.length >> 1;
  const frames = [bytes.subarray(0, half), bytes.subarray(half)];
  return Buffer.concat(frames.map((input) => execFileSync(zstd, ['-q', '-c'], { input, maxBuffer: 2 ** 30 })));
}

describe('input that the zstd program compressed', () => {
  const bench = forEachTest(() => new SplitBench());

  it('is read completely, frame after frame', async () => {
    const text = Buffer.from(Array.from({ length: 40_000 }, (_, i) => `${i},${(i * 7919) % 10_007}\n`).join(''));
    const source = openFileSource(0, bench.file('a', zstdProgram(text)));
    const { parts } = await bench.split([source], parseSplit('lines:50KB'));
    expect(parts.map((part) => bench.see(part, text).body).join('')).to.equal(text.toString());
  });
});
