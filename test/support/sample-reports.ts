import type { CauseReport, Distribution, Report, StepReport } from '../../src/model/report/report.ts';
import { type Attempt, randomOf, simulate } from './simulated-run.ts';

/** Reports as real runs leave them, of any size, and always the same. */

export const START = '2026-11-30T18:30:00.000Z';

export function at(seconds: number): string {
  return new Date(Date.parse(START) + seconds * 1000).toISOString();
}

/** Ten small tasks on one machine, all well, proven. */
export function tenTasks(): Report {
  return runOf({ name: 'thumbnails', tasks: 10, workers: 1, slots: 4, median: 2.4, troubles: false });
}

/** 2,000 tasks of which 21 failed for good for three reasons; retries, a straggler, an interrupted worker, a skip. */
export function twoThousand(): Report {
  return runOf({ name: 'claims', tasks: 2000, workers: 3, slots: 4, median: 9, troubles: true });
}

/** Accepted, and nothing of it has begun: most is not known. */
export function notBegun(): Report {
  const done = tenTasks();
  return {
    ...done,
    ...{ state: 'submitted', startedAt: null, endedAt: null, closedAt: null, exact: false, proof: null },
    ...{ causes: [], slowest: [], workers: [], decisions: [] },
    inputs: { ...done.inputs, records: null },
    steps: done.steps.map((step) => ({
      ...step,
      ...{
        done: 0,
        duration: null,
        wait: null,
        bytesIn: 0,
        bytesOut: 0,
        cpuSeconds: null,
        peakMemory: null,
        counters: {},
      },
    })),
    totals: {
      ...done.totals,
      ...{ done: 0, attempts: 0, bytesIn: 0, bytesOut: 0, cpuSeconds: null, usefulSeconds: 0, lostSeconds: 0 },
      ...{ slotSeconds: 0, utilisation: null, rate: null },
    },
    throughput: { from: null, seconds: 0, bins: [] },
    timeline: { from: null, seconds: 0, rows: [], hidden: 0 },
    expectations: done.expectations.map((one) => ({ ...one, ok: null, left: null, right: null })),
  };
}

/** A million tasks over nine hours on 480 slots, binned, with every list as long as it may be. */
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
    totals: { ...small.totals, tasks: 1_000_001, done: 999_980, attempts: 1_000_950, rate: 30.4, utilisation: 0.91 },
    throughput: { from: at(2), seconds: 137.5, bins },
    timeline: { from: at(2), seconds: 33_000, rows, hidden: 12 },
    workers: Array.from({ length: 120 }, (_, i) => ({
      ...{ worker: `ip-10-0-${i}-17-4f${i}`, host: `ip-10-0-${i}-17`, slots: 4, from: at(i), to: at(32_900 - i) },
      ...{ done: 8300 - i, failedAttempts: i % 9, interrupted: i % 40 === 0 ? 4 : 0, busySeconds: 120_000 },
    })),
    causes: Array.from({ length: 100 }, (_, i) => ({ ...causeOf(i), error: `${causeOf(i).error} ${'x'.repeat(900)}` })),
    slowest: Array.from({ length: 100 }, (_, i) => ({
      ...{
        task: `price/${i * 997}`,
        seconds: 900 - i,
        times: 60 - i / 2,
        attempts: 1,
        worker: `ip-10-0-${i}-17-4f${i}`,
      },
      ...{ bytesIn: 32e6, peakMemory: i % 2 === 0 ? 512e6 : null, log: `jobs/claims/steps/price/log/${i}.a${i}` },
    })),
    decisions: Array.from({ length: 100 }, (_, i) => ({
      ...{ when: at(i * 60), who: 'ana@ops-1', what: 'retry', text: 'a reason that goes on and on '.repeat(30) },
    })),
    late: Array.from({ length: 100 }, (_, i) => `price/${i}`),
    labels: Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`label-${i}`, 'v'.repeat(2000)])),
  };
}

interface Shape {
  readonly name: string;
  readonly tasks: number;
  readonly workers: number;
  readonly slots: number;
  readonly median: number;
  readonly troubles: boolean;
}

