// Protects: the autoscaler sees the work that is really ready, from the counters and from the queue.
import { expect } from 'chai';
import type { StepCounts } from '../../src/model/ledger/records.ts';
import { fitLoads, type LoadFacts, readyLoads } from '../../src/model/load.ts';
import type { JobView } from '../../src/model/view.ts';
import { countsOf } from '../support/step-counts.ts';
import { retryOf, SENT, viewOf } from './job-of.ts';
import { dueOf, loadOf } from './loads.ts';

const JOB = `name: claims
input: { from: a.csv, split: { by: file } }
maxRunning: 50
steps:
  - { name: price, run: [cat], interruptions: 3, fallback: steady }
  - { name: check, run: [cat], group: large, maxRunning: 5, needs: { slots: 2 } }
  - { name: all, run: [cat], gather: true, needs: { slots: all } }
`;

describe('the load of ready tasks', () => {
  const view = viewOf([SENT], JOB);
  const { parts } = view.record;
  const none: LoadFacts = { counts: [], means: new Map(), again: new Map(), deviations: new Map(), now: 0 };
  const ready = (change: Partial<LoadFacts>) =>
    readyLoads(view, { ...none, ...change }).map(({ group, tasks, seconds }) => ({ group, tasks, seconds }));

  it('is all parts of the first step at first, and nothing of later steps', () => {
    expect(ready({})).to.deep.equal([
      { group: 'default', tasks: parts, seconds: null },
      { group: 'steady', tasks: 0, seconds: null },
      { group: 'large', tasks: 0, seconds: null },
      { group: 'default', tasks: 0, seconds: null },
    ]);
  });

  it('is what the previous step has done, with the mean duration of its done tasks', () => {
    const counts = [
      countsOf('price', { done: 3, failed: 1, seconds: 30 }),
      countsOf('check', { done: 1, seconds: 100 }),
    ];
    expect(ready({ counts })).to.deep.include.members([
      { group: 'default', tasks: parts - 4, seconds: 10 },
      { group: 'large', tasks: 2, seconds: 100 },
    ]);
  });

  it('uses durations of an earlier run, and counts tasks that are retried', () => {
    const counts = [countsOf('price', { failed: parts })];
    const means = new Map([['price', 7]]);
    const found = ready({ counts, means, again: new Map([[0, 2]]) });
    expect(found[0]).to.deep.equal({ group: 'default', tasks: 2, seconds: 7 });
    const own = [countsOf('price', { done: 2, seconds: 8 })];
    expect(ready({ counts: own, means })[0], 'not once its own tasks are measured').to.include({ seconds: 4 });
  });

  it('carries the slots and limits of a step and its job', () => {
    const loads = readyLoads(view, none);
    expect(loads.map(({ slots, atOnce }) => ({ slots, atOnce }))).to.deep.equal([
      { slots: 1, atOnce: 50 },
      { slots: 1, atOnce: 50 },
      { slots: 2, atOnce: 5 },
      { slots: 'all', atOnce: 50 },
    ]);
    const few = viewOf([SENT, { what: 'adjust', maxRunning: 3 }], JOB);
    expect(readyLoads(few, none).map(({ atOnce }) => atOnce)).to.deep.equal([3, 3, 3, 3]);
  });

  it('says how many of its tasks can be in the queue, however late the counters are', () => {
    const most = (job: JobView, counts: readonly StepCounts[]) =>
      readyLoads(job, { ...none, counts }).map((load) => load.most);
    const counts = [countsOf('price', { done: 3, failed: 1 }), countsOf('check', { done: 2 })];
    expect(most(view, counts)).to.deep.equal([parts - 4, parts - 4, parts - 2, 1]);
    // A retry requests decided tasks again, and the counters don't show which.
    const retried = viewOf([SENT, retryOf(1, { price: '0' })], JOB);
    expect(most(retried, [countsOf('price', { failed: parts })])).to.deep.equal([parts, parts, parts, 1]);
    const explodes = JOB.replace('interruptions: 3, fallback: steady', 'output: files, explode: true');
    const exploding = viewOf([SENT], explodes);
    expect(most(exploding, [])).to.deep.equal([parts, Number.POSITIVE_INFINITY, 1]);
  });

  describe('for a job with a deadline', () => {
    const now = Date.parse('2026-11-30T04:00:00Z');
    const late = viewOf([SENT, { what: 'adjust', finishBy: '2026-11-30T06:00:00.000Z' }], JOB);

    it('gives the time left, the tasks still to come, and the time of later steps', () => {
      const counts = [
        countsOf('price', { done: 3, failed: 1, seconds: 30 }),
        countsOf('check', { done: 1, seconds: 100 }),
      ];
      const deviations = new Map([['price', 4]]);
      const found = readyLoads(late, { ...none, counts, deviations, now }).map(({ due }) => due);
      const { job } = late.record;
      expect(found).to.deep.equal([
        { job, in: 7_200, coming: 0, deviation: 4, measured: 3, after: 160, guessed: 60 },
        { job, in: 7_200, coming: 0, deviation: 4, measured: 3, after: 160, guessed: 60 },
        // Of its parts 3 arrived here and 1 never will.
        { job, in: 7_200, coming: parts - 4, deviation: null, measured: 1, after: 60, guessed: 60 },
        { job, in: 7_200, coming: 0, deviation: null, after: 0 },
      ]);
    });

    it('has no such figures without a deadline', () => {
      expect(readyLoads(view, { ...none, now }).some((each) => 'due' in each)).to.equal(false);
    });

    it('counts tasks that only the queue knows towards the nearest deadline', () => {
      const idle = [5, 2].map((left) =>
        loadOf({ tasks: 0, due: dueOf({ job: `in ${left}`, in: left, coming: 7, deviation: null }) }),
      );
      expect(fitLoads(idle, 3, false).map(({ due }) => due)).to.deep.equal([{ ...idle[1]?.due, coming: 0 }]);
    });
  });

  describe('as the queue shows it', () => {
    const loads = [loadOf({ tasks: 30, seconds: 10 }), loadOf({ tasks: 10, seconds: 50, slots: 2 })];
    const tasks = (backlog: number | null, fresh: boolean) => fitLoads(loads, backlog, fresh).map((each) => each.tasks);

    it("matches the queue's number, in the same proportions", () => {
      expect(tasks(80, false)).to.deep.equal([60, 20]);
      expect(tasks(4, false)).to.deep.equal([3, 1]);
      expect(tasks(0, false)).to.deep.equal([]);
    });

    it("is at least what was just sent, and what the counters know if the queue can't be read", () => {
      expect(tasks(4, true)).to.deep.equal([30, 10]);
      expect(tasks(80, true)).to.deep.equal([60, 20]);
      expect(tasks(null, false)).to.deep.equal([30, 10]);
    });

    it('is at most what running jobs can have in the queue: the rest belongs to others', () => {
      const few = loads.map((each) => ({ ...each, most: each.tasks + 5 }));
      expect(fitLoads(few, 1_000_000, false).map((each) => each.tasks)).to.deep.equal([37.5, 12.5]);
      expect(fitLoads(few, 4, true).map((each) => each.tasks)).to.deep.equal([30, 10]);
      const none = few.map((each) => ({ ...each, tasks: 0, most: 0 }));
      expect(fitLoads(none, 9, false)).to.deep.equal([]);
    });

    it("uses the duration of the longest step's tasks if the counters know none", () => {
      const idle = loads.map((each) => ({ ...each, tasks: 0 }));
      expect(fitLoads(idle, 5, false)).to.deep.equal([loadOf({ tasks: 5, seconds: 50 })]);
      expect(fitLoads([], 5, false)).to.deep.equal([loadOf({ tasks: 5, seconds: null })]);
    });
  });
});
