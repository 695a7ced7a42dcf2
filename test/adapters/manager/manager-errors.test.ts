// Protects: an error keeps its kind, and so its exit code, on its way through a manager.

import { expect } from 'chai';
import { kindOf } from '../../../src/adapters/manager/manager-errors.ts';
import { EXIT_CODES } from '../../../src/errors.ts';

describe('the kind of an error from a manager', () => {
  it('is the one that the manager named', () => {
    for (const kind of Object.keys(EXIT_CODES)) expect(kindOf(kind)).to.equal(kind);
  });

  it('is unexpected if this version does not know it', () => {
    for (const text of ['laterVersion', 'toString', '']) expect(kindOf(text)).to.equal('unexpected');
  });
});
