// Protects: failures with the same cause are grouped under one id, which never changes.

import { expect } from 'chai';
import { causeId, causeText } from '../../src/model/failure.ts';

const cause = { step: 'price', exitCode: 1, reason: 'exit', error: 'row 17: bad rate' };

describe('a cause', () => {
  it('is the same text for failures that differ only in folded parts', () => {
    expect(causeText({ ...cause, error: 'row 9: bad rate' })).to.equal(causeText(cause));
    expect(causeText(cause)).to.equal('price exit 1 row <n>: bad rate');
  });

  it('differs by step, exit code, reason and error', () => {
    const others = [
      { ...cause, step: 'total' },
      { ...cause, exitCode: 2 },
      { ...cause, exitCode: null },
      { ...cause, reason: 'timeout' },
      { ...cause, error: 'row 17: no rate' },
      { ...cause, error: null },
    ];
    expect(new Set([cause, ...others].map(causeText)).size).to.equal(7);
    expect(new Set([cause, ...others].map(causeId)).size).to.equal(7);
  });

  it('has an id that never changes, because notes and tickets refer to it', () => {
    expect(causeId(cause)).to.equal('qip7w6');
    expect(causeId({ ...cause, error: 'row <n>: bad rate' })).to.equal(causeId(cause));
  });

  it('has well distributed ids: of 2,000 texts at most a few share one', () => {
    const words = Array.from({ length: 2_000 }, (_, n) =>
      String.fromCharCode(97 + (n % 26), 97 + ((n / 26) % 26), 97 + n / 676),
    );
    const ids = new Set(words.map((error) => causeId({ ...cause, error })));
    expect(ids.size).to.be.at.least(1_998);
    for (const id of ids) expect(id).to.match(/^[a-z2-7]{6}$/);
    for (const at of [0, 5]) expect(new Set([...ids].map((id) => id[at])).size).to.equal(32);
  });
});
