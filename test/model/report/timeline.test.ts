// Protects: the timeline of a report shows true busy time per worker, and stays small for large jobs.
// Protects: charts over time in a report place each event at its time, in a bounded number of bins.
import { expect } from 'chai';
import fc from 'fast-check';
import type { AttemptFacts } from '../../../src/model/report/attempt-facts.ts';
import { TimeGrid } from '../../../src/model/report/time-grid.ts';
import { T0 } from '../../contracts/ledger-events.ts';
import { attempt, measuredOf } from './report-attempts.ts';

const known = (slots: number, seenAt: number, alive = false) => ({ host: 'desk', slots, startedAt: T0, seenAt, alive });

/** Attempts of a second each, one after another, on this many workers with this many slots. */
function* work(workers: number, slots: number, rounds: number): Generator<AttemptFacts> {
  for (let task = 0; task < workers * slots * rounds; task += 1) {
    const at = T0 + Math.floor(task / (workers * slots)) * 1_000;
    const place = task % (workers * slots);
    const worker = `w${Math.floor(place / slots)}`;
    yield attempt({ task, worker, slot: place % slots, startedAt: at, endedAt: at + 1_000 });
  }
}

describe('the timeline of a report', () => {
  it('has a row per slot with the attempts as bars while both are few', () => {
    const { timeline } = measuredOf([
      attempt({ task: 1 }),
      attempt({ task: 2, slot: 1, outcome: 'failed', startedAt: T0 + 500, endedAt: T0 + 750 }),
    ]);
    expect(timeline.rows.map(({ label, slots }) => [label, slots])).to.deep.equal([
      ['w1 slot 0', 1],
      ['w1 slot 1', 1],
    ]);
    const begin = Date.parse(timeline.from ?? '');
    const offset = (T0 - begin) / 1_000;
    expect(timeline.rows[1]?.bars).to.deep.equal([
      {
        start: offset + 0.5,
        end: offset + 0.75,
        task: 'price/2',
        outcome: 'failed',
        attempt: 1,
        reason: null,
        exitCode: null,
      },
    ]);
    expect(timeline.rows[1]?.shares).to.equal(null);
    expect(timeline.rows[0]?.busy).to.be.closeTo(1 / timeline.seconds, 0.01);
  });

  it('shows a failure for good as superseded once a retry, a skip or an output has answered it', () => {
    const failed = attempt({ attempt: 'a', outcome: 'failed' });
    const second = { round: 1, attempt: 'b', startedAt: T0 + 5_000, endedAt: T0 + 6_000 };
    const outcomes = (...[attempts, more = {}]: Parameters<typeof measuredOf>) =>
      measuredOf(attempts, more).timeline.rows.flatMap(({ bars }) => bars.map(({ outcome }) => outcome));
    const asked = { askedRound: () => 1 };
    expect(outcomes([failed])).to.deep.equal(['failed']);
    expect(outcomes([failed], asked)).to.deep.equal(['superseded']);
    expect(outcomes([failed], { skipped: () => true })).to.deep.equal(['superseded']);
    expect(outcomes([failed, attempt(second)], asked)).to.deep.equal(['superseded', 'done']);
    expect(outcomes([failed, attempt({ ...second, outcome: 'failed' })], asked)).to.deep.equal([
      'superseded',
      'failed',
    ]);
    expect(outcomes([failed, attempt({ ...second, outcome: 'failedAttempt' })], asked)).to.deep.equal([
      'superseded',
      'failedAttempt',
    ]);
    // One that failed for good in the same round, twice: a duplicate delivery.
    expect(outcomes([failed, attempt({ ...second, round: 0, outcome: 'failed' })])).to.deep.equal([
      'superseded',
      'failed',
    ]);
  });

  it('has busy shares instead of bars if a row has many attempts', () => {
    const { timeline } = measuredOf(work(1, 2, 1_500));
    expect(timeline.rows).to.have.length(2);
    for (const { bars, shares, busy } of timeline.rows) {
      expect(bars).to.deep.equal([]);
      expect(shares?.length).to.be.within(120, 240);
      expect(shares?.slice(1, -2).every((share) => share === 1)).to.equal(true);
      expect(busy).to.be.above(0.98);
    }
  });

  it('has a row per worker when there are more than 64 slots, and groups of workers when there are more workers than that', () => {
    const many = measuredOf(work(20, 4, 3)).timeline;
    expect(many.rows).to.have.length(20);
    expect(many.rows.every(({ slots, worker, busy }) => slots === 4 && worker !== null && busy > 0.9)).to.equal(true);
    const crowd = measuredOf(work(500, 2, 2)).timeline;
    expect(crowd.rows.length).to.be.within(32, 64);
    expect(crowd.rows.reduce((sum, { slots }) => sum + slots, 0)).to.equal(1_000);
    expect(crowd.rows[0]).to.include({ worker: null });
    expect(crowd.hidden).to.equal(0);
  });

  it('never has more than 64 rows and 2,000 bars', () => {
    for (const [workers, slots, rounds] of [
      [1, 1, 3_000],
      [30, 2, 40],
      [64, 1, 40],
      [2_200, 2, 1],
    ] as const) {
      const { rows } = measuredOf(work(workers, slots, rounds)).timeline;
      expect(rows.length).to.be.at.most(64);
      expect(rows.reduce((sum, { bars }) => sum + bars.length, 0)).to.be.at.most(2_000);
    }
  });

  it('shows a task that uses the whole worker in each of its slots, and counts it as such', () => {
    const workers = new Map([['w1', known(4, T0 + 9_000)]]);
    const measured = measuredOf([attempt({ step: 'totals' })], { workers, slots: () => 'all' });
    expect(measured.timeline.rows.map(({ bars }) => bars.length)).to.deep.equal([1, 1, 1, 1]);
    expect([measured.busySeconds, measured.slotSeconds]).to.deep.equal([4, 4]);
  });

  it('shows as many slots as a forgotten worker used at once', () => {
    const { workers } = measuredOf([1, 2, 3].map((task) => attempt({ task, endedAt: T0 + 60_000 })));
    expect(workers[0]).to.include({ slots: 3, host: null, busySeconds: 180 });
  });
});

