// Protects: the cost shown for a job is its fair share of its machines, and unknown prices are named.
import { expect } from 'chai';
import fc from 'fast-check';
import { drainingCost } from '../../../src/model/cost/limit.ts';
import {
  jobSpending,
  lifeOfJob,
  machinesOf,
  type PaidMachine,
  shouldCountSharingJobs,
  spendingIn,
} from '../../../src/model/cost/spending.ts';
import type { LedgerWorker } from '../../../src/model/ledger/records.ts';
import { worker } from '../../contracts/ledger-events.ts';

const HOUR = 3_600_000;
const NOW = 100 * HOUR;
const BOOT = 90_000;
const SPOT = { type: 'c7g.large', zone: 'a', lifeCycle: 'spot' } as const;
/** One dollar an hour. */
const one = (): number => 1;

const TIMES = { now: NOW, aliveMs: 240_000 };
const BASE = { host: 'i-1', busy: [], startedAt: NOW - HOUR + BOOT, seenAt: NOW, machine: SPOT, spent: {} };
/** The machines of these workers: by default one that booted an hour ago and did nothing. */
const machines = (...workers: readonly Partial<LedgerWorker>[]): readonly PaidMachine[] =>
  machinesOf(
    workers.map((fields) => worker({ ...BASE, ...fields })),
    TIMES,
  );
type Job = Parameters<typeof jobSpending>[0];
const job = (fields: Partial<Job> = {}): Job => ({
  job: 'a',
  groups: new Set(['default']),
  life: lifeOfJob(NOW - 2 * HOUR, null, NOW),
  sharers: 1,
  ...fields,
});
const usd = (found: readonly PaidMachine[], of = job()): number | null => jobSpending(of, found, one).usd;

describe('the cost of a job', () => {
  const cases: readonly (readonly [string, readonly Partial<LedgerWorker>[], number])[] = [
    ['nothing without machines', [], 0],
    ['a machine that worked only for it, including boot and idle time', [{ spent: { a: 600 } }], 1],
    ['its share of a machine that worked for others too', [{ spent: { a: 300, b: 900 } }], 0.25],
    ['its share next to jobs that are no longer listed', [{ spent: { a: 300, '': 300 } }], 0.5],
    ['nothing for a machine that worked for others', [{ spent: { b: 900 } }], 0],
    ['a machine of its group that has done nothing yet', [{ spent: {} }], 1],
    ['nothing for a machine of another group', [{ spent: {}, group: 'gpu' }], 0],
    ['nothing for a machine that existed before it and did nothing', [{ spent: {}, startedAt: NOW - 10 * HOUR }], 0],
    ['limited to the time that job and machine have in common', [{ spent: { a: 600 }, startedAt: NOW - 50 * HOUR }], 2],
    [
      'for an idle machine, its share of what the other machines did',
      [{ spent: {} }, { host: 'i-2', worker: 'w2', spent: { a: 60, b: 180 } }],
      0.25 + 0.25,
    ],
    [
      'counted from the launch that its worker reports',
      [{ spent: { a: 60 }, machine: { ...SPOT, launchedAt: NOW - 1.5 * HOUR } }],
      1.5,
    ],
    [
      'counted from its worker’s start if a wrong clock puts the launch later',
      [{ spent: { a: 60 }, machine: { ...SPOT, launchedAt: NOW } }],
      1 - BOOT / HOUR,
    ],
    [
      'counted to the last heartbeat of a worker that has left',
      [{ spent: { a: 60 }, state: 'gone', seenAt: NOW - HOUR / 2 }],
      0.5,
    ],
    ['counted to the last heartbeat of a lost worker', [{ spent: { a: 60 }, seenAt: NOW - HOUR / 2 }], 0.5],
    ['the sum over its machines', [{ spent: { a: 60 } }, { host: 'i-2', worker: 'w2', spent: { a: 60, b: 60 } }], 1.5],
    [
      'counted once for a machine whose worker started again',
      [
        { spent: { a: 60 }, state: 'gone', seenAt: NOW - HOUR / 2 },
        { worker: 'w2', startedAt: NOW - HOUR / 4, spent: { b: 60 } },
      ],
      0.5,
    ],
  ];
  for (const [what, workers, expected] of cases) {
    it(`is ${what}`, () => {
      expect(usd(machines(...workers))).to.be.closeTo(expected, 1e-9);
    });
  }

  it('is nothing for a worker without a paid machine', () => {
    const found = machinesOf([worker({ startedAt: NOW - HOUR, seenAt: NOW, spent: { a: 9 } })], TIMES);
    expect(usd(found)).to.equal(0);
  });

  it('is an equal share of machines that have not worked for any job yet', () => {
    expect(usd(machines({ spent: {} }), job({ sharers: 4 }))).to.be.closeTo(0.25, 1e-9);
    const of = new Set(['default']);
    expect(shouldCountSharingJobs(of, machines({ spent: {} }))).to.equal(true);
    expect(shouldCountSharingJobs(of, machines({ spent: {} }, { host: 'i-2', spent: { b: 1 } }))).to.equal(false);
    expect(shouldCountSharingJobs(of, machines({ spent: {}, group: 'gpu' }))).to.equal(false);
  });

  it('is unknown if a machine that it used has no price, and names its type', () => {
    const found = machines(
      { spent: { a: 1 } },
      { host: 'i-2', machine: { ...SPOT, type: 'g5.xlarge' }, spent: { a: 1 } },
    );
    const priceAt = ({ type }: { type: string }) => (type === 'g5.xlarge' ? null : 1);
    expect(jobSpending(job(), found, priceAt)).to.deep.equal({ usd: null, unknown: ['g5.xlarge'] });
    // Machines used only by others need no price.
    expect(jobSpending(job(), machines({ spent: { b: 1 } }), () => null)).to.deep.equal({ usd: 0, unknown: [] });
  });

  it('grows after its close only by idle time of its machines, at most ten minutes', () => {
    const life = lifeOfJob(NOW - HOUR, NOW - HOUR / 2, NOW);
    expect(usd(machines({ spent: { a: 60 } }), job({ life }))).to.be.closeTo(0.5 + 1 / 6, 1e-9);
    expect(lifeOfJob(NOW - HOUR, NOW - 60_000, NOW), 'not beyond now').to.deep.equal({ from: NOW - HOUR, to: NOW });
  });

  it('never exceeds the cost of all machines for all jobs together, and is never negative', () => {
    const life = fc.record({
      host: fc.constantFrom('i-1', 'i-2', 'i-3'),
      startedAt: fc.integer({ min: NOW - 20 * HOUR, max: NOW }),
      lived: fc.integer({ min: 0, max: 20 * HOUR }),
      spent: fc.dictionary(fc.constantFrom('a', 'b', 'c', ''), fc.double({ min: 0, max: 1e5, noNaN: true })),
    });
    fc.assert(
      fc.property(fc.array(life, { maxLength: 12 }), (lives) => {
        const found = machines(
          ...lives.map(({ lived, ...each }, index) => ({
            ...each,
            worker: `w${index}`,
            seenAt: Math.min(NOW, each.startedAt + lived),
          })),
        );
        const all = lifeOfJob(NOW - 200 * HOUR, null, NOW);
        const each = ['a', 'b', 'c', ''].map(
          (name) => usd(found, job({ job: name, life: all, sharers: 4 })) ?? Number.NaN,
        );
        const whole = spendingIn({ from: 0, to: NOW }, found, one).usd ?? 0;
        for (const cost of each) expect(cost).to.be.at.least(0);
        expect(each.reduce((a, b) => a + b, 0)).to.be.at.most(whole + 1e-6);
      }),
    );
  });
});

