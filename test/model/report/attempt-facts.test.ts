// Protects: sums, slow tasks and causes in a report count each attempt once.
import { expect } from 'chai';
import fc from 'fast-check';
import type { AttemptFacts } from '../../../src/model/report/attempt-facts.ts';
import { T0 } from '../../contracts/ledger-events.ts';
import { attempt, measuredOf } from './report-attempts.ts';

const OUTCOMES = ['done', 'failedAttempt', 'failed', 'interrupted'] as const;

/** Attempts of some tasks, in the ledger's order. */
const histories = fc
  .array(
    fc.record({
      step: fc.constantFrom('audit', 'price'),
      task: fc.nat(6),
      outcome: fc.constantFrom(...OUTCOMES),
      started: fc.nat(90_000),
      lasted: fc.nat(20_000),
      worker: fc.constantFrom('w1', 'w2', 'w3'),
      slot: fc.nat(2),
      error: fc.constantFrom(null, 'row 1: bad', 'row 22: bad', 'no rate'),
    }),
    { maxLength: 60 },
  )
  .map((all) =>
    all
      .map(
        ({ started, lasted, ...more }, n): AttemptFacts =>
          attempt({
            ...more,
            attempt: `a${String(n).padStart(3, '0')}`,
            startedAt: T0 + started,
            endedAt: T0 + started + lasted,
            ...(more.outcome === 'failed' || more.outcome === 'failedAttempt' ? { reason: 'exit', exitCode: 1 } : {}),
          }),
      )
      .sort((a, b) => (a.step === b.step ? a.task - b.task : a.step < b.step ? -1 : 1)),
  );

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
const lasted = ({ startedAt, endedAt }: AttemptFacts): number => ((endedAt ?? 0) - startedAt) / 1_000;