describe('the slots of a report', () => {
  const of = (worker: string, from: number, to: number): AttemptFacts =>
    attempt({ worker, attempt: worker, task: from, startedAt: T0 + from * 1_000, endedAt: T0 + to * 1_000 });
  const was = (from: number, to: number, alive = false) => [
    { ...known(2, T0 + to * 1_000, alive), startedAt: T0 + from * 1_000 },
  ];

  it('are those that existed at the same time: a later worker takes the place of one that left', () => {
    const workers = new Map([
      ...was(-60, 50).map((one) => ['w1', one] as const),
      ...was(50, 900).map((one) => ['w2', one] as const),
    ]);
    const measured = measuredOf([of('w1', 0, 40), of('w2', 60, 100)], { workers });
    expect(measured.mostSlots).to.equal(2);
    expect(measured.slotSeconds).to.equal(200);
    expect(measured.throughput.bins.map(({ slots }) => slots)).to.satisfy((all: number[]) => all.every((n) => n === 2));
  });

  it('are known over time: from the start of each worker to its last heartbeat', () => {
    const workers = new Map([
      ...was(0, 100, true).map((one) => ['w1', one] as const),
      ...was(25, 75).map((one) => ['w2', one] as const),
    ]);
    const measured = measuredOf([of('w1', 0, 100), of('w2', 30, 60)], { workers });
    expect([measured.mostSlots, measured.slotSeconds]).to.deep.equal([4, 2 * 100 + 2 * 50]);
    const { bins, from, seconds } = measured.throughput;
    const at = (second: number) =>
      bins[Math.floor((T0 / 1_000 + second - Date.parse(from ?? '') / 1_000) / seconds)]?.slots;
    expect([10, 50, 90].map(at)).to.deep.equal([2, 4, 2]);
  });

  it('count, for a forgotten worker, only while it is known to have worked', () => {
    const measured = measuredOf([of('w1', 0, 40), of('w2', 60, 100)]);
    expect([measured.mostSlots, measured.slotSeconds]).to.deep.equal([1, 80]);
  });
});

