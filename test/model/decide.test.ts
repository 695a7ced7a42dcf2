// Protects: a job opens its gather and closes at the right moment, with the right result.
import { expect } from 'chai';
import fc from 'fast-check';
import { noLongerFails, standingOf } from '../../src/model/decide.ts';
import type { EntryKind } from '../../src/model/journal.ts';
import { closeOf, factsOf, retryOf, SENT, viewOf } from './job-of.ts';

const none = factsOf(1, []);
const opened = { format: 1, id: 'a', count: 4, leftOut: '' } as const;
const skip = (tasks: Readonly<Record<string, string>>): EntryKind => ({ what: 'skip', tasks, reason: 'bad' });

describe('a job that was closed as failed', () => {
  const all = [factsOf(4, [0, 1, 2, 3]), factsOf(4, [0, 1, 2, 3]), none];
  const failing = [factsOf(4, [0, 1], [2, 3]), factsOf(4, [0, 1]), none];
  const open = viewOf([SENT]);
  for (const [what, view, facts, expected] of [
    ['its failed tasks were published since', viewOf([SENT, closeOf('failed')]), all, true],
    ['those of a stopped job were', viewOf([SENT, closeOf('failed', 0, 'stopped')]), all, true],
    ['as many tasks are failed as then', viewOf([SENT, closeOf('failed')]), failing, false],
    [
      'a stopped job has as many',
      viewOf([SENT, { what: 'stop', cause: '2' }, closeOf('failed', 0, 'stopped')]),
      failing,
      false,
    ],
    [
      'only tasks that a stop gave up are left',
      viewOf([SENT, { what: 'stop', cause: '2' }, closeOf('failed', 0, 'stopped')]),
      [factsOf(4, [0, 1]), factsOf(4, [0, 1]), none],
      true,
    ],
    ['control totals were not met', viewOf([SENT, closeOf('failed', 0, 'unmet')]), all, false],
    ['it succeeded', viewOf([SENT, closeOf('succeeded')]), all, false],
    ['it is open', open, all, false],
  ] as const) {
    it(`${expected ? 'no longer fails' : 'is what it was'} if ${what}`, () => {
      expect(noLongerFails(view, facts)).to.equal(expected);
    });
  }
});

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

  it('closes as stopped with what was given up, if that is more than tolerated', () => {
    const view = viewOf([SENT, { what: 'stop', cause: '1 failed for good' }]);
    const at = (published: readonly number[], failed: readonly number[]) =>
      standingOf(view, [factsOf(4, published, failed), factsOf(4, published), none]).next;
    expect(at([0, 1], [2])).to.deep.equal({ move: 'close', state: 'failed', reason: 'stopped' });
    expect(at([0, 1, 2], [])).to.include({ move: 'open', leftOut: '3' });
  });

  describe('whose retry begins with a canary', () => {
    const stopped: readonly EntryKind[] = [SENT, { what: 'stop', cause: '2' }, closeOf('failed', 0, 'stopped')];
    const canary = retryOf(1, { price: '2-3' }, { canaries: { price: '2' } });
    const chains = (published: readonly number[], ofRound: readonly number[]) => [
      { ...factsOf(4, published), canaries: factsOf(4, ofRound).published },
      factsOf(4, [0, 1]),
      none,
    ];
    const of = (entries: readonly EntryKind[], facts: ReturnType<typeof chains>) =>
      standingOf(viewOf([...stopped, ...entries]), facts);

    it('asks for the canary, and counts the rest as failed until it succeeds', () => {
      const { steps, next } = of([canary], chains([0, 1], []));
      expect([...(steps[0]?.undecided ?? [])]).to.deep.equal([2]);
      expect(steps[0]).to.include({ failed: 1, skipped: 0 });
      expect(next).to.deep.equal({ move: 'wait' });
      const skipped = of([canary, skip({ price: '3' })], chains([0, 1], [])).steps[0];
      expect(skipped, 'one that is skipped').to.include({ failed: 0, skipped: 1 });
    });

    it("asks for the rest once the canary has an output of its own round, not an earlier one's", () => {
      expect(of([canary], chains([0, 1, 2], [])).next.move).not.to.equal('retry-rest');
      expect(of([canary], chains([0, 1, 2], [2])).next).to.deep.equal({ move: 'retry-rest', round: 1 });
    });

    it('holds back a task by the last canary that it waits for', () => {
      const second = retryOf(2, { price: '1,3' }, { canaries: { price: '1' } });
      const { steps } = of([canary, second], chains([0], []));
      expect([...(steps[0]?.undecided ?? [])]).to.deep.equal([1, 2]);
      expect(steps[0]).to.include({ failed: 1 });
    });

    it('never asks for the rest if a later retry asked for the canary again', () => {
      const again = retryOf(2, { price: '2' });
      expect(of([canary, again], chains([0, 1, 2], [2])).next.move).not.to.equal('retry-rest');
    });
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
