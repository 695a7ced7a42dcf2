// Protects: suggested fixes are readable on any terminal, and a command can be copied completely.

import { expect } from 'chai';
import { fixLines, fixStepLines } from '../../src/cli/finding-text.ts';

const FIXES =
  'batchctl retry claims --cause abc, once it is fixed; batchctl skip claims --reason TEXT, to continue without it';

describe('suggested fixes for people', () => {
  it('are one command per line, with its purpose next to it', () => {
    expect(fixLines(FIXES, Number.POSITIVE_INFINITY)).to.deep.equal([
      'batchctl retry claims --cause abc   once it is fixed',
      'batchctl skip claims --reason TEXT  to continue without it',
    ]);
  });

  it('have the purpose below if it does not fit, and never break a command', () => {
    expect(fixLines(FIXES, 40)).to.deep.equal([
      'batchctl retry claims --cause abc',
      '  once it is fixed',
      'batchctl skip claims --reason TEXT',
      '  to continue without it',
    ]);
    expect(fixLines('batchctl retry claims --cause abc', 10)).to.deep.equal(['batchctl retry claims --cause abc']);
  });

  it('are wrapped text if they are not commands', () => {
    expect(fixLines('free space on that disk: nothing is lost; batchctl doctor, for details', 25)).to.deep.equal([
      'free space on that disk:',
      'nothing is lost',
      'batchctl doctor',
      '  for details',
    ]);
    expect(fixStepLines([], 80)).to.deep.equal([]);
  });
});
