// Protects: a job stops before it exceeds its cost limit, and no machine starts that the limit cannot pay for.
import { expect } from 'chai';
import fc from 'fast-check';
import {
  affordableMachines,
  budgetFix,
  dollarsText,
  isLimitReached,
  isLimitTooLow,
  JOB_LIMIT,
  leftOf,
  limitNameOf,
  limitReachedText,
  MONTH_BUDGET,
  minMachineCost,
  type NextMachine,
} from '../../../src/model/cost/limit.ts';
import { expectedCost, workCost } from '../../../src/model/cost/projected.ts';
import { monthToDate, nextMachinePrice, priceOf, typesWithoutPrice } from '../../../src/model/cost/spending.ts';
import type { HourPrice } from '../../../src/model/group-status.ts';

/** A machine at this many dollars an hour. */
const next = (price: number, boot = 90): NextMachine => ({ price, boot });

const usd = fc.double({ min: 0, max: 1e6, noNaN: true });

describe('a limit on cost', () => {
  it('is reached at the limit less the cost of draining', () => {
    expect(isLimitReached({ limit: 10, soFar: 9.4, draining: 0.5 })).to.equal(false);
    expect(isLimitReached({ limit: 10, soFar: 9.5, draining: 0.5 })).to.equal(true);
    expect(isLimitReached({ limit: 10, soFar: 12, draining: 0 })).to.equal(true);
  });

  it('starts a machine only if it can pay for its boot, ten minutes or two tasks of work, and idle time', () => {
    // 90 s + 600 s + 120 s at 3.60 an hour.
    expect(minMachineCost(next(3.6), null)).to.be.closeTo(0.81, 1e-9);
    expect(minMachineCost(next(3.6), 400)).to.be.closeTo(1.01, 1e-9);
    expect(minMachineCost(next(3.6, 600), null)).to.be.closeTo(1.32, 1e-9);
    expect(affordableMachines(8.1, next(3.6), null)).to.equal(10);
    expect(affordableMachines(0.8, next(3.6), null)).to.equal(0);
    expect(affordableMachines(-1, next(3.6), null)).to.equal(0);
    expect(affordableMachines(0, next(0), null)).to.equal(Number.MAX_SAFE_INTEGER);
  });

  it('blocks a job if nothing is left to drain and the rest pays for no machine', () => {
    expect(isLimitTooLow({ limit: 10, soFar: 9.5, draining: 0 }, 0.6)).to.equal(true);
    expect(isLimitTooLow({ limit: 10, soFar: 9.5, draining: 0 }, 0.5)).to.equal(false);
    expect(isLimitTooLow({ limit: 10, soFar: 9.5, draining: 0.1 }, 0.6)).to.equal(false);
  });

  it('never allows spending more than is left, and allows more machines the more is left', () => {
    fc.assert(
      fc.property(usd, usd, usd, fc.double({ min: 0.001, max: 100, noNaN: true }), (limit, soFar, draining, price) => {
        const left = leftOf({ limit, soFar, draining });
        const count = affordableMachines(left, next(price), null);
        expect(count * minMachineCost(next(price), null)).to.be.at.most(left * (1 + 1e-6) + 1e-6);
        if (isLimitReached({ limit, soFar, draining })) expect(count).to.equal(0);
        expect(affordableMachines(left + 1, next(price), null)).to.be.at.least(count);
      }),
    );
  });
});

describe('the price of an hour', () => {
  const hours: readonly HourPrice[] = [
    { type: 'm', kind: 'spot', zone: 'a', usd: 0.1 },
    { type: 'm', kind: 'spot', zone: 'b', usd: 0.3 },
    { type: 'm', kind: 'configured', zone: null, usd: 1 },
    { type: 'c', kind: 'configured', zone: null, usd: 2 },
  ];
  const cases = [
    ['spot, in its zone', { type: 'm', zone: 'b', lifeCycle: 'spot' }, 0.3],
    ['spot, elsewhere: the mean', { type: 'm', zone: 'z', lifeCycle: 'spot' }, 0.2],
    ['spot without a market: as configured', { type: 'c', zone: 'a', lifeCycle: 'spot' }, 2],
    ['on demand: as configured', { type: 'm', zone: 'a', lifeCycle: 'on-demand' }, 1],
    ['a type without a price', { type: 'g', zone: 'a', lifeCycle: 'spot' }, null],
  ] as const;
  for (const [what, machine, expected] of cases) {
    it(what, () => {
      expect(priceOf(hours, machine)).to.equal(expected);
    });
  }

  it('is, for the next machine, the mean of its possible types; unknown, never 0, if one is unknown', () => {
    const group = { lifeCycle: 'on-demand', slots: null, hours, trouble: null } as const;
    expect(nextMachinePrice({ ...group, types: ['m', 'c'] })).to.equal(1.5);
    expect(nextMachinePrice({ ...group, types: ['m', 'g'] })).to.equal(null);
    expect(nextMachinePrice({ ...group, types: [] })).to.equal(null);
    expect(typesWithoutPrice({ ...group, types: ['m', 'g'] })).to.deep.equal(['g']);
    // The spot price says nothing about an on-demand instance.
    expect(nextMachinePrice({ ...group, hours: hours.slice(0, 2), types: ['m'] })).to.equal(null);
  });
});

