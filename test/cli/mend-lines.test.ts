import { expect } from 'chai';
import { actLines, mendLines } from '../../src/cli/mend-lines.ts';

const MEND = 'batchctl retry claims --cause abc, once it is mended; batchctl skip claims --reason TEXT, to go without';

describe('what mends something, as people read it', () => {
  it('is one command a line, with what it is for beside it', () => {
    expect(mendLines(MEND, Number.POSITIVE_INFINITY)).to.deep.equal([
      'batchctl retry claims --cause abc   once it is mended',
      'batchctl skip claims --reason TEXT  to go without',
    ]);
  });

  it('has the words below where they do not fit, and never breaks a command', () => {
    expect(mendLines(MEND, 40)).to.deep.equal([
      'batchctl retry claims --cause abc',
      '  once it is mended',
      'batchctl skip claims --reason TEXT',
      '  to go without',
    ]);
    expect(mendLines('batchctl retry claims --cause abc', 10)).to.deep.equal(['batchctl retry claims --cause abc']);
  });

  it('leaves an act that is no command in its own words, wrapped', () => {
    expect(mendLines('make room on that disk: nothing is lost; batchctl doctor, to see more', 25)).to.deep.equal([
      'make room on that disk:',
      'nothing is lost',
      'batchctl doctor',
      '  to see more',
    ]);
    expect(actLines([], 80)).to.deep.equal([]);
  });
});