function runOf(shape: Shape): Report {
  const { name, tasks, troubles, workers, slots } = shape;
  const { attempts, rows, end } = simulate(shape);
  const won = attempts.filter(({ outcome }) => outcome === 'done');
  const count = (outcome: Attempt['outcome']): number => attempts.filter((one) => one.outcome === outcome).length;
  const durations = won.map((one) => one.end - one.start);
  const useful = durations.reduce((sum, one) => sum + one, 0);
  const all = attempts.reduce((sum, one) => sum + one.end - one.start, 0);
  const failed = count('failed');
  const price: StepReport = {
    ...{ name: 'price', group: 'default', gather: false, tasks, done: won.length, failed },
    ...{ skipped: troubles ? 1 : 0, retried: count('failedAttempt'), interrupted: count('interrupted') },
    ...{
      duration: distributionOf(durations),
      wait: distributionOf(attempts.slice(0, tasks).map(({ start }) => start + 0.05)),
    },
    ...{ bytesIn: tasks * 19_870_000, bytesOut: tasks * 412_300, cpuSeconds: useful * 0.93, peakMemory: 268_435_456 },
    counters: { records: String(tasks * 50_000), amount: `${tasks * 81_345}.45` },
  };
  const total: StepReport = {
    ...{
      name: 'total',
      group: 'default',
      gather: true,
      tasks: 1,
      done: 1,
      failed: 0,
      skipped: 0,
      retried: 0,
      interrupted: 0,
    },
    ...{ duration: distributionOf([6.4]), wait: distributionOf([0.2]), bytesIn: tasks * 412_300, bytesOut: 1_204 },
    ...{ cpuSeconds: 5.9, peakMemory: null, counters: {} },
  };
  const width = end / Math.min(240, Math.max(20, tasks / 10));
  const slotSeconds = end * workers * slots;
  const skip = {
    when: at(end * 0.9),
    who: 'ana@ops-1',
    what: 'skip',
    text: 'price/1777: the insurer withdrew the file',
  };
  return {
    ...{ format: 1, job: `${name}-20261130-1830-k7m2q`, name, runKey: troubles ? 'month-end-2026-11' : null },
    ...{ period: troubles ? '2026-11' : null, state: troubles ? 'failed' : 'succeeded', round: troubles ? 1 : 0 },
    reason: troubles ? 'failures' : null,
    ...{ labels: { team: 'claims' }, params: { currency: 'EUR' }, createdBy: 'ana@ops-1', host: 'ops-1' },
    ...{ version: '0.3.0', digest: 'a3'.repeat(32), code: `code/${'5f'.repeat(32)}.tar.gz` },
    ...{ createdAt: START, startedAt: at(0.4), endedAt: at(end), closedAt: at(end + 7), seconds: end + 7, exact: true },
    proof: troubles ? null : { key: `jobs/${name}/proofs/0000.json`, when: at(end + 9), deep: false },
    inputs: { count: 3, bytes: tasks * 19_870_000, records: tasks * 50_000 },
    ...{ parts: tasks, steps: [price, total], late: [], cost: null },
    totals: {
      ...{ tasks: tasks + 1, done: won.length + 1, failed, skipped: price.skipped, attempts: attempts.length + 1 },
      ...{ retried: price.retried, interrupted: price.interrupted, bytesIn: price.bytesIn, bytesOut: price.bytesOut },
      ...{ cpuSeconds: price.cpuSeconds, usefulSeconds: useful, lostSeconds: all - useful, slotSeconds },
      ...{ utilisation: all / slotSeconds, rate: won.length / end },
    },
    throughput: {
      ...{ from: at(0), seconds: width },
      bins: Array.from({ length: Math.ceil(end / width) }, (_, i) => binOf(attempts, i * width, width)),
    },
    timeline: { from: at(0), seconds: end, rows, hidden: 0 },
    workers: Array.from({ length: workers }, (_, i) => workerOf(attempts, i, slots, end)),
    causes: troubles ? [0, 1, 2].map(causeOf) : [],
    slowest: [...won]
      .sort((a, b) => b.end - b.start - (a.end - a.start))
      .slice(0, 10)
      .map((one) => ({
        ...{ task: one.task, seconds: one.end - one.start, times: (one.end - one.start) / shape.median, attempts: 1 },
        ...{ worker: `ops-1-w${one.worker}`, bytesIn: 19_870_000, peakMemory: 201_000_000 },
        log: `jobs/${name}-20261130-1830-k7m2q/steps/price/log/${one.task.slice(6).padStart(9, '0')}.7kqz3mdn2v`,
      })),
    expectations: [
      {
        ...{ equation: 'price.records == input.records', ok: !troubles },
        ...{ left: price.counters.records ?? null, right: String(tasks * 50_000 + (troubles ? 1_050_000 : 0)) },
      },
    ],
    decisions: troubles
      ? [
          {
            when: at(end * 0.55),
            who: 'ben@ops-2',
            what: 'retry',
            text: 'cause c7f31: 40 tasks, with a longer timeout',
          },
          skip,
        ]
      : [],
  };
}

