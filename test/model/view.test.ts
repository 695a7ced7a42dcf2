import { expect } from 'chai';
import type { EntryKind } from '../../src/model/journal.ts';
import { isKilled, isSkipped, roundOf, stateOf } from '../../src/model/view.ts';
import { viewOf } from './job-of.ts';

const retry = (round: number, price: string, canaries: string | null = null): EntryKind => ({
  what: 'retry',
  round,
  tasks: { price },
  canaries: canaries === null ? null : { price: canaries },
  overrides: {},
});
const kill = (price: string): EntryKind => ({ what: 'kill', mode: 'fail', tasks: { price } });

describe('a view of a journal', () => {
  it("gives a task the round that last asked for it, and its chain's later steps the same", () => {
    const view = viewOf([{ what: 'sent' }, retry(1, '0-1'), retry(2, '1')]);
    expect([0, 1, 2].map((task) => roundOf(view, 0, task))).to.deep.equal([1, 2, 0]);
    expect(roundOf(view, 1, 1)).to.equal(2);
    expect(roundOf(view, 2, 0)).to.equal(0);
  });

  it('does not ask for tasks behind a canary until retry-rest', () => {
    const before = [retry(1, '0-1', '0')];
    expect(roundOf(viewOf(before), 0, 1)).to.equal(0);
    expect(roundOf(viewOf([...before, { what: 'retry-rest', round: 1 }]), 0, 1)).to.equal(1);
  });

  it('keeps a task killed that an earlier retry of others left in its old round, until a retry asks for it', () => {
    const entries = [retry(1, '0'), kill('3')];
    expect(isKilled(viewOf(entries), 0, 3)).to.equal(true);
    expect(isKilled(viewOf([...entries, retry(2, '3')]), 0, 3)).to.equal(false);
    expect(isKilled(viewOf(entries), 0, 0)).to.equal(false);
  });

  it('takes part of a skip back', () => {
    const view = viewOf([
      { what: 'skip', tasks: { price: '0-3' }, reason: 'bad' },
      { what: 'unskip', tasks: { price: '1-2' } },
    ]);
    expect([0, 1, 2, 3].map((task) => isSkipped(view, 0, task))).to.deep.equal([true, false, false, true]);
  });

  it('is open again after a retry of a failed job, and never after a cancel', () => {
    const closed: EntryKind = { what: 'close', state: 'failed', reason: 'failures', round: 0 };
    expect(stateOf(viewOf([{ what: 'sent' }, closed, retry(1, '0')]))).to.equal('running');
    expect(stateOf(viewOf([{ what: 'sent' }, { what: 'cancel' }, { what: 'resume' }]))).to.equal('cancelled');
  });
});
