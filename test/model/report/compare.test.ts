// Protects: comparing two reports names what really got worse, and ignores noise.
import { expect } from 'chai';
import type { Comparison, Distribution, Report, StepReport } from '../../../src/model/answers/report.ts';
import { compareReports } from '../../../src/model/report/compare.ts';
import { tenTasks } from '../../support/sample-reports.ts';

const spread = (p50: number, p95 = p50 * 2): Distribution => ({
  count: 100,
  min: p50 / 2,
  mean: p50,
  p50,
  p95,
  p99: p95,
  max: p95,
  sum: p50 * 100,
  bins: [],
});

/** A step of 100 tasks of a second each, all done. */
const step = (fields: Partial<StepReport> = {}): StepReport => ({
  name: 'price',
  group: 'default',
  gather: false,
  needs: { slots: 1, memory: 0 },
  tasks: 100,
  done: 100,
  failed: 0,
  skipped: 0,
  retried: 0,
  interrupted: 0,
  seconds: 50,
  duration: spread(1),
  wait: spread(2),
  bytesIn: 1_000,
  bytesOut: 100,
  cpuSeconds: 50,
  peakMemory: null,
  measured: 100,
  measuredSeconds: 100,
  counters: { records: '500' },
  cost: null,
  ...fields,
});

/** The report of a job with this one step, which took 100 seconds. */
function report(totals: Partial<Report['totals']> = {}, fields: Partial<Report> = {}): Report {
  return {
    ...tenTasks(),
    job: 'claims-2',
    seconds: 100,
    steps: [step()],
    totals: {
      tasks: 100,
      done: 100,
      failed: 0,
      skipped: 0,
      attempts: 100,
      retried: 0,
      interrupted: 0,
      bytesIn: 1_000,
      bytesOut: 100,
      cpuSeconds: 50,
      usefulSeconds: 100,
      lostSeconds: 0,
      slots: 2,
      slotSeconds: 120,
      utilisation: 0.8,
      rate: 1,
      ...totals,
    },
    ...fields,
  };
}

const figure = (comparison: Comparison, code: string) => comparison.figures.find((each) => each.code === code);

describe('the comparison of two reports', () => {
  it('shows equality when nothing changed', () => {
    const same = compareReports(report(), report(), 0);
    expect(same.regressions).to.deep.equal([]);
    expect(same.figures.every(({ change, before }) => change === 0 || before === null)).to.equal(true);
    expect(same).to.include({ perTask: false, job: 'claims-2' });
  });

  it('shows every change, and finds nothing worse without a limit', () => {
    const found = compareReports(report(), report({}, { seconds: 900 }), null);
    expect(figure(found, 'seconds')).to.include({ before: 100, now: 900, change: 8, regressed: false });
    expect(found.regressions).to.deep.equal([]);
  });

  it('names each relevant figure that is worse by more than the limit', () => {
    const now = report({ failed: 3, retried: 1 }, { seconds: 121, steps: [step({ duration: spread(1.3, 2) })] });
    const found = compareReports(report({ retried: 1 }), now, 0.2);
    expect(found.regressions).to.deep.equal([
      'total time: 100 s before, 121 s now (+21%)',
      'failed: 0 before, 3 now',
      'price p50: 1 s before, 1.3 s now (+30%)',
    ]);
    expect(figure(found, 'p95')?.regressed).to.equal(false);
  });

  it('allows a figure to be worse by exactly the limit, and better by any amount', () => {
    expect(compareReports(report(), report({}, { seconds: 120 }), 0.2).regressions).to.deep.equal([]);
    expect(compareReports(report(), report({ rate: 100 }, { seconds: 1 }), 0).regressions).to.deep.equal([]);
  });

  it('ignores interruptions, waiting, CPU and used slots', () => {
    const now = report({ interrupted: 50, cpuSeconds: 900, utilisation: 0.1 }, { steps: [step({ wait: spread(50) })] });
    expect(compareReports(report(), now, 0.2).regressions).to.deep.equal([]);
  });

  it('uses figures per task if the jobs differ in size and the figure grows with the number of tasks', () => {
    const before = report({ retried: 10 });
    const now = report({ tasks: 200, retried: 20 }, { seconds: 200 });
    const found = compareReports(before, now, 0.2);
    expect(found).to.deep.include({ perTask: true, regressions: [] });
    expect(figure(found, 'retried')).to.include({ perTask: true, before: 0.1, now: 0.1 });
    expect(figure(found, 'seconds')).to.include({ before: 1, now: 1 });
    expect(figure(found, 'p50')?.perTask).to.equal(false);
    const slower = compareReports(before, report({ tasks: 200 }, { seconds: 300 }), 0.2);
    expect(slower.regressions).to.deep.equal(['total time per task: 1 s before, 1.5 s now (+50%)']);
  });

  it('treats a difference below the accuracy of clock and scheduler as noise', () => {
    const reportOf = (p50: number) => report({}, { seconds: 1 + p50, steps: [step({ duration: spread(p50, p50) })] });
    expect(compareReports(reportOf(0.002), reportOf(0.009), 0.2).regressions).to.deep.equal([]);
  });

  it('leaves out steps that only one report has, and never calls unknown values worse', () => {
    const cost = { usd: 5, basis: 'list' };
    const now = report({ utilisation: null }, { cost, steps: [step({ name: 'audit' }), step({ duration: null })] });
    const found = compareReports(report(), now, 0.2);
    expect(found.figures.filter(({ step: name }) => name === 'audit')).to.deep.equal([]);
    expect(figure(found, 'cost')).to.include({ before: null, now: 5, change: null, regressed: false });
    expect(found.regressions).to.deep.equal([]);
    expect(compareReports(report({}, { cost: { ...cost, usd: 2 } }), now, 0.2).regressions).to.deep.equal([
      'cost: 2 USD before, 5 USD now (+150%)',
    ]);
  });

  it('compares counters to the last digit, and as a whole even if the jobs differ in size', () => {
    const steps = (amount: string) => [
      step({ counters: { amount } }),
      step({ name: 'audit', counters: { amount: '0.1' } }),
    ];
    const before = report({}, { steps: steps('90071992547409.93') });
    const now = report({ tasks: 7 }, { steps: steps('90071992547409.94') });
    const found = compareReports(before, now, 0.2);
    expect(found.perTask).to.equal(true);
    expect(figure(found, 'counter')).to.deep.include({
      perTask: false,
      exact: { before: '90071992547410.03', now: '90071992547410.04', difference: '0.01' },
    });
    expect(figure(found, 'seconds')).to.include({ exact: null, perTask: true });
    const gone = compareReports(before, report({}, { steps: [step({ counters: { fees: '1' } })] }), null);
    expect(figure(gone, 'counter')).to.deep.include({
      name: 'fees',
      exact: { before: null, now: '1', difference: null },
    });
  });

  it('adds up a counter over the steps that count it', () => {
    const two = [step(), step({ name: 'audit', counters: { records: '20.5' } })];
    expect(figure(compareReports(report(), report({}, { steps: two }), null), 'counter')).to.include({
      name: 'records',
      before: 500,
      now: 520.5,
      better: null,
      matters: false,
    });
  });
});
