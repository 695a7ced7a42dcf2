import { isoOf } from '../../src/lib/instant.ts';
import type { CauseReport, Distribution, Report, StepReport } from '../../src/model/answers/report.ts';
import { randomNormal, seededRandom } from '../../src/model/forecast/section.ts';
import { logKey } from '../../src/model/keys.ts';
import type { AttemptFacts } from '../../src/model/report/attempt-facts.ts';
import { DurationSketch, StepSums } from '../../src/model/report/step-sums.ts';
import { attempt, measuredOf } from '../model/report/report-attempts.ts';

// Reports of runs of any size, with figures that the program computes; the same each time.

const START = Date.parse('2026-11-30T18:30:00.000Z');

const nameOf = (worker: number): string => `ops-1-w${worker}`;

/** The instant `seconds` after the job was submitted. */
export function at(seconds: number): string {
  return new Date(START + seconds * 1_000).toISOString();
}

interface Run {
  readonly name: string;
  readonly tasks: number;
  readonly workers: number;
  readonly slots: number;
  /** Median seconds of a task. */
  readonly median: number;
  /** Whether tasks fail and are retried, one takes very long, one is skipped, and a worker is interrupted. */
  readonly troubles: boolean;
}

const TEN: Run = { name: 'thumbnails', tasks: 10, workers: 1, slots: 4, median: 2.4, troubles: false };
const PART_BYTES = 19_870_000;
const OUTPUT_BYTES = 412_300;
const RECORDS = 50_000;
const SKIPPED = 1_777;

/** Ten small tasks on one machine; all succeeded, and the job is proven. */
export const tenTasks = (): Report => reportOf(TEN, attemptsOf(TEN));

/** 2,000 tasks of which 21 failed for good for three reasons; retries, a straggler, an interrupted worker, a skip. */
export function twoThousand(): Report {
  const run = { name: 'claims', tasks: 2_000, workers: 3, slots: 4, median: 9, troubles: true };
  return reportOf(run, attemptsOf(run));
}

const OPEN = { endedAt: null, closedAt: null, exact: false, proof: null } as const;

/** A job that is running: each slot has a running attempt. */
export function underWay(): Report {
  const done = tenTasks();
  const rows = done.timeline.rows.map((row) => ({
    ...row,
    bars: row.bars.map((bar, i) => (i + 1 < row.bars.length ? bar : { ...bar, outcome: 'running' as const })),
  }));
  return {
    ...done,
    ...OPEN,
    state: 'running',
    totals: { ...done.totals, done: 6 },
    timeline: { ...done.timeline, rows },
    expectations: done.expectations.map((one) => ({ ...one, ok: null, left: null })),
  };
}

/** A job that was accepted and has not begun: most figures are unknown. */
export function notBegun(): Report {
  const report = reportOf(TEN, []);
  return {
    ...report,
    ...OPEN,
    state: 'submitted',
    inputs: { ...report.inputs, records: null },
    expectations: report.expectations.map((one) => ({ ...one, ok: null, left: null, right: null })),
  };
}