describe('the sums of a report', () => {
  it('are those of the attempts, each counted once, however they overlap', () => {
    fc.assert(
      fc.property(histories, (all) => {
        const measured = measuredOf(all);
        const of = (outcome: AttemptFacts['outcome']) => all.filter((each) => each.outcome === outcome);
        expect(measured.attempts).to.equal(all.length);
        expect(measured.usefulSeconds).to.be.closeTo(sum(of('done').map(lasted)), 1e-6);
        expect(measured.lostSeconds).to.be.closeTo(sum(all.filter((a) => a.outcome !== 'done').map(lasted)), 1e-6);
        const { bins, seconds } = measured.throughput;
        expect(sum(bins.map(({ done }) => done))).to.equal(of('done').length);
        expect(sum(bins.map(({ retried }) => retried))).to.equal(of('failedAttempt').length);
        expect(sum(bins.map(({ failed }) => failed))).to.equal(of('failed').length);
        expect(sum(bins.map(({ interrupted }) => interrupted))).to.equal(of('interrupted').length);
        expect(sum(bins.map(({ running }) => running)) * seconds).to.be.closeTo(
          sum(all.map(lasted)),
          0.02 * seconds * 240,
        );
        expect(sum(measured.workers.map(({ busySeconds }) => busySeconds))).to.be.closeTo(sum(all.map(lasted)), 1e-6);
        expect(sum(measured.causes.map(({ attempts }) => attempts))).to.equal(
          of('failed').length + of('failedAttempt').length,
        );
        expect(measured.startedAt).to.equal(all.length === 0 ? null : Math.min(...all.map((a) => a.startedAt)));
        expect(measured.endedAt).to.equal(all.length === 0 ? null : Math.max(...all.map((a) => a.endedAt ?? 0)));
      }),
    );
  });

  it('have fewer bins over time when there are few attempts, and never more than 240', () => {
    const bins = (count: number): number =>
      measuredOf(
        Array.from({ length: count }, (_, task) =>
          attempt({ task, startedAt: T0 + task * 1_000, endedAt: T0 + task * 1_000 + 500 }),
        ),
      ).throughput.bins.length;
    expect(bins(1)).to.be.within(1, 24);
    expect(bins(100)).to.be.within(13, 24);
    expect(bins(600)).to.be.within(50, 100);
    expect(bins(6_000)).to.be.within(120, 240);
  });

  it('name the twenty slowest, slowest first', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100_000), { maxLength: 60 }), (times) => {
        const { slowest } = measuredOf(times.map((ms, task) => attempt({ task, endedAt: T0 + ms })));
        const expected = [...times].sort((a, b) => b - a).slice(0, 20);
        expect(slowest.map(({ seconds }) => seconds * 1_000).map(Math.round)).to.deep.equal(expected);
      }),
    );
  });

  it("give a slow task's duration as a multiple of its step's median, and its number of attempts", () => {
    const { slowest } = measuredOf([
      attempt({ task: 1 }),
      attempt({ task: 2 }),
      attempt({ task: 3 }),
      attempt({ task: 4, attempt: 'a', outcome: 'failedAttempt' }),
      attempt({ task: 4, attempt: 'b', endedAt: T0 + 5_000, bytesIn: 7, peakMemory: 9 }),
    ]);
    expect(slowest[0]).to.deep.equal({
      task: 'price/4',
      params: null,
      seconds: 5,
      times: 5,
      attempts: 2,
      worker: 'w1',
      bytesIn: 7,
      peakMemory: 9,
      log: 'log/price/4.b',
    });
  });

  it('include durations, CPU and memory only of successful attempts, and are unknown if none is known', () => {
    const facts = { cpuSeconds: 2, peakMemory: 100 };
    const { steps } = measuredOf([
      attempt({ step: 'audit' }),
      attempt({ task: 1, attempt: 'a', outcome: 'failedAttempt', endedAt: T0 + 9_000, ...facts, peakMemory: 900 }),
      attempt({ task: 1, attempt: 'b', ...facts }),
      attempt({ task: 2, ...facts, peakMemory: 300 }),
      attempt({ task: 3 }),
    ]);
    const [audit, price] = [steps.get('audit'), steps.get('price')];
    expect([audit?.cpuSeconds, audit?.peakMemory]).to.deep.equal([null, null]);
    expect([price?.cpuSeconds, price?.peakMemory]).to.deep.equal([4, 300]);
    expect([audit?.measured, price?.measured], 'how many of them were measured').to.deep.equal([0, 2]);
    expect(price?.duration.distribution()).to.include({ count: 3, max: 1 });
  });

  it('include the wait of only the first attempt of each round', () => {
    const { steps } = measuredOf([
      attempt({ attempt: 'c', startedAt: T0 + 500, waitSeconds: 60 }),
      attempt({ attempt: 'd', startedAt: T0, waitSeconds: 2, outcome: 'interrupted' }),
      attempt({ attempt: 'e', startedAt: T0 + 900, round: 1, waitSeconds: 4 }),
      attempt({ task: 2, attempt: 'a', startedAt: T0, outcome: 'running', endedAt: null }),
      attempt({ task: 2, attempt: 'b', startedAt: T0 + 500, waitSeconds: 70 }),
    ]);
    expect(steps.get('price')?.wait.distribution()).to.include({ count: 2, min: 2, max: 4 });
  });

  it('distinguish permanent failures from retried ones: for a failed task, in the last requested round', () => {
    const bad = { outcome: 'failed', reason: 'exit', exitCode: 3, error: 'row 7: bad' } as const;
    const all = [
      attempt({ ...bad, task: 1, attempt: 'a', outcome: 'failedAttempt', endedAt: T0 + 10 }),
      attempt({ ...bad, task: 1, attempt: 'b', error: 'row 8: bad', endedAt: T0 + 20 }),
      attempt({ ...bad, task: 2, attempt: 'a' }),
      attempt({ task: 2, attempt: 'b', round: 1 }),
      attempt({ ...bad, task: 3 }),
    ];
    const asked = (_: string, task: number): number => (task === 1 ? 0 : 1);
    const [cause, ...others] = measuredOf(all, { askedRound: asked }).causes;
    expect(others).to.deep.equal([]);
    expect(cause).to.include({ attempts: 4, forGood: 1, step: 'price', exitCode: 3, error: 'row <n>: bad' });
    expect(cause?.firstAt).to.equal(new Date(T0 + 10).toISOString());
    expect(cause?.example).to.deep.equal({ task: 'price/1', params: null, error: 'row 7: bad', log: 'log/price/1.a' });
  });

  it('no longer count a permanent failure, nor bad input, once a retry asks for its task again', () => {
    const bad = { task: 1, outcome: 'failed', reason: 'exit', exitCode: 3, error: 'bad' } as const;
    const all = [
      attempt({ ...bad, attempt: 'a', outcome: 'failedAttempt', worker: 'w1' }),
      attempt({ ...bad, attempt: 'b', worker: 'w2' }),
      attempt({ task: 1, attempt: 'c', round: 1, outcome: 'running', endedAt: null }),
    ];
    const seen = (askedRound: number) => measuredOf(all, { askedRound: () => askedRound }).causes;
    expect(seen(0).map(({ forGood, badInput }) => [forGood, badInput])).to.deep.equal([[1, 1]]);
    expect(seen(1).map(({ forGood, badInput }) => [forGood, badInput])).to.deep.equal([[0, 0]]);
  });

  it('no longer count a permanent failure once its task is skipped', () => {
    const fails = [1, 2].map((task) => attempt({ task, outcome: 'failed', reason: 'exit', exitCode: 3, error: 'bad' }));
    const [cause] = measuredOf(fails, { skipped: (step, task) => step === 'price' && task === 2 }).causes;
    expect(cause).to.include({ attempts: 2, forGood: 1 });
  });

  it('keep a bounded number of causes when every error is different', () => {
    const word = (n: number): string => [...String(n)].map((digit) => 'abcdefghij'[Number(digit)]).join('');
    const all = Array.from({ length: 1_500 }, (_, task) =>
      attempt({ task, outcome: 'failed', reason: 'exit', exitCode: 1, error: `odd ${word(task)}` }),
    );
    const { causes } = measuredOf(all);
    expect(causes).to.have.length(50);
    expect(causes[0]).to.include({ error: 'many different errors', attempts: 500, forGood: 500 });
  });
});
