// Protects: charts over time in a report place each event at its time, in a bounded number of bins.

import { expect } from 'chai';
import fc from 'fast-check';
import { TimeGrid } from '../../src/model/report/timeline.ts';

const T0 = Date.UTC(2026, 10, 30, 6);
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
          grid.reach(from, to);
          grid.add(ends, to, 1);
          grid.cover(busy, from, to, 2);
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
        for (const { from, to } of all) grid.reach(from, to);
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
