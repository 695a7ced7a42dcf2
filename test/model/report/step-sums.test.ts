// Protects: durations in a report are correct, exact for few tasks and within 1 % for many.
import { expect } from 'chai';
import fc from 'fast-check';
import { DurationSketch } from '../../../src/model/report/step-sums.ts';
import { T0 } from '../../contracts/ledger-events.ts';
import { attempt, measuredOf } from './report-attempts.ts';

function sketchOf(values: readonly number[]): DurationSketch {
  const sketch = new DurationSketch();
  for (const value of values) sketch.add(value);
  return sketch;
}

/** The value at a rank, computed from all values. */
function rank(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? 0;
}

const SHARES = [0, 0.01, 0.5, 0.95, 0.99, 1];
const milliseconds = fc.oneof(fc.nat(100), fc.nat(100_000), fc.nat(40_000_000));

describe('durations of a step', () => {
  it('have exact quantiles, mean and extremes while they are few', () => {
    fc.assert(
      fc.property(fc.array(milliseconds, { minLength: 1, maxLength: 300 }), (values) => {
        const sketch = sketchOf(values);
        for (const share of SHARES) expect(sketch.quantile(share)).to.equal(rank(values, share));
        const found = sketch.distribution();
        expect(found).to.include({
          count: values.length,
          min: Math.min(...values) / 1_000,
          max: Math.max(...values) / 1_000,
          p95: rank(values, 0.95) / 1_000,
        });
        expect(found?.sum).to.be.closeTo(values.reduce((sum, value) => sum + value, 0) / 1_000, 1e-6);
      }),
    );
  });

  it('have quantiles within 1 % when they are many', () => {
    fc.assert(
      fc.property(fc.array(milliseconds, { minLength: 1, maxLength: 40 }), (few) => {
        const values = Array.from({ length: 10_050 }, (_, n) => (few[n % few.length] ?? 0) + (n % 7));
        const sketch = sketchOf(values);
        for (const share of SHARES) {
          const exact = rank(values, share);
          expect(Math.abs(sketch.quantile(share) - exact), `${share} of ${exact}`).to.be.at.most(exact * 0.01);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('are in at most 60 adjacent bins that contain each value once, without empty ones at the ends', () => {
    fc.assert(
      fc.property(fc.array(milliseconds, { minLength: 1, maxLength: 200 }), (values) => {
        const bins = sketchOf(values).distribution()?.bins ?? [];
        expect(bins.length).to.be.within(1, 60);
        for (const [n, bin] of bins.entries()) {
          expect(bin.to).to.be.above(bin.from);
          if (n > 0) expect(bin.from).to.equal(bins[n - 1]?.to);
          // Edges are rounded to six digits, so a value at an edge may be on either side.
          const inside = values.filter((value) => value > bin.from * 1_000.01 && value < bin.to * 999.99).length;
          const around = values.filter((value) => value >= bin.from * 999.99 && value <= bin.to * 1_000.01).length;
          expect(bin.count).to.be.within(inside, around);
        }
        expect(bins.reduce((sum, bin) => sum + bin.count, 0)).to.equal(values.length);
        expect([bins[0]?.count, bins.at(-1)?.count]).to.not.include(0);
      }),
    );
  });

  it('are unknown, not zero, if there are none', () => {
    expect(new DurationSketch().distribution()).to.equal(null);
  });

  it('count as zero if a clock was set back, and in the last bin if too long', () => {
    const found = sketchOf([-5, 1e15]).distribution();
    expect(found).to.include({ min: 0, max: 1e12, count: 2 });
    expect(found?.bins.reduce((sum, { count }) => sum + count, 0)).to.equal(2);
  });
});

describe('the time that a step took', () => {
  const secondsOf = (...attempts: Parameters<typeof attempt>[0][]) =>
    measuredOf(attempts.map((fields, task) => attempt({ task, ...fields }))).steps.get('price')?.seconds;
  const at = (from: number, to: number) => ({ startedAt: T0 + from * 1_000, endedAt: T0 + to * 1_000 });

  it('is from the first start to the last end, in whatever order they are read', () => {
    expect(secondsOf(at(0, 4))).to.equal(4);
    expect(secondsOf(at(5, 9), at(1, 3), at(2, 6))).to.equal(8);
  });

  it('counts only attempts that succeeded, and is unknown without one', () => {
    const failed = { kind: 'failed', outcome: 'failed', exitCode: 1 } as const;
    expect(secondsOf({ ...at(0, 100), ...failed }, at(3, 5))).to.equal(2);
    expect(secondsOf({ ...at(0, 100), ...failed })).to.equal(null);
  });
});
