// Protects: a bad deployment pauses the job before all its tasks fail, and a few bad inputs don't.
import { expect } from 'chai';
import fc from 'fast-check';
import {
  breakerStateOf,
  type FailingStep,
  FailureStreaks,
  isBadDeployment,
  isSurvivor,
  mayBeBadDeployment,
} from '../../src/model/breaker.ts';
import { SENT, viewOf } from './job-of.ts';

/** Whether a step is one of a bad deployment if so many of its tasks failed on each worker. */
const isBad = (facts: Partial<Omit<FailingStep, 'byWorker'>>, ...byWorker: readonly number[]): boolean =>
  isBadDeployment({
    tasks: byWorker.reduce((sum, count) => sum + count, 0),
    succeeded: 0,
    running: 0,
    survivors: 0,
    longest: 1,
    watched: 4,
    alike: null,
    others: 0,
    byWorker: new Map(byWorker.map((count, index) => [`w-${index}`, count])),
    ...facts,
  });

describe('a bad deployment', () => {
  for (const [what, facts, workers, bad] of [
    ['twenty tasks on two workers, none succeeds', {}, [10, 10], true],
    ['nineteen tasks', {}, [10, 9], false],
    ['all on one machine, which may be the cause', {}, [40], false],
    ['all but four on one machine', {}, [36, 4], false],
    ['all but five on one machine', {}, [35, 5], true],
    ['all but four on one machine, the four on different ones', {}, [36, 1, 1, 1, 1], false],
    ['one of twenty succeeds', { succeeded: 1 }, [10, 10], true],
    ['two of twenty succeed, so some inputs are bad', { succeeded: 2 }, [10, 10], false],
    ['more tasks run for long than have failed', { running: 21 }, [10, 10], false],
    ['as many run as have failed', { running: 20 }, [10, 10], true],
    ['one of twenty survives where others fail', { survivors: 1 }, [10, 10], true],
    ['two survive and may succeed', { survivors: 2 }, [10, 10], false],
    ['one survives, and one succeeded', { survivors: 1, succeeded: 1 }, [10, 10], false],
    ['less than twice the time to fail has passed', { watched: 3.9 }, [10, 10], false],
    ['less than two seconds have passed, and tasks fail at once', { longest: 0, watched: 1.9 }, [10, 10], false],
    ['two minutes have passed, and tasks fail after an hour', { longest: 3_600, watched: 120 }, [10, 10], true],
    ['thousands fail, and more succeed', { tasks: 3_000, succeeded: 5_000 }, [20, 20], false],
    ['twenty fail alike on the only worker', { alike: 'c', watched: 0 }, [20], true],
    ['nineteen fail alike', { alike: 'c' }, [19], false],
    ['they fail alike, but another worker may be healthy', { alike: 'c', others: 1 }, [40], false],
    ['they fail alike at once on two workers', { alike: 'c', watched: 0 }, [10, 10], true],
    ['they fail alike, but one succeeded', { alike: 'c', watched: 0, succeeded: 1 }, [40], false],
    ['they fail alike, but one runs for longer', { alike: 'c', watched: 0, survivors: 1 }, [40], false],
    ['they fail alike, and more tasks run than have failed', { alike: 'c', running: 21 }, [20], false],
    ['none fails', {}, [], false],
  ] as const) {
    it(`${bad ? 'is' : 'is not'}: ${what}`, () => {
      expect(isBad(facts, ...workers)).to.equal(bad);
    });
  }

  it('is never assumed with fewer than twenty tasks, on one worker, or if a tenth succeeds', () => {
    const count = fc.nat({ max: 200 });
    fc.assert(
      fc.property(fc.array(count, { maxLength: 8 }), count, count, (byWorker, succeeded, running) => {
        const tasks = byWorker.reduce((sum, each) => sum + each, 0);
        if (!isBad({ succeeded, running }, ...byWorker)) return;
        expect(tasks).to.be.at.least(20);
        expect(byWorker.filter((each) => each > 0).length).to.be.at.least(2);
        expect(succeeded * 10).to.be.below(tasks);
        expect(running).to.be.at.most(tasks);
      }),
    );
  });

  it('remains one with failures on another worker, and stops being one with many successes', () => {
    const count = fc.nat({ max: 60 });
    fc.assert(
      fc.property(fc.array(count, { minLength: 2, maxLength: 6 }), count, fc.nat({ max: 9 }), (counts, more, done) => {
        const byWorker = [...counts].sort((a, b) => b - a);
        if (!isBad({ succeeded: done }, ...byWorker)) return;
        expect(isBad({ succeeded: done }, ...byWorker, more)).to.equal(true);
        expect(isBad({ succeeded: 500 }, ...byWorker)).to.equal(false);
      }),
    );
  });

  it('is ruled out by tasks that run more than twice as long as the failing ones', () => {
    expect([1, 2, 2.1].map((seconds) => isSurvivor(seconds, 1))).to.deep.equal([false, false, true]);
  });

  it('is checked for in the first round only if the counters allow it', () => {
    expect(mayBeBadDeployment({ done: 0, failed: 5, retried: 15 })).to.equal(true);
    expect(mayBeBadDeployment({ done: 1, failed: 20, retried: 0 })).to.equal(true);
    expect(mayBeBadDeployment({ done: 0, failed: 19, retried: 0 })).to.equal(false);
    expect(mayBeBadDeployment({ done: 100, failed: 30, retried: 30 })).to.equal(false);
  });

  it('pauses a job at most twice a round, and for the same cause once: that resume is final', () => {
    const first = { step: 'price', round: 0, done: 1 };
    expect(breakerStateOf([], 'price', 0)).to.deep.equal({ applies: true, done: 0 });
    expect(breakerStateOf([first], 'price', 0)).to.deep.equal({ applies: true, done: 1 });
    expect(breakerStateOf([first, { ...first, done: 2 }], 'price', 0)).to.deep.equal({ applies: false, done: 2 });
    expect(breakerStateOf([first, first], 'price', 1)).to.deep.equal({ applies: true, done: 0 });
    const alike = { ...first, alike: 'c' };
    for (const [cause, round, applies] of [
      ['c', 0, false],
      ['d', 0, true],
      [null, 0, true],
      ['c', 1, true],
    ] as const)
      expect(breakerStateOf([alike], 'price', round, cause).applies, `${cause}, round ${round}`).to.equal(applies);
    expect(breakerStateOf([first, first], 'check', 0)).to.deep.equal({ applies: true, done: 0 });
  });

  it('is recorded in the journal: the step that tripped, and when a person resumed the job', () => {
    const tripped = { step: 'price', round: 0, done: 3 };
    const view = viewOf([
      SENT,
      { what: 'pause', now: false, reason: 'deployment', detail: 'x', tripped },
      { what: 'resume' },
      { what: 'pause', now: true, reason: 'person' },
    ]);
    expect(view.tripped).to.deep.equal([tripped]);
    expect(view.resumedAt).to.equal(2);
    expect(viewOf([SENT]).resumedAt).to.equal(null);
  });
});

describe('failures in a row', () => {
  const looks = (count: number, streaks = new FailureStreaks()): readonly number[] =>
    Array.from({ length: count }, (_, n) => n + 1).filter(() => streaks.recordFailure('job/price', 0));

  it('are checked less and less often', () => {
    expect(looks(30)).to.deep.equal([2, 3, 5, 8, 12, 18, 27]);
  });

  it('are checked for at most a tenth of a worker’s time, however long a check takes', () => {
    const streaks = new FailureStreaks();
    const at = (now: number): boolean => streaks.recordFailure('job/price', now);
    expect([at(0), at(1_000)]).to.deep.equal([false, true]);
    streaks.recordLook(1_000, 3_000);
    expect([at(3_000), at(20_999), at(21_000)]).to.deep.equal([false, false, true]);
  });

  it('end with a success of the same step', () => {
    const streaks = new FailureStreaks();
    expect(streaks.recordFailure('job/price', 0)).to.equal(false);
    streaks.recordSuccess('job/check');
    expect(streaks.recordFailure('job/price', 0)).to.equal(true);
    streaks.recordSuccess('job/price');
    expect(streaks.recordFailure('job/price', 0)).to.equal(false);
  });
});
