// Protects: the live view shows true progress, failures and time left, and fits the terminal.

import { expect } from 'chai';
import fc from 'fast-check';
import { type LiveStatus, plainLine, type StepCount, stepLines } from '../../src/cli/live-view.ts';
import { displayWidth } from '../../src/cli/terminal-text.ts';

const step = (name: string, counts: Partial<StepCount> = {}): StepCount => ({
  name,
  total: 1250,
  running: 0,
  done: 0,
  failed: 0,
  skipped: 0,
  ...counts,
});

const status = (
  steps: readonly StepCount[],
  rate: number | null = null,
  etaSeconds: number | null = null,
): LiveStatus => ({ steps, rate, etaSeconds });

describe('the live view of a job', () => {
  it('has one line per step, then rate and time left', () => {
    const steps = [step('price', { done: 625, running: 8, failed: 2 }), step('totals', { total: 1 })];
    expect(stepLines(status(steps, 41.2, 90), 80)).to.deep.equal([
      `price  ${'█'.repeat(18)}▓${'░'.repeat(18)}  50% 627/1,250  8 running, 2 failed`,
      `totals ${'░'.repeat(37)}   0%       0/1`,
      '41/s · 1m30s left',
    ]);
  });

  it('shows failures in the last line if there is no space next to the bar', () => {
    const lines = stepLines(status([step('price-it', { done: 3, running: 9, failed: 1 })], 2), 40);
    expect(lines[0]).to.match(/^price-it [█▓░]+ +0% 4\/1,250$/);
    expect(lines.at(-1)).to.equal('2.0/s · price-it: 9 running, 1 failed');
  });

  it('never shows 100% for unfinished work', () => {
    expect(stepLines(status([step('price', { done: 1249 })]), 80)[0]).to.include(' 99% ');
    expect(stepLines(status([step('price', { done: 1250 })]), 80)[0]).to.include('100% ');
  });

  it('shows a single failed task among a million', () => {
    expect(stepLines(status([step('price', { total: 1_000_000, done: 999_999, failed: 1 })]), 80)[0]).to.include('▓');
  });

  it('shows no share of an unknown total', () => {
    const [line] = stepLines(status([step('each', { total: null, done: 3 })]), 80);
    expect(line).to.include('3/?').and.not.include('%');
  });

  it('counts tasks that failed for good, or were skipped, as decided', () => {
    expect(plainLine(status([step('price', { done: 800, failed: 10, skipped: 2 })], 41, 11))).to.equal(
      'price 812/1,250 (10 failed, 2 skipped) · 41/s · 11s left',
    );
  });

  it('is never wider than the terminal, from 40 columns on', () => {
    const count = fc.nat({ max: 2_000_000 });
    const steps = fc.record({
      name: fc.oneof(fc.constantFrom('价格计算步骤', 'price', 'a'), fc.stringMatching(/^[a-z][a-z0-9-]{0,39}$/)),
      total: fc.option(count),
      running: count,
      done: count,
      failed: count,
      skipped: count,
    });
    const any = fc.record({
      steps: fc.array(steps, { minLength: 1, maxLength: 6 }),
      rate: fc.option(fc.double({ min: 0, max: 100_000, noNaN: true })),
      etaSeconds: fc.option(fc.nat()),
    });
    fc.assert(
      fc.property(any, fc.integer({ min: 40, max: 300 }), (live, width) => {
        for (const line of stepLines(live, width)) expect(displayWidth(line)).to.be.at.most(width);
      }),
    );
  });
});
