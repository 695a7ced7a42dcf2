// Protects: a task's page shows its true history, and the timeline finds the attempt under the pointer.
import { expect } from 'chai';
import type { Entry, Task } from '../../src/dashboard/api-routes.ts';
import { type Bar, barAt, clampSpan, nextBar, ticksOf, zoomSpan } from '../../src/dashboard/chart/lanes.ts';
import { historyOf, type TaskFacts } from '../../src/dashboard/words/task.ts';
import { T0 } from '../contracts/ledger-events.ts';
import { attempt, measuredOf } from '../model/report/report-attempts.ts';

const at = (second: number): string => new Date(T0 + second * 1_000).toISOString();

const attemptOf = (state: string, from: number, to: number, more: Partial<Task> = {}): Task => ({
  step: 'price',
  task: 6,
  state,
  round: 0,
  attempts: 1,
  attempt: `a${from}`,
  number: 1,
  cpuSeconds: null,
  peakMemory: null,
  waitSeconds: 5,
  worker: 'w1',
  startedAt: at(from),
  endedAt: at(to),
  input: null,
  place: null,
  params: null,
  exitCode: null,
  reason: null,
  error: null,
  cause: null,
  badInput: false,
  ...more,
});

const historyRows = (facts: Partial<TaskFacts>) =>
  historyOf({
    step: 'price',
    task: 6,
    attempts: [],
    entries: [],
    open: true,
    readyAt: at(0),
    waitsFor: null,
    ...facts,
  }).map(({ word, from, to, text }) => [word, from, to, text]);

describe("a task's history on the dashboard", () => {
  it('waits, fails, waits for its next attempt, and is done', () => {
    const failed = attemptOf('failedAttempt', 10, 12, { exitCode: 3, reason: 'exit', error: 'no rate' });
    expect(historyRows({ attempts: [failed, attemptOf('done', 20, 21)] })).to.deep.equal([
      ['waiting', at(5), at(10), 'for a slot'],
      ['failed attempt', at(10), at(12), 'exit 3: no rate'],
      ['waiting', at(12), at(20), 'for its next attempt'],
      ['done', at(20), at(21), null],
    ]);
  });

  it('shows a failure as an alarm only while nothing has answered it', () => {
    const failed = attemptOf('failed', 10, 12, { exitCode: 3 });
    const tones = (facts: Partial<TaskFacts>): readonly string[] =>
      historyOf({
        step: 'price',
        task: 6,
        attempts: [failed],
        entries: [],
        open: true,
        readyAt: null,
        waitsFor: null,
        ...facts,
      })
        .filter(({ state }) => state === 'failed')
        .map(({ tone }) => tone);
    const retry = { number: 3, what: 'retry', who: 'anna', when: at(30), text: '', tasks: { price: '6' } } as Entry;
    expect(tones({})).to.deep.equal(['bad']);
    expect(tones({ entries: [{ ...retry, what: 'kill' }] })).to.deep.equal(['bad']);
    expect(tones({ entries: [retry] })).to.deep.equal(['doubtful']);
    expect(tones({ attempts: [failed, attemptOf('done', 40, 41)] })).to.deep.equal(['doubtful']);
    expect(tones({ attempts: [failed, attemptOf('failed', 40, 41, { round: 1 })], entries: [retry] })).to.deep.equal([
      'doubtful',
      'bad',
    ]);
  });

  it('says since when it waits, and for what', () => {
    expect(historyRows({})).to.deep.equal([['waiting', at(0), null, 'for a slot']]);
    const [waiting] = historyRows({ waitsFor: 'read/6', readyAt: null });
    expect(waiting).to.deep.equal(['waiting', null, null, 'for the output of read/6']);
    const interrupted = historyRows({ attempts: [attemptOf('interrupted', 10, 12)] }).at(-1);
    expect(interrupted).to.deep.equal(['waiting', at(12), null, 'returned to the queue']);
    expect(historyRows({ open: false })).to.deep.equal([]);
  });

  it('names who retried or skipped it, and leaves out decisions about other tasks', () => {
    const entry = (what: string, second: number, more: object): Entry =>
      ({ number: second, when: at(second), who: 'ann', what, text: '', ...more }) as Entry;
    const entries = [
      entry('retry', 30, { tasks: { price: '5-7' } }),
      entry('skip', 40, { tasks: { price: '1' }, reason: 'other' }),
    ];
    const failed = attemptOf('failed', 10, 12, { waitSeconds: null });
    expect(historyRows({ attempts: [failed], entries }).slice(-2)).to.deep.equal([
      ['retry', at(30), null, 'by ann'],
      ['waiting', at(30), null, 'for a slot'],
    ]);
    const skipped = entry('skip', 50, { tasks: { price: '6' }, reason: 'agreed' });
    const last = historyRows({ attempts: [failed], entries: [skipped] }).at(-1);
    expect(last).to.deep.equal(['skipped', at(50), null, 'by ann: agreed']);
  });
});

