import type { CauseReport, Distribution, Report, StepReport } from '../../src/model/answers/report.ts';
import { type Attempt, simulate } from './simulated-run.ts';

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

/** In the middle of it: an attempt under way in each slot. */
export function underWay(): Report {
  const done = tenTasks();
  const { timeline } = done;
  return {
    ...done,
    ...{ state: 'running', endedAt: null, closedAt: null, exact: false, proof: null },
    totals: { ...done.totals, done: 6 },
    timeline: {
      ...timeline,
      rows: timeline.rows.map((row) => ({
        ...row,
        bars: row.bars.map((bar, i) => (i + 1 < row.bars.length ? bar : { ...bar, outcome: 'running' as const })),
      })),
    },
    expectations: done.expectations.map((one) => ({ ...one, ok: null, left: null })),
  };
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
      ...{ slots: 0, slotSeconds: 0, utilisation: null, rate: null },
    },
    throughput: { from: null, seconds: 0, bins: [] },
    timeline: { from: null, seconds: 0, rows: [], hidden: 0, sampled: 1, waiting: [] },
    expectations: done.expectations.map((one) => ({ ...one, ok: null, left: null, right: null })),
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
    ...{ measured: won.length, measuredSeconds: useful, needs: { slots: 1, memory: 536_870_912 } },
    counters: { records: String(tasks * 50_000), amount: `${tasks * 81_345}.45` },
    cost: null,
  };
  const total: StepReport = {
    ...{
      name: 'total',
      group: 'default',
      gather: true,
      needs: { slots: 1, memory: 0 },
      tasks: 1,
      done: 1,
      failed: 0,
      skipped: 0,
      retried: 0,
      interrupted: 0,
    },
    ...{ duration: distributionOf([6.4]), wait: distributionOf([0.2]), bytesIn: tasks * 412_300, bytesOut: 1_204 },
    ...{ cpuSeconds: 5.9, peakMemory: null, measured: 1, measuredSeconds: 6, counters: {}, cost: null },
  };
  const width = end / Math.min(240, Math.max(20, tasks / 10));
  const slotSeconds = end * workers * slots;
  const skip = {
    when: at(end * 0.9),
    who: 'ana@ops-1',
    what: 'skip',
    text: 'skipped price/1777: the insurer withdrew the file',
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
      ...{
        cpuSeconds: price.cpuSeconds,
        usefulSeconds: useful,
        lostSeconds: all - useful,
        slots: workers * slots,
        slotSeconds,
      },
      ...{ utilisation: all / slotSeconds, rate: won.length / end },
    },
    throughput: {
      ...{ from: at(0), seconds: width },
      bins: Array.from({ length: Math.ceil(end / width) }, (_, i) =>
        binOf(attempts, { from: i * width, seconds: width, slots: workers * slots }),
      ),
    },
    timeline: { from: at(0), seconds: end, rows, hidden: 0, sampled: 1, waiting: [] },
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

function binOf(
  attempts: readonly Attempt[],
  { from, seconds, slots }: { readonly from: number; readonly seconds: number; readonly slots: number },
): Report['throughput']['bins'][number] {
  const to = from + seconds;
  const ended = (outcome: Attempt['outcome']): number =>
    attempts.filter((one) => one.outcome === outcome && one.end > from && one.end <= to).length;
  const busy = attempts.reduce(
    (sum, { start, end }) => sum + Math.max(0, Math.min(end, to) - Math.max(start, from)),
    0,
  );
  return {
    ...{ done: ended('done'), retried: ended('failedAttempt'), failed: ended('failed') },
    ...{ interrupted: ended('interrupted'), running: busy / seconds, slots },
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

export function causeOf(i: number): CauseReport {
  const [reason, exitCode, error, detail] = ERRORS[i % 3] ?? ERRORS[0];
  return {
    ...{ cause: ['c7f31', 'c09ab', 'ce512'][i] ?? `c${1000 + i}`, step: 'price', reason, exitCode, error },
    ...{
      attempts: [36, 18, 9][i] ?? 3,
      forGood: [12, 6, 3][i] ?? 1,
      badInput: [2, 0][i] ?? 0,
      firstAt: at(100 + i),
      lastAt: at(1200 + i),
    },
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
