// Protects: the manager looks at open jobs and schedules often enough, and slows down when there are many or it fails.
import { expect } from 'chai';
import { failureDelayMs, lookIntervalMs, untilNextMs } from '../../src/manager/duties.ts';

describe('the pace of rounds', () => {
  const looks: readonly (readonly [number, boolean, number])[] = [
    [0, false, 2_000],
    [1, false, 1_000],
    [20, false, 1_000],
    [100, false, 5_000],
    [5_000, false, 60_000],
    [0, true, 15_000],
    [1, true, 5_000],
    [20, true, 5_000],
    [100, true, 25_000],
    [5_000, true, 60_000],
  ];
  for (const [open, remote, ms] of looks) {
    it(`is a look every ${ms / 1_000} s with ${open} open jobs ${remote ? 'on a remote store' : 'on files'}`, () => {
      expect(lookIntervalMs({ open, remote })).to.equal(ms);
    });
  }

  it('slows down with each failure, down to once a minute', () => {
    expect([1, 2, 3, 6, 7, 8, 100].map(failureDelayMs)).to.deep.equal([
      1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000,
    ]);
  });

  it('waits until the next firing, at most a minute, and not at all for one that is due', () => {
    const now = Date.parse('2026-11-30T17:59:50Z');
    expect(untilNextMs([], now)).to.equal(60_000);
    expect(untilNextMs([now + 10_000, now + 5_000, now + 3_600_000], now)).to.equal(5_000);
    expect(untilNextMs([now + 3_600_000], now)).to.equal(60_000);
    expect(untilNextMs([now - 1], now)).to.equal(0);
  });
});