describe('the timeline of slots', () => {
  const bar = (start: number, end: number, outcome: Bar['outcome'] = 'done'): Bar => ({
    start,
    end,
    outcome,
    task: `price/${start}`,
    attempt: 1,
    reason: null,
    exitCode: null,
  });
  const bars = [bar(0, 4), bar(5, 6, 'failed'), bar(6.2, 9)];

  it('finds the attempt under the pointer, or a short one beside it', () => {
    expect(barAt({ bars }, 2, 0.1)?.task).to.equal('price/0');
    expect(barAt({ bars }, 6.1, 0.2)?.task).to.equal('price/5');
    expect(barAt({ bars }, 4.5, 0.1)).to.equal(null);
    expect(nextBar({ bars }, bars[0] ?? null, 1)?.task).to.equal('price/5');
    expect(nextBar({ bars }, bars[2] ?? null, 1)?.task).to.equal('price/6.2');
  });

  it('zooms around a point and stays within the job', () => {
    expect(zoomSpan({ from: 0, to: 100 }, 0.5, 20, 100)).to.deep.equal({ from: 10, to: 60 });
    expect(zoomSpan({ from: 10, to: 60 }, 4, 20, 100)).to.deep.equal({ from: 0, to: 100 });
    expect(clampSpan({ from: 90, to: 110 }, 100)).to.deep.equal({ from: 80, to: 100 });
    expect(ticksOf(1_000, { from: 3, to: 33 }, 4)).to.deep.equal({ at: [1_010, 1_020, 1_030], step: 10 });
  });

  it('shows waiting tasks, and only the failed attempts of a lane with too many', () => {
    const second = (task: number, outcome: 'done' | 'failed') =>
      attempt({ task, outcome, startedAt: T0 + task * 1_000, endedAt: T0 + task * 1_000 + 1_000 });
    const few = measuredOf([second(0, 'done'), second(1, 'done')], {
      waits: [{ name: 'price', tasks: 3, from: 'start' }],
    }).timeline;
    expect([few.waiting[1], few.waiting.at(-2), few.sampled]).to.deep.equal([2, 1, 1]);
    const many = measuredOf(
      Array.from({ length: 5_000 }, (_, task) => second(task, task % 1_000 === 7 ? 'failed' : 'done')),
    ).timeline;
    expect(many.rows[0]?.bars.map(({ task }) => task)).to.deep.equal(
      [7, 1_007, 2_007, 3_007, 4_007].map((n) => `price/${n}`),
    );
    const bad = measuredOf(Array.from({ length: 100_000 }, (_, task) => second(task, 'failed'))).timeline;
    expect([bad.rows[0]?.bars.length, bad.sampled]).to.satisfy(
      ([n, each]: number[]) => (n ?? 0) <= 1_000 && (each ?? 0) >= 100,
    );
  });
});
