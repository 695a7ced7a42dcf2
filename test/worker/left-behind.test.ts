// Protects: nothing that a command leaves reaches the next task of its slot, keeps the worker waiting, or loses the slot.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { IN_OWN_DIRECTORIES, IN_SLOT, LeavingBench } from './left-behind.ts';

describe('a slot in which a command left', () => {
  const bench = forEachTest(() => LeavingBench.open(null));

  for (const leaving of [...IN_OWN_DIRECTORIES, ...IN_SLOT]) {
    it(`${leaving.what} runs the next task as if it were new`, async () => {
      await bench.leave(leaving);
      expect(bench.warnings).to.deep.equal([]);
    });
  }

  for (const leaving of [...IN_OWN_DIRECTORIES, ...IN_SLOT, { what: 'a hidden file', script: 'echo x >.x' }]) {
    it(`${leaving.what}, and no output, runs the next task as if it were new`, async () => {
      await bench.leave(leaving, '');
    });
  }

  it('hard links leaves the linked files as they were', async () => {
    await bench.leave({
      what: '',
      script: 'echo one >&2; ln "$BATCHCTL_INPUT" "$KEPT/in"; ln "$SLOT/err" "$KEPT/err"',
    });
    expect(readFileSync(join(bench.kept, 'in'), 'utf8')).to.equal('1\n');
    expect(readFileSync(join(bench.kept, 'err'), 'utf8')).to.equal('one\n');
  });
});
