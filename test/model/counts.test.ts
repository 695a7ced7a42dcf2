// Protects: a job is closed soon after its last task ends, without needless listings of the store.
import { expect } from 'chai';
import { mayBeDecided, withSkipped } from '../../src/model/counts.ts';
import { viewOf } from './job-of.ts';

describe('the counters of a job', () => {
  const { steps } = viewOf([]).record.spec;
  const areDecided = (...counts: readonly (readonly [done: number, failed: number])[]) =>
    mayBeDecided(
      steps,
      [4, 4, 1],
      counts.map(([done, failed], index) => ({ step: steps[index]?.name ?? '', done, failed })),
    );
  const table = [
    { counts: [], decided: false, when: 'nothing was counted yet' },
    { counts: [[3, 0]], decided: false, when: 'a first task is still running' },
    { counts: [[3, 1]], decided: false, when: 'chains have yet to reach the second step' },
    {
      counts: [
        [3, 1],
        [2, 1],
      ],
      decided: true,
      when: 'every chain ended and the gather may open',
    },
    {
      counts: [
        [4, 0],
        [4, 0],
        [1, 0],
      ],
      decided: true,
      when: 'everything is done',
    },
    { counts: [[0, 4]], decided: true, when: 'every chain failed at once' },
  ] as const;
  for (const { counts, decided, when } of table) {
    it(`${decided ? 'call' : 'do not call'} for a look at the job when ${when}`, () => {
      expect(areDecided(...counts)).to.equal(decided);
    });
  }

  it('count a task that a person skipped as ended, once', () => {
    const counts = [{ step: 'price', done: 2, failed: 1 }];
    const skip = { what: 'skip', tasks: { price: '0,3' }, failed: { price: '0' }, reason: 'x' } as const;
    expect(withSkipped(viewOf([]), counts)).to.equal(counts);
    expect(withSkipped(viewOf([skip]), counts)[0]).to.deep.equal({ step: 'price', done: 2, failed: 2 });
  });
});