describe('an attempt without a recorded end', () => {
  const begun = attempt({ attempt: 'a', outcome: 'running', endedAt: null });

  it('is shown as running while the job is open, its worker lives and no other attempt came after it', () => {
    const workers = new Map([['w1', known(1, T0 + 5_000, true)]]);
    const measured = measuredOf([begun], { now: T0 + 6_000, closedAt: null, workers });
    expect(measured.timeline.rows[0]?.bars[0]).to.include({ outcome: 'running' });
    expect([measured.lostSeconds, measured.steps.get('price')?.interrupted]).to.deep.equal([6, 0]);
  });

  it("is shown as interrupted at the worker's last heartbeat when its worker vanished", () => {
    const workers = new Map([['w1', known(1, T0 + 4_000)]]);
    const measured = measuredOf([begun], { now: T0 + 60_000, closedAt: null, workers });
    expect([measured.lostSeconds, measured.steps.get('price')?.interrupted]).to.deep.equal([4, 1]);
  });

  it('ended at the latest when the next attempt of its task began', () => {
    const workers = new Map([['w1', known(1, T0 + 9_000, true)]]);
    const next = attempt({ attempt: 'b', worker: 'w2', startedAt: T0 + 3_000, endedAt: T0 + 3_500 });
    const measured = measuredOf([begun, next], { workers });
    expect([measured.lostSeconds, measured.usefulSeconds]).to.deep.equal([3, 0.5]);
    expect(measured.workers.find(({ worker }) => worker === 'w1')).to.include({ interrupted: 1 });
  });

  it('ended at the latest when a duplicate of it was done, which is when it gave up', () => {
    const workers = new Map([['w1', known(1, T0 + 900_000, true)]]);
    const twin = attempt({ attempt: 'b', worker: 'w2', startedAt: T0 - 1_000, endedAt: T0 + 2_000 });
    const measured = measuredOf([begun, twin], { workers });
    expect([measured.lostSeconds, measured.usefulSeconds]).to.deep.equal([2, 3]);
  });

  it('takes no time if its worker is forgotten', () => {
    expect(measuredOf([begun])).to.include({ lostSeconds: 0, attempts: 1 });
  });
});

const spans = fc.array(
  fc
    .tuple(fc.oneof(fc.nat(500), fc.nat(10_000_000)), fc.oneof(fc.nat(20), fc.nat(1_000_000)))
    .map(([from, length]) => ({ from: T0 + from, to: T0 + from + length })),
  { minLength: 1, maxLength: 60 },
);

describe('bins over time', () => {
  it('contain each event at its time and each span in the bins it covers, in any order of arrival', () => {
    fc.assert(
      fc.property(spans, (all) => {
        const grid = new TimeGrid();
        const [ends, busy] = [grid.series(), grid.series()];
        for (const { from, to } of all) {
          grid.makeRoom(from, to);
          grid.add(ends, to, 1);
          grid.addSpan(busy, from, to, 2);
        }
        const view = grid.view();
        if (view === null) throw new Error('nothing was reached');
        const [counts, covered] = [grid.values(ends), grid.values(busy)];
        for (let n = 0; n < view.count; n += 1) {
          const [begin, end] = [view.from + n * view.width, view.from + (n + 1) * view.width];
          const ended = all.filter(({ to }) => to >= begin && to < end).length;
          const over = all.reduce(
            (sum, { from, to }) => sum + Math.max(0, Math.min(to, end) - Math.max(from, begin)),
            0,
          );
          expect(counts[n]).to.equal(ended);
          expect(covered[n]).to.be.closeTo(2 * over, 1e-3);
        }
      }),
    );
  });

  it('are at most 240, begin at the first instant or just before it, and end with the last', () => {
    fc.assert(
      fc.property(spans, (all) => {
        const grid = new TimeGrid();
        for (const { from, to } of all) grid.makeRoom(from, to);
        const view = grid.view();
        if (view === null) throw new Error('nothing was reached');
        const [first, last] = [Math.min(...all.map(({ from }) => from)), Math.max(...all.map(({ to }) => to))];
        expect(view.count).to.be.within(1, 240);
        expect(view.from).to.be.within(first - view.width, first);
        expect(last).to.be.within(view.from, view.from + view.count * view.width);
        if (last - first > 1_000) expect(view.count).to.be.above(120);
      }),
    );
  });

  it('are none if there were no events', () => {
    const grid = new TimeGrid();
    expect([grid.view(), grid.values(grid.series())]).to.deep.equal([null, []]);
  });
});
