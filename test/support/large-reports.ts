import type { Distribution, Report } from '../../src/model/answers/report.ts';
import { at, causeOf, distributionOf, twoThousand } from './sample-reports.ts';
import { randomOf } from './simulated-run.ts';

/** A million tasks over nine hours on 480 slots, binned. */
export function million(): Report {
  const small = twoThousand();
  const random = randomOf(7);
  const durations = Array.from({ length: 20_000 }, () => Math.exp(random.normal() * 0.5) * 14);
  const spread = distributionOf(durations);
  const many = (one: Distribution): Distribution => ({
    ...one,
    ...{ count: 1_000_000, sum: one.sum * 50, bins: one.bins.map((bin) => ({ ...bin, count: bin.count * 50 })) },
  });
  const ramp = (i: number): number => Math.min(1, (i + 1) / 12, (241 - i) / 20) * (i > 120 && i < 128 ? 0.2 : 1);
  const bins = Array.from({ length: 240 }, (_, i) => ({
    done: Math.round(4400 * ramp(i) * (0.94 + random.next() * 0.12)),
    retried: random.next() < 0.4 ? Math.round(random.next() * 9) : 0,
    failed: random.next() < 0.1 ? 1 + Math.round(random.next() * 3) : 0,
    interrupted: i === 121 ? 96 : 0,
    running: 478 * ramp(i),
    slots: 480 * Math.min(1, ramp(i) * 1.1),
  }));
  const rows = Array.from({ length: 64 }, (_, i) => ({
    label: `workers ${i * 2 + 1} to ${i * 2 + 2}`,
    ...{ worker: null, slots: 8, busy: 0.93 - i * 0.003, bars: [] },
    shares: Array.from({ length: 240 }, (_, bin) => Math.max(0, Math.min(1, ramp(bin) * (0.8 + random.next() * 0.3)))),
  }));
  const [price, total] = small.steps;
  if (price === undefined || total === undefined) throw new Error('the small one has two steps');
  return {
    ...small,
    ...{
      job: 'claims-20261130-1830-k7m2q',
      parts: 1_000_000,
      seconds: 33_000,
      endedAt: at(32_990),
      closedAt: at(33_000),
    },
    steps: [{ ...price, tasks: 1_000_000, done: 999_979, duration: many(spread), wait: many(spread) }, total],
    totals: {
      ...small.totals,
      tasks: 1_000_001,
      done: 999_980,
      attempts: 1_000_950,
      rate: 30.4,
      slots: 480,
      utilisation: 0.91,
    },
    throughput: { from: at(2), seconds: 137.5, bins },
    timeline: { from: at(2), seconds: 33_000, rows, hidden: 12, sampled: 8, waiting: [] },
    workers: Array.from({ length: 120 }, (_, i) => ({
      ...{ worker: `ip-10-0-${i}-17-4f${i}`, host: `ip-10-0-${i}-17`, slots: 4, from: at(i), to: at(32_900 - i) },
      ...{ done: 8300 - i, failedAttempts: i % 9, interrupted: i % 40 === 0 ? 4 : 0, busySeconds: 120_000 },
    })),
    slowest: slowestOf(20),
  };
}

/** A million tasks with every list and every text as long as it may be. */
export function crowded(): Report {
  return {
    ...million(),
    slowest: slowestOf(100),
    causes: Array.from({ length: 100 }, (_, i) => ({ ...causeOf(i), error: `${causeOf(i).error} ${'x'.repeat(900)}` })),
    decisions: Array.from({ length: 100 }, (_, i) => ({
      ...{ when: at(i * 60), who: 'ana@ops-1', what: 'retry', text: 'a reason that goes on and on '.repeat(30) },
    })),
    late: Array.from({ length: 100 }, (_, i) => `price/${i}`),
    labels: Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`label-${i}`, 'v'.repeat(2000)])),
  };
}

function slowestOf(count: number): Report['slowest'] {
  return Array.from({ length: count }, (_, i) => ({
    ...{ task: `price/${i * 997}`, seconds: 141 - i, times: 10.1 - i / 14, attempts: 1 + (i % 2) },
    ...{ worker: `ip-10-0-${i}-17-4f${i}`, bytesIn: 32e6, peakMemory: i % 2 === 0 ? 512e6 : null },
    log: i % 3 === 0 ? '' : `jobs/claims-20261130-1830-k7m2q/steps/price/log/${i}.a${i}`,
  }));
}