describe('the cost of remaining work', () => {
  const price = () => ({ usd: 3.6, slots: 2, boot: 90 });
  const step = { group: 'default', waiting: 10, running: 0, seconds: 100, slots: 1 } as const;

  it('is its slot-seconds times the price of a slot', () => {
    expect(workCost([step], price)).to.be.closeTo(0.5, 1e-9);
    expect(workCost([{ ...step, slots: 'all' }], price)).to.be.closeTo(1, 1e-9);
    expect(workCost([{ ...step, waiting: 0, running: 10 }], price)).to.be.closeTo(0.25, 1e-9);
  });

  it('is unknown while a count, a duration or a price that matters is unknown', () => {
    expect(workCost([{ ...step, waiting: null }], price)).to.equal(null);
    expect(workCost([{ ...step, seconds: null }], price)).to.equal(null);
    expect(workCost([step], () => ({ usd: null, slots: 1 }))).to.equal(null);
    expect(workCost([{ ...step, seconds: null, waiting: 0 }], () => ({ usd: null, slots: 1 }))).to.equal(0);
  });

  it('includes, for a forecast, the boot and the idle time of one machine of each group', () => {
    const estimate = (expected: number) => ({ low: 0, expected, high: 0 });
    const seen = { tasks: estimate(10), taskSeconds: estimate(100), bytesOut: estimate(0) };
    const needs = { slots: 1, memory: 0, disk: 0 } as const;
    const steps = [
      { name: 'one', group: 'default', needs },
      { name: 'unseen', group: 'default', needs },
    ];
    const forecast = { steps: [{ name: 'one', ...seen }] };
    expect(expectedCost(steps, forecast, price)).to.be.closeTo(0.5 + 0.21, 1e-9);
    expect(expectedCost(steps, forecast, () => ({ usd: null, slots: 1, boot: 90 }))).to.equal(null);
  });
});

describe('the calendar month', () => {
  const from = (iso: string, zone: string): string => new Date(monthToDate(Date.parse(iso), zone).from).toISOString();
  for (const [now, zone, expected] of [
    ['2026-11-26T12:00:00Z', 'UTC', '2026-11-01T00:00:00.000Z'],
    ['2026-11-01T00:00:00Z', 'UTC', '2026-11-01T00:00:00.000Z'],
    // At 23:30 UTC it is the next month in Berlin, and still the previous one in New York until 04:00.
    ['2026-10-31T23:30:00Z', 'Europe/Berlin', '2026-10-31T23:00:00.000Z'],
    ['2026-11-01T03:00:00Z', 'America/New_York', '2026-10-01T04:00:00.000Z'],
    ['2024-02-29T12:00:00Z', 'Asia/Kolkata', '2024-01-31T18:30:00.000Z'],
  ] as const) {
    it(`of ${now} in ${zone} began ${expected}`, () => {
      expect(from(now, zone)).to.equal(expected);
    });
  }
});

describe('texts about the cost of jobs', () => {
  it('show cents, smaller amounts, and negative ones', () => {
    expect([0, 0.0000012, 0.00085, 0.0042, 0.1, 9.609, 1_990.1].map(dollarsText)).to.deep.equal([
      '$0.00',
      '$0.0000012',
      '$0.00085',
      '$0.0042',
      '$0.10',
      '$9.61',
      '$1,990.10',
    ]);
    expect([-0.00085, -0.0042, -9.609].map(dollarsText)).to.deep.equal(['-$0.00085', '-$0.0042', '-$9.61']);
  });

  it('say whose limit was reached, and how to continue', () => {
    const standing = { limit: 10, soFar: 9.6, draining: 0.5 };
    for (const whose of [JOB_LIMIT, MONTH_BUDGET] as const)
      expect(limitNameOf(limitReachedText(whose, standing))).to.equal(whose);
    expect(budgetFix('j', JOB_LIMIT)).to.equal('batchctl adjust j --max-cost N, then batchctl resume j');
    expect(budgetFix('j', MONTH_BUDGET)).to.include('budget.month').and.include('batchctl resume j');
  });
});
