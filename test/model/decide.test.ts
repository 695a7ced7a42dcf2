// Protects: a job opens its gather and closes at the right moment, with the right result.
import { expect } from 'chai';
import fc from 'fast-check';
import { standingOf } from '../../src/model/decide.ts';
import type { EntryKind } from '../../src/model/journal.ts';
import { closeOf, factsOf, retryOf, SENT, viewOf } from './job-of.ts';

const none = factsOf(1, []);
const opened = { format: 1, id: 'a', count: 4, leftOut: '' } as const;
const skip = (tasks: Readonly<Record<string, string>>): EntryKind => ({ what: 'skip', tasks, reason: 'bad' });

describe('the standing of a job', () => {
  it('waits while a chain is undecided', () => {
    const { next, steps } = standingOf(viewOf([SENT]), [factsOf(4, [0, 1, 2]), factsOf(4, [0, 1]), none]);
    expect(next).to.deep.equal({ move: 'wait' });
    expect(steps.map(({ undecided }) => [...undecided])).to.deep.equal([[3], [2], []]);
  });

  it('opens the gather without the failed chains, within tolerance', () => {
    const { next } = standingOf(viewOf([SENT]), [factsOf(4, [0, 1, 2], [3]), factsOf(4, [0, 1, 2]), none]);
    expect(next).to.deep.equal({ move: 'open', step: 2, count: 3, leftOut: '3' });
  });

  it('closes as failed beyond the tolerance', () => {
    const { next } = standingOf(viewOf([SENT]), [factsOf(4, [0, 1], [2, 3]), factsOf(4, [0, 1]), none]);
    expect(next).to.include({ move: 'close', state: 'failed', reason: 'failures' });
  });

  it('closes only once the open gather is decided, even if a lowered tolerance fails the chains before it', () => {
    const view = viewOf([SENT, { what: 'adjust', tolerate: '0' }]);
    const chains = [factsOf(4, [0, 1, 2], [3]), factsOf(4, [0, 1, 2])];
    const partly = { ...opened, count: 3, leftOut: '3' };
    expect(standingOf(view, [...chains, { ...none, opened: partly }]).next).to.deep.equal({ move: 'wait' });
    const { next } = standingOf(view, [...chains, { ...factsOf(1, [0]), opened: partly }]);
    expect(next).to.include({ move: 'close', state: 'failed', reason: 'failures' });
  });

  it('counts no skipped task as failed, whether it had failed or was undecided', () => {
    const view = viewOf([SENT, skip({ price: '2-3' }), skip({ check: '0' })]);
    const { next, steps } = standingOf(view, [factsOf(4, [0, 1], [2]), factsOf(4, [1]), none]);
    expect(steps.map(({ failed, skipped }) => [failed, skipped])).to.deep.equal([
      [0, 2],
      [0, 1],
      [0, 0],
    ]);
    expect(next).to.deep.equal({ move: 'open', step: 2, count: 1, leftOut: '0,2-3' });
  });

  it('asks for nothing more of a skipped chain, even if the skipped task is published or a later one fails', () => {
    const view = viewOf([SENT, skip({ price: '1-2' })]);
    const { next, steps } = standingOf(view, [factsOf(4, [0, 1, 2, 3]), factsOf(4, [0, 3], [2]), none]);
    expect(steps.map(({ published, failed, skipped }) => [published, failed, skipped])).to.deep.equal([
      [4, 0, 0],
      [2, 0, 2],
      [0, 0, 0],
    ]);
    expect(next).to.deep.equal({ move: 'open', step: 2, count: 2, leftOut: '1-2' });
  });

  it('closes as failed while paused, and otherwise does nothing', () => {
    const view = viewOf([SENT, { what: 'pause', now: false, reason: 'person' }]);
    expect(standingOf(view, [factsOf(4, [], [0, 1, 2, 3]), factsOf(4, []), none]).next).to.deep.equal({ move: 'wait' });
    const chains = [factsOf(4, [0, 1, 2, 3]), factsOf(4, [0, 1, 2, 3])];
    for (const gather of [none, { ...factsOf(1, [0]), opened }])
      expect(standingOf(view, [...chains, gather]).next).to.deep.equal({ move: 'wait' });
  });

  it('fails with its gather, even if all the failed chains are tolerated', () => {
    const chains = [factsOf(4, [0, 1, 2, 3]), factsOf(4, [0, 1, 2, 3])];
    const { next } = standingOf(viewOf([SENT]), [...chains, { ...factsOf(1, [], [0]), opened }]);
    expect(next).to.include({ move: 'close', state: 'failed' });
  });

  it('recounts the files of an explode that made too many only in a new round', () => {
    const close = closeOf('failed', 0, 'maxTasks');
    const again = retryOf(1, { price: '0' });
    const facts = [factsOf(4, [0, 1, 2, 3]), factsOf(4, [0, 1, 2, 3]), none];
    expect(standingOf(viewOf([SENT, close]), facts).next).to.deep.equal({ move: 'wait' });
    expect(standingOf(viewOf([SENT, close, again]), facts).next).to.include({ move: 'open' });
  });

  it('never closes a job twice in a round', () => {
    const view = viewOf([SENT, closeOf('failed')]);
    const facts = [factsOf(4, [], [0, 1, 2, 3]), factsOf(4, []), none];
    expect(standingOf(view, facts).next).to.deep.equal({ move: 'wait' });
    // Everything is published, and it failed because of its control totals.
    const unmet = viewOf([SENT, closeOf('failed', 0, 'expect')]);
    const all = [factsOf(4, [0, 1, 2, 3]), factsOf(4, [0, 1, 2, 3]), { ...factsOf(1, [0]), opened }];
    expect(standingOf(unmet, all).next).to.deep.equal({ move: 'wait' });
  });

  it('is not reopened by a canary that is published after the close', () => {
    const retry = retryOf(1, { price: '0-1' }, { canaries: { price: '0' } });
    const facts = [factsOf(4, [0, 2, 3], [1]), factsOf(4, [2, 3], [0]), none];
    const canary = viewOf([SENT, closeOf('failed'), retry]);
    expect(standingOf(canary, facts).next).to.deep.equal({ move: 'retry-rest', round: 1 });
    expect(standingOf(viewOf([SENT, closeOf('failed'), retry, closeOf('failed', 1)]), facts).next).to.deep.equal({
      move: 'wait',
    });
  });

  it('property: each task is at most one of published, failed, skipped and undecided, and none is undecided at a close', () => {
    const tasks = fc.uniqueArray(fc.nat(3));
    fc.assert(
      fc.property(tasks, tasks, tasks, fc.uniqueArray(fc.nat(3), { minLength: 1 }), (done, bad, checked, gone) => {
        const failed = bad.filter((n) => !done.includes(n));
        const view = viewOf([SENT, skip({ price: gone.sort().join(',') })]);
        const both = checked.filter((n) => done.includes(n));
        const { steps, next } = standingOf(view, [factsOf(4, done, failed), factsOf(4, both), none]);
        for (const step of steps) {
          expect(step.published + step.failed + step.skipped + step.undecided.count).to.be.at.most(step.total);
        }
        if (next.move !== 'wait') expect(steps.reduce((sum, { undecided }) => sum + undecided.count, 0)).to.equal(0);
      }),
    );
  });
});