/** The attempts of slots that each take the next task as soon as they are free, sorted by task. */
function attemptsOf({ tasks, workers, slots, median, troubles }: Run): readonly AttemptFacts[] {
  const random = seededRandom(42);
  const free = Array.from({ length: workers * slots }, (_, i) => 0.4 + i * 0.02);
  const attempts: AttemptFacts[] = [];
  const queue = Array.from({ length: tasks }, (_, task) => ({ task, tries: 0 }));
  let interrupted = false;
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { task, tries } = next;
    if (troubles && task === SKIPPED) continue;
    const place = free.indexOf(Math.min(...free));
    const start = free[place] ?? 0;
    const straggler = troubles && task === Math.floor(tasks * 0.96);
    const bad = troubles && task % 93 === 17 && task < 93 * 21;
    const flaky = troubles && task % 61 === 5 && tries === 0;
    const seconds = median * Math.exp(randomNormal(random) * 0.45) * (straggler ? 22 : bad || flaky ? 0.6 : 1);
    const worker = Math.floor(place / slots);
    const of = { task, number: tries + 1, worker: nameOf(worker), slot: place % slots };
    // The machine of one worker is interrupted half way, and comes back later.
    if (troubles && !interrupted && worker === 1 && start > (tasks * median) / (workers * slots) / 2) {
      interrupted = true;
      for (let own = slots; own < 2 * slots; own += 1) free[own] = start + median * 12;
      attempts.push(attemptOf({ ...of, outcome: 'interrupted' }, start, start + seconds * 0.4));
      queue.unshift({ task, tries });
      continue;
    }
    const outcome = bad && tries === 2 ? 'failed' : bad || flaky ? 'failedAttempt' : 'done';
    attempts.push(attemptOf({ ...of, outcome }, start, start + seconds));
    free[place] = start + seconds + 0.02;
    if (outcome === 'failedAttempt') queue.splice(60, 0, { task, tries: tries + 1 });
  }
  if (!troubles) {
    const start = Math.max(...free);
    attempts.push({
      ...attemptOf({ task: 0, number: 1, worker: nameOf(0), slot: 0, outcome: 'done' }, start, start + 5.4),
      step: 'total',
      bytesIn: tasks * OUTPUT_BYTES,
    });
  }
  return attempts.sort((a, b) => (a.step === b.step ? a.task - b.task : a.step < b.step ? -1 : 1));
}

const FAILURES = [
  { reason: 'exit', exitCode: 2, error: "ValueError: could not convert string to float: 'n/a' in line 48211" },
  { reason: 'timeout', exitCode: null, error: 'took longer than 60s' },
  { reason: 'exit', exitCode: 137, error: 'Killed' },
] as const;

/** `start` and `end`: seconds after the job was submitted. */
function attemptOf(
  facts: Pick<AttemptFacts, 'task' | 'number' | 'worker' | 'slot' | 'outcome'>,
  start: number,
  end: number,
): AttemptFacts {
  const { task, number, outcome } = facts;
  return attempt({
    ...facts,
    attempt: `${number}m2x7c4vqa`,
    startedAt: START + start * 1_000,
    endedAt: START + end * 1_000,
    waitSeconds: number === 1 ? start : null,
    cpuSeconds: (end - start) * 0.93,
    peakMemory: 201_000_000,
    bytesIn: PART_BYTES,
    ...(outcome.startsWith('failed') && FAILURES[Math.floor(task / 10) % FAILURES.length]),
  });
}