function binOf(attempts: readonly Attempt[], from: number, seconds: number): Report['throughput']['bins'][number] {
  const to = from + seconds;
  const ended = (outcome: Attempt['outcome']): number =>
    attempts.filter((one) => one.outcome === outcome && one.end > from && one.end <= to).length;
  const busy = attempts.reduce(
    (sum, { start, end }) => sum + Math.max(0, Math.min(end, to) - Math.max(start, from)),
    0,
  );
  return {
    ...{ done: ended('done'), retried: ended('failedAttempt'), failed: ended('failed') },
    ...{ interrupted: ended('interrupted'), running: busy / seconds },
  };
}

function workerOf(attempts: readonly Attempt[], worker: number, slots: number, end: number): Report['workers'][number] {
  const own = attempts.filter((one) => one.worker === worker);
  const count = (outcome: Attempt['outcome']): number => own.filter((one) => one.outcome === outcome).length;
  return {
    ...{ worker: `ops-1-w${worker}`, host: worker === 2 ? null : 'ops-1', slots, from: at(0.4), to: at(end) },
    ...{ done: count('done'), failedAttempts: count('failedAttempt') + count('failed') },
    interrupted: count('interrupted'),
    busySeconds: own.reduce((sum, one) => sum + one.end - one.start, 0),
  };
}

const ERRORS = [
  ['exit', 2, "ValueError: could not convert string to float: '<text>' in line <n>", 'in line 48211'],
  ['timeout', null, 'took longer than 60s', ''],
  ['exit', 137, 'Killed', 'memory'],
] as const;

function causeOf(i: number): CauseReport {
  const [reason, exitCode, error, detail] = ERRORS[i % 3] ?? ERRORS[0];
  return {
    ...{ cause: ['c7f31', 'c09ab', 'ce512'][i] ?? `c${1000 + i}`, step: 'price', reason, exitCode, error },
    ...{ attempts: [36, 18, 9][i] ?? 3, forGood: [12, 6, 3][i] ?? 1, firstAt: at(100 + i), lastAt: at(1200 + i) },
    example: {
      ...{ task: `price/${17 + i * 300}`, error: detail === '' ? null : `${error} ${detail}` },
      log: `jobs/claims-20261130-1830-k7m2q/steps/price/log/${String(17 + i * 300).padStart(9, '0')}.9m2x7c4vqa`,
    },
  };
}

/** Quantiles and bins that grow by the fourth part of a decade. */
export function distributionOf(values: readonly number[]): Distribution {
  const sorted = [...values].sort((a, b) => a - b);
  const quantile = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
  const [min, max] = [sorted[0] ?? 0, sorted.at(-1) ?? 0];
  const factor = 10 ** 0.1;
  const binOfValue = (value: number): number => Math.floor(Math.log(Math.max(value, 0.001)) / Math.log(factor));
  const first = binOfValue(min);
  const counts = new Array<number>(binOfValue(max) - first + 1).fill(0);
  for (const value of sorted) counts[binOfValue(value) - first] = (counts[binOfValue(value) - first] ?? 0) + 1;
  const sum = sorted.reduce((whole, value) => whole + value, 0);
  return {
    ...{
      count: sorted.length,
      min,
      mean: sum / sorted.length,
      p50: quantile(0.5),
      p95: quantile(0.95),
      p99: quantile(0.99),
    },
    ...{ max, sum },
    bins: counts.map((count, i) => ({ from: factor ** (first + i), to: factor ** (first + i + 1), count })),
  };
}