describe('the cost of draining', () => {
  const draining = (found: readonly PaidMachine[], fields: Partial<Parameters<typeof drainingCost>[0]> = {}) =>
    drainingCost({
      machines: found,
      groups: new Set(['default']),
      isOurs: (name) => name === 'a',
      sharers: () => 1,
      booting: new Map(),
      nextIn: () => ({ price: 1, boot: 90 }),
      secondsOf: () => 100,
      priceAt: one,
      ...fields,
    });
  const hours = (seconds: number): number => seconds / 3_600;

  it('is each attempt up to its mean duration, and its machine until it has idled out', () => {
    expect(draining(machines({ busy: ['a/s/1', 'a/s/2'] }))).to.be.closeTo(hours(220), 1e-9);
    expect(draining(machines({ busy: [] }))).to.be.closeTo(hours(120), 1e-9);
    expect(draining(machines({ busy: ['a/s/1'] }), { secondsOf: () => null })).to.be.closeTo(hours(180), 1e-9);
  });

  it('is a share if others run there too, and nothing if only others do', () => {
    expect(draining(machines({ busy: ['a/s/1', 'b/s/1'] }))).to.be.closeTo(hours(110), 1e-9);
    expect(draining(machines({ busy: ['b/s/1'] }))).to.equal(0);
    expect(draining(machines({ busy: [] }), { sharers: () => 3 })).to.be.closeTo(hours(40), 1e-9);
  });

  it('excludes machines that are gone, or of other groups', () => {
    expect(draining(machines({ busy: ['a/s/1'], state: 'gone' }))).to.equal(0);
    expect(draining(machines({ busy: ['a/s/1'], group: 'gpu' }))).to.equal(0);
  });

  it('includes booting machines, and is unknown without their price', () => {
    const booting = new Map([['default', 2]]);
    expect(draining([], { booting })).to.be.closeTo(hours(2 * 210), 1e-9);
    expect(draining([], { booting, nextIn: () => null })).to.equal(null);
    expect(draining(machines({ busy: ['a/s/1'] }), { priceAt: () => null })).to.equal(null);
  });
});