function reportOf({ name, tasks, workers, slots, troubles }: Run, attempts: readonly AttemptFacts[]): Report {
  const job = `${name}-20261130-1830-k7m2q`;
  const end = Math.max(START, ...attempts.map(({ endedAt }) => endedAt ?? 0));
  const seconds = (end - START) / 1_000;
  const known = { slots, startedAt: START + 400, seenAt: end, alive: false };
  const measured = measuredOf(attempts, {
    now: end,
    closedAt: end + 7_000,
    workers: new Map(Array.from({ length: workers }, (_, i) => [nameOf(i), { host: `ops-${i + 1}`, ...known }])),
    logOf: ({ step, task, attempt }) => logKey(job, step, task, attempt),
  });
  const failed = attempts.filter(({ outcome }) => outcome === 'failed').length;
  const step = (of: string, all: number, begun: Partial<StepReport>): StepReport => {
    const known = measured.steps.get(of);
    const sums = known ?? new StepSums();
    return {
      name: of,
      group: 'default',
      gather: false,
      tasks: all,
      done: sums.done,
      failed: 0,
      skipped: 0,
      retried: sums.retried,
      interrupted: sums.interrupted,
      needs: { slots: 1, memory: 0 },
      seconds: sums.seconds,
      duration: sums.duration.distribution(),
      wait: sums.wait.distribution(),
      bytesIn: 0,
      bytesOut: 0,
      cpuSeconds: sums.cpuSeconds,
      peakMemory: sums.peakMemory,
      measured: sums.measured,
      measuredSeconds: sums.measuredSeconds,
      counters: {},
      cost: null,
      ...(known !== undefined && begun),
    };
  };
  const price = step('price', tasks, {
    failed,
    skipped: troubles ? 1 : 0,
    bytesIn: tasks * PART_BYTES,
    bytesOut: tasks * OUTPUT_BYTES,
    counters: { records: String(tasks * RECORDS), amount: `${tasks * 81_345}.45` },
    needs: { slots: 1, memory: 536_870_912 },
  });
  const total = { ...step('total', 1, { bytesIn: tasks * OUTPUT_BYTES, bytesOut: 1_204 }), gather: true };
  const sum = (of: (one: StepReport) => number): number => of(price) + of(total);
  return {
    format: 1,
    job,
    name,
    runKey: troubles ? 'month-end-2026-11' : null,
    period: troubles ? '2026-11' : null,
    state: troubles ? 'failed' : 'succeeded',
    reason: troubles ? 'failures' : null,
    round: troubles ? 1 : 0,
    labels: { team: 'claims' },
    params: { currency: 'EUR' },
    createdBy: 'ana@ops-1',
    host: 'ops-1',
    version: '0.3.0',
    digest: 'a3'.repeat(32),
    code: `code/${'5f'.repeat(32)}.tar.gz`,
    createdAt: at(0),
    startedAt: isoOf(measured.startedAt),
    endedAt: isoOf(measured.endedAt),
    closedAt: at(seconds + 7),
    seconds: seconds + 7,
    exact: true,
    proof: troubles ? null : { key: `jobs/${name}/proofs/0000.json`, when: at(seconds + 9), deep: false },
    inputs: { count: 3, bytes: tasks * PART_BYTES, records: tasks * RECORDS },
    parts: tasks,
    steps: [price, total],
    late: [],
    cost: null,
    totals: {
      tasks: tasks + 1,
      done: sum(({ done }) => done),
      failed,
      skipped: price.skipped,
      attempts: measured.attempts,
      retried: price.retried,
      interrupted: price.interrupted,
      bytesIn: sum(({ bytesIn }) => bytesIn),
      bytesOut: sum(({ bytesOut }) => bytesOut),
      cpuSeconds: price.cpuSeconds,
      slots: measured.mostSlots,
      slotSeconds: measured.slotSeconds,
      usefulSeconds: measured.usefulSeconds,
      lostSeconds: measured.lostSeconds,
      utilisation: measured.slotSeconds === 0 ? null : measured.busySeconds / measured.slotSeconds,
      rate: seconds === 0 ? null : price.done / seconds,
    },
    throughput: measured.throughput,
    timeline: measured.timeline,
    workers: measured.workers,
    causes: measured.causes,
    slowest: measured.slowest,
    expectations: [
      {
        equation: 'price.records == input.records',
        ok: !troubles,
        left: price.counters.records ?? null,
        right: String(tasks * RECORDS + (troubles ? 1_050_000 : 0)),
      },
    ],
    decisions: troubles
      ? [
          decision(seconds * 0.55, 'ben@ops-2', 'retry', 'cause c7f31: 40 tasks, with a longer timeout'),
          decision(seconds * 0.9, 'ana@ops-1', 'skip', `skipped price/${SKIPPED}: the insurer withdrew the file`),
        ]
      : [],
  };
}

const decision = (seconds: number, who: string, what: string, text: string): Report['decisions'][number] => ({
  when: at(seconds),
  who,
  what,
  text,
});

