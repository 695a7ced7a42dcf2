// Protects: the state of a job follows from its journal: rounds, canaries, skips, kills and limits.
import { expect } from 'chai';
import type { EntryKind } from '../../src/model/journal.ts';
import { isKilled, isSkipped, roundOf, stateOf } from '../../src/model/view.ts';
import { closeOf, retryOf, SENT, viewOf } from './job-of.ts';

const retry = (round: number, price: string, canaries?: string): EntryKind =>
  retryOf(round, { price }, canaries === undefined ? {} : { canaries: { price: canaries } });
const kill = (price: string): EntryKind => ({ what: 'kill', mode: 'fail', tasks: { price } });

describe('a view of a journal', () => {
  it("gives a task the round that last requested it, and its chain's later steps the same", () => {
    const view = viewOf([SENT, retry(1, '0-1'), retry(2, '1')]);
    expect([0, 1, 2].map((task) => roundOf(view, 0, task))).to.deep.equal([1, 2, 0]);
    expect(roundOf(view, 1, 1)).to.equal(2);
  });

  it('gives a gather the last round that requested one of its chains, or the gather itself', () => {
    expect(roundOf(viewOf([SENT]), 2, 0)).to.equal(0);
    expect(roundOf(viewOf([retry(1, '0-1'), retry(2, '1')]), 2, 0)).to.equal(2);
    expect(roundOf(viewOf([retry(1, '0-1'), retryOf(3, { totals: '0' })]), 2, 0)).to.equal(3);
  });

  it("doesn't request tasks held back by a canary until retry-rest", () => {
    const before = [retry(1, '0-1', '0')];
    expect(roundOf(viewOf(before), 0, 1)).to.equal(0);
    expect(roundOf(viewOf([...before, { what: 'retry-rest', round: 1 }]), 0, 1)).to.equal(1);
  });

  it('keeps a task killed that an earlier retry of others left in its old round, until a retry requests it', () => {
    const entries = [retry(1, '0'), kill('3')];
    expect(isKilled(viewOf(entries), 0, 3)).to.equal(true);
    expect(isKilled(viewOf([...entries, retry(2, '3')]), 0, 3)).to.equal(false);
    expect(isKilled(viewOf(entries), 0, 0)).to.equal(false);
  });

  it("keeps a task killed that was killed in its own round, the first one or a retry's", () => {
    expect(isKilled(viewOf([kill('3')]), 0, 3)).to.equal(true);
    expect(isKilled(viewOf([retry(1, '3'), kill('3')]), 0, 3)).to.equal(true);
    expect(isKilled(viewOf([kill('3'), retry(1, '3')]), 0, 3)).to.equal(false);
  });

  it('undoes part of a skip', () => {
    const view = viewOf([
      { what: 'skip', tasks: { price: '0-3' }, reason: 'bad' },
      { what: 'unskip', tasks: { price: '1-2' } },
    ]);
    expect([0, 1, 2, 3].map((task) => isSkipped(view, 0, task))).to.deep.equal([true, false, false, true]);
  });

  it('keeps one set of skipped tasks, however often they are skipped', () => {
    const view = viewOf([
      { what: 'skip', tasks: { price: '0-1' }, failed: { price: '1' }, reason: 'bad' },
      { what: 'skip', tasks: { price: '1-3', check: '0' }, failed: { price: '3' }, reason: 'bad too' },
      { what: 'unskip', tasks: { price: '1', check: '0' } },
    ]);
    expect(view.skipped.map((set) => [...set])).to.deep.equal([
      [
        [
          0,
          [
            [0, 0],
            [2, 3],
          ],
        ],
      ],
    ]);
    expect([...view.skippedFailed]).to.deep.equal([[0, [[3, 3]]]]);
  });

  it('reopens a closed job on a skip, in a new round that requests no task', () => {
    const view = viewOf([SENT, closeOf('failed'), { what: 'skip', tasks: { price: '0' }, reason: 'bad', round: 1 }]);
    expect(stateOf(view)).to.equal('running');
    expect([view.round, roundOf(view, 0, 1)]).to.deep.equal([1, 0]);
  });

  it('applies limits, and removes them', () => {
    const adjusted = viewOf([
      { what: 'adjust', finishBy: '2026-11-30T06:00:00.000Z', maxRunning: 2, maxCost: 5, tolerate: '10%' },
    ]);
    expect(adjusted).to.include({ finishBy: '2026-11-30T06:00:00.000Z', maxRunning: 2, maxCost: 5 });
    expect(adjusted.tolerance).to.deep.equal({ kind: 'share', share: 0.1 });
    const lifted = viewOf([
      { what: 'adjust', finishBy: '2026-11-30T06:00:00.000Z', maxRunning: 2 },
      { what: 'adjust', finishBy: null, maxRunning: null },
    ]);
    expect(lifted).to.include({ finishBy: null, maxRunning: null });
  });

  it('is open again after a retry of a failed job, and never after a cancel', () => {
    expect(stateOf(viewOf([SENT, closeOf('failed'), retry(1, '0')]))).to.equal('running');
    expect(stateOf(viewOf([SENT, { what: 'cancel' }, { what: 'resume' }]))).to.equal('cancelled');
  });
});
