// Protects: a job that explodes runs every file behind it, and tolerates failures as the job file says.
import { expect } from 'chai';
import { isSizeKnown, mayBeDecided, sizingOf, stepSizes } from '../../src/model/counts.ts';
import { standingOf } from '../../src/model/decide.ts';
import { hasBarrier, sectionStart, takesFiles } from '../../src/model/job.ts';
import type { EntryKind } from '../../src/model/journal.ts';
import { tasksWithout } from '../../src/model/task-set.ts';
import { roundOf } from '../../src/model/view.ts';
import { closeOf, EXPLODES, factsOf, retryOf, SENT, viewOf } from './job-of.ts';

const view = viewOf([SENT], EXPLODES);
const { steps } = view.record.spec;
const unopened = factsOf(0, []);
const gather = factsOf(1, []);

describe('a job that explodes', () => {
  it('begins a section with the step that takes the files', () => {
    expect(steps.map((_, index) => sectionStart(steps, index))).to.deep.equal([0, 1, 1, 3]);
    expect(steps.map((_, index) => takesFiles(steps, index))).to.deep.equal([false, true, false, false]);
    expect(steps.map((_, index) => hasBarrier(steps, index))).to.deep.equal([false, true, false, true]);
  });

  it('knows the sizes of its steps once the section is open', () => {
    expect(stepSizes(sizingOf(view))).to.deep.equal([4, null, null, 1]);
    expect([0, 1, 2, 3].map((index) => isSizeKnown(view, index))).to.deep.equal([true, false, false, false]);
    const open = { ...view, exploded: new Map([[1, 7]]) };
    expect(stepSizes(sizingOf(open))).to.deep.equal([4, 7, 7, 1]);
    expect([0, 1, 2, 3].every((index) => isSizeKnown(open, index))).to.equal(true);
  });

  it('opens the section without the failed chains, and requests none of its tasks before', () => {
    const { next, steps: standings } = standingOf(view, [factsOf(4, [0, 1, 3], [2]), unopened, unopened, gather]);
    expect(next).to.deep.equal({ move: 'open', step: 1, count: 3, leftOut: '2' });
    expect(standings.map(({ undecided }) => undecided.count)).to.deep.equal([0, 0, 0, 0]);
  });

  it('waits for each file through all later steps, and tolerates failures there separately', () => {
    const split = factsOf(4, [0, 1, 3], [2]);
    const open = factsOf(5, [0, 1, 2, 3], [4], '2');
    const waiting = standingOf(view, [split, open, factsOf(5, [0, 1, 2]), gather]);
    expect(waiting.next).to.deep.equal({ move: 'wait' });
    expect([...(waiting.steps[2]?.undecided ?? [])]).to.deep.equal([3]);
    const done = standingOf(view, [split, open, factsOf(5, [0, 1, 2, 3]), gather]);
    expect(done.next).to.deep.equal({ move: 'open', step: 3, count: 4, leftOut: '4' });
    const beyond = standingOf(view, [split, open, factsOf(5, [0, 1, 2], [3]), gather]);
    expect(beyond.next).to.include({ move: 'close', state: 'failed', reason: 'failures' });
  });

  it('skips the section if no file was made', () => {
    const empty = factsOf(0, [], [], '');
    const { next } = standingOf(view, [factsOf(4, [0, 1, 2, 3]), empty, unopened, gather]);
    expect(next).to.deep.equal({ move: 'open', step: 3, count: 0, leftOut: '' });
  });

  it('stays closed after too many files, until a new round requests tasks', () => {
    const facts = [factsOf(4, [0, 1, 2, 3]), unopened, unopened, gather];
    const close = closeOf('failed', 0, 'maxTasks');
    expect(standingOf(viewOf([SENT, close], EXPLODES), facts).next).to.deep.equal({ move: 'wait' });
    const skip: EntryKind = { what: 'skip', tasks: { split: '0' }, reason: 'x' };
    expect(standingOf(viewOf([SENT, close, skip], EXPLODES), facts).next).to.include({ move: 'open' });
  });

  it('keeps task numbers before and after the explode apart', () => {
    const retried = viewOf([SENT, retryOf(1, { split: '2', count: '0' })], EXPLODES);
    expect([0, 2].map((n) => [0, 1, 2].map((step) => roundOf(retried, step, n)))).to.deep.equal([
      [0, 1, 1],
      [1, 0, 0],
    ]);
  });

  it('is looked at when all tasks have made their files, and when all files are done', () => {
    const counts = (...done: number[]): { step: string; done: number; failed: number }[] =>
      done.map((n, index) => ({ step: steps[index]?.name ?? '', done: n, failed: 0 }));
    const isLookedAt = (files: number, ...done: number[]): boolean =>
      mayBeDecided(steps, [4, files, files, 1], counts(...done));
    expect(isLookedAt(0, 3)).to.equal(false);
    expect(isLookedAt(0, 4)).to.equal(true);
    // The section is open, and none of its tasks is done yet.
    expect(isLookedAt(5, 4)).to.equal(false);
    expect(isLookedAt(5, 4, 5, 4)).to.equal(false);
    expect(isLookedAt(5, 4, 5, 5)).to.equal(true);
  });

  it('requests every task that is not left out', () => {
    expect([...tasksWithout('0-1,4', 6)]).to.deep.equal([2, 3, 5]);
    expect([...tasksWithout('', 2)]).to.deep.equal([0, 1]);
    expect([...tasksWithout('3-9', 5)]).to.deep.equal([0, 1, 2]);
  });
});