/** A million tasks over nine hours on 480 slots, binned. */
export function million(): Report {
  const small = twoThousand();
  const random = seededRandom(7);
  const sketch = new DurationSketch();
  for (let n = 0; n < 20_000; n += 1) sketch.add(Math.exp(randomNormal(random) * 0.5) * 14_000);
  const some = sketch.distribution();
  const spread: Distribution | null = some && {
    ...some,
    count: 1_000_000,
    sum: some.sum * 50,
    bins: some.bins.map((bin) => ({ ...bin, count: bin.count * 50 })),
  };
  const ramp = (i: number): number => Math.min(1, (i + 1) / 12, (241 - i) / 20) * (i > 120 && i < 128 ? 0.2 : 1);
  const bins = Array.from({ length: 240 }, (_, i) => ({
    done: Math.round(4400 * ramp(i) * (0.94 + random() * 0.12)),
    retried: random() < 0.4 ? Math.round(random() * 9) : 0,
    failed: random() < 0.1 ? 1 + Math.round(random() * 3) : 0,
    interrupted: i === 121 ? 96 : 0,
    running: 478 * ramp(i),
    slots: 480 * Math.min(1, ramp(i) * 1.1),
  }));
  const rows = Array.from({ length: 64 }, (_, i) => ({
    label: `workers ${i * 2 + 1} to ${i * 2 + 2}`,
    worker: null,
    slots: 8,
    busy: 0.93 - i * 0.003,
    bars: [],
    shares: Array.from({ length: 240 }, (_, bin) => Math.max(0, Math.min(1, ramp(bin) * (0.8 + random() * 0.3)))),
  }));
  const [price, total] = small.steps;
  if (price === undefined || total === undefined) throw new Error('expected two steps');
  const done = 999_979;
  return {
    ...small,
    parts: 1_000_000,
    seconds: 33_000,
    endedAt: at(32_990),
    closedAt: at(33_000),
    steps: [{ ...price, tasks: 1_000_000, done, duration: spread, wait: spread }, total],
    totals: { ...small.totals, tasks: 1_000_001, done, attempts: 1_000_950, rate: 30.4, slots: 480, utilisation: 0.91 },
    throughput: { from: at(2), seconds: 137.5, bins },
    timeline: { from: at(2), seconds: 33_000, rows, hidden: 12, sampled: 8, waiting: [] },
    workers: Array.from({ length: 120 }, (_, i) => ({
      worker: `ip-10-0-${i}-17-4f${i}`,
      host: `ip-10-0-${i}-17`,
      slots: 4,
      from: at(i),
      to: at(32_900 - i),
      done: 8300 - i,
      failedAttempts: i % 9,
      interrupted: i % 40 === 0 ? 4 : 0,
      busySeconds: 120_000,
    })),
    slowest: Array.from({ length: 20 }, (_, i) => ({
      task: `price/${i * 997}`,
      params: null,
      seconds: 141 - i,
      times: 10.1 - i / 14,
      attempts: 1 + (i % 2),
      worker: `ip-10-0-${i}-17-4f${i}`,
      bytesIn: 32e6,
      peakMemory: i % 2 === 0 ? 512e6 : null,
      log: i % 3 === 0 ? '' : `jobs/claims-20261130-1830-k7m2q/steps/price/log/${i}.a${i}`,
    })),
  };
}

/** A million tasks, with the longest possible lists and texts (model/report/report-sums.ts: 50 causes, 20 slow tasks). */
export function crowded(): Report {
  const report = million();
  const cause = (i: number): CauseReport[] =>
    report.causes
      .slice(i % 3, (i % 3) + 1)
      .map((one) => ({ ...one, cause: `c${1000 + i}`, error: `${one.error} `.padEnd(512, 'x') }));
  return {
    ...report,
    causes: Array.from({ length: 50 }, (_, i) => cause(i)).flat(),
    decisions: Array.from({ length: 100 }, (_, i) =>
      decision(i * 60, 'ana@ops-1', 'retry', 'a reason that goes on and on '.repeat(30)),
    ),
    late: Array.from({ length: 100 }, (_, i) => `price/${i}`),
    labels: Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`label-${i}`, 'v'.repeat(2000)])),
  };
}
