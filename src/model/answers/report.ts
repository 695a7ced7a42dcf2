import * as v from 'valibot';
import {
  count,
  describe,
  instant,
  instantOrNull,
  jobState,
  number,
  numberOrNull,
  PARAMS,
  text,
  textOrNull,
  type Value,
} from './shapes.ts';
import { exitCode } from './tasks.ts';

const countOrNull = v.nullable(count);
const flag = v.boolean();
const words = v.record(text, text);

/**
 * Quantiles (nearest rank; exact up to 10,000 values, within 1 % above) and a histogram whose bins grow with what they
 * hold, so that both a second and an hour are seen: consecutive, from `from` (inclusive) to `to` (exclusive), at most 60.
 */
const DISTRIBUTION = v.object({
  count,
  min: number,
  mean: number,
  p50: number,
  p95: number,
  p99: number,
  max: number,
  sum: number,
  bins: v.array(v.object({ from: number, to: number, count })),
});

/**
 * `retried` and `interrupted` are no failures for good; `peakMemory` is the largest of any winning attempt. Only `measured`
 * of the winning attempts, of which `duration` counts all, ran long enough for their CPU and memory to be known; those whose
 * CPU is known ran `measuredSeconds`.
 */
const STEP = v.object({
  name: text,
  group: text,
  gather: flag,
  // A task's share of its worker: its slots, and the memory it asks for in bytes, 0 for none.
  needs: v.object({ slots: v.union([count, v.literal('all')]), memory: count }),
  tasks: count,
  done: count,
  failed: count,
  skipped: count,
  retried: count,
  interrupted: count,
  // From the first start to the last end of the winning attempts.
  seconds: numberOrNull,
  // Run times of the winning attempts; waits of first attempts, from sending (or becoming due) to starting.
  duration: v.nullable(DISTRIBUTION),
  wait: v.nullable(DISTRIBUTION),
  bytesIn: count,
  bytesOut: count,
  cpuSeconds: numberOrNull,
  peakMemory: countOrNull,
  measured: count,
  measuredSeconds: number,
  counters: words,
  cost: numberOrNull,
});

const TOTALS = v.object({
  tasks: count,
  done: count,
  failed: count,
  skipped: count,
  attempts: count,
  retried: count,
  interrupted: count,
  bytesIn: count,
  bytesOut: count,
  cpuSeconds: numberOrNull,
  // Seconds in which attempts ran, summed; those that won apart from the rest.
  usefulSeconds: number,
  lostSeconds: number,
  // The most slots that were there at once, and slots times the time they were there.
  slots: count,
  slotSeconds: number,
  // The share of slotSeconds in which attempts held the slots; and tasks done a second.
  utilisation: numberOrNull,
  rate: numberOrNull,
});

/** Equal bins from the first start (or just before it) to the last end; at most 240, and fewer for few attempts. */
const THROUGHPUT = v.object({
  from: instantOrNull,
  seconds: number,
  bins: v.array(
    v.object({ done: count, retried: count, failed: count, interrupted: count, running: number, slots: number }),
  ),
});

/**
 * Up to 64 rows (a slot of a worker each; a worker each, or a group of workers, when there are more), the busiest first. A
 * row has bars when it has few attempts, at most 2,000 over all rows; else the share of each of 240 bins in which it was
 * busy, and as bars a sample of the attempts that did not succeed: each `sampled`-th of the job's, at most 1,000 over all rows.
 * `waiting` is how many tasks waited, on average, in each of the same bins; those of a retry only once they start.
 * `hidden` is 1 when there were more than 4,096 slots.
 */
const TIMELINE = v.object({
  from: instantOrNull,
  seconds: number,
  hidden: count,
  sampled: count,
  waiting: v.array(number),
  rows: v.array(
    v.object({
      label: text,
      worker: textOrNull,
      slots: count,
      busy: number,
      bars: v.array(
        v.object({
          start: number,
          end: number,
          task: text,
          outcome: v.picklist(['done', 'failedAttempt', 'failed', 'superseded', 'interrupted', 'running']),
          attempt: count,
          reason: textOrNull,
          exitCode,
        }),
      ),
      shares: v.nullable(v.array(number)),
    }),
  ),
});

const WORKER = v.object({
  worker: text,
  host: textOrNull,
  slots: count,
  from: instant,
  to: instant,
  // Seconds times the slots that its attempts held.
  done: count,
  failedAttempts: count,
  interrupted: count,
  busySeconds: number,
});

/** As `failures` groups them, over all attempts that failed: `forGood` are tasks that failed for good, without skipped ones. */
const CAUSE = v.object({
  cause: text,
  step: text,
  reason: text,
  exitCode,
  error: text,
  attempts: count,
  forGood: count,
  badInput: count,
  firstAt: instant,
  lastAt: instant,
  example: v.object({ task: text, params: PARAMS, error: textOrNull, log: text }),
});

/** `times`: of the median of its step. `log`: of the winning attempt; none is there if it wrote nothing. */
const SLOW_TASK = v.object({
  task: text,
  params: PARAMS,
  seconds: number,
  times: number,
  attempts: count,
  worker: text,
  bytesIn: countOrNull,
  peakMemory: countOrNull,
  log: text,
});

/** One figure of two reports. `change` is a share: 0.1 is 10 % more. */
const FIGURE = v.object({
  code: text,
  name: text,
  step: textOrNull,
  unit: v.picklist(['seconds', 'bytes', 'count', 'perSecond', 'share', 'usd', 'number']),
  perTask: flag,
  before: numberOrNull,
  now: numberOrNull,
  change: numberOrNull,
  // A counter's sums as exact decimals, of the whole jobs whatever their sizes; null for other figures.
  exact: v.nullable(v.object({ before: textOrNull, now: textOrNull, difference: textOrNull })),
  better: v.nullable(v.picklist(['less', 'more'])),
  matters: flag,
  regressed: flag,
});

/**
 * Two reports' figures side by side. `regress` is the share by which a figure that matters may be worse, and `regressions`
 * says what is worse beyond that. `perTask`: the jobs have different numbers of tasks.
 */
const COMPARISON = v.object({
  job: text,
  name: text,
  createdAt: instant,
  perTask: flag,
  regress: numberOrNull,
  figures: v.array(FIGURE),
  regressions: v.array(text),
});

/**
 * The content of a job's report: the same for 10 tasks and for 1,000,000. All lists are bounded: series are binned, the
 * rest names the first, the worst or the largest. Durations are seconds, sizes bytes, shares 0 to 1, costs US dollars;
 * null is unknown, never 0. Counters are exact decimals as text.
 */
const REPORT = v.object({
  format: v.literal(1),
  job: text,
  name: text,
  runKey: textOrNull,
  period: textOrNull,
  state: jobState,
  reason: textOrNull,
  round: count,
  labels: words,
  params: words,
  rehearsal: v.optional(v.object({ parts: count, of: count })),
  createdBy: text,
  host: text,
  version: text,
  digest: text,
  code: textOrNull,
  createdAt: instant,
  startedAt: instantOrNull,
  endedAt: instantOrNull,
  closedAt: instantOrNull,
  seconds: number,
  // The counts equal what the store says, and the ledger knows an attempt of each done task.
  exact: flag,
  proof: v.nullable(v.object({ key: text, when: instant, deep: flag })),
  inputs: v.object({ count, bytes: count, records: countOrNull }),
  parts: count,
  steps: v.array(STEP),
  totals: TOTALS,
  throughput: THROUGHPUT,
  timeline: TIMELINE,
  workers: v.array(WORKER),
  causes: v.array(CAUSE),
  slowest: v.array(SLOW_TASK),
  expectations: v.array(
    v.object({
      equation: text,
      ok: v.nullable(flag),
      left: textOrNull,
      right: textOrNull,
      // Who accepted that it does not hold; absent: no one.
      accepted: v.optional(v.object({ who: text, when: text, reason: text })),
    }),
  ),
  // People's decisions, newest last, at most the last 100.
  decisions: v.array(v.object({ when: instant, who: text, what: text, text })),
  // Outputs published after a gather was opened without them; the first 100.
  late: v.array(text),
  cost: v.nullable(v.object({ usd: number, basis: text })),
});

/** The answer of `report`. */
export const COMPARED_REPORT = v.object({ ...REPORT.entries, compared: v.nullable(COMPARISON) });

/** A page of a job's attempts, in the ledger's order; instants are milliseconds since the epoch. */
export const ATTEMPTS = v.array(
  v.object({
    job: text,
    step: text,
    task: count,
    round: count,
    attempt: text,
    number: count,
    worker: text,
    slot: count,
    outcome: describe(text, 'as in the ledger'),
    startedAt: number,
    endedAt: numberOrNull,
    waitSeconds: numberOrNull,
    exitCode,
    reason: textOrNull,
    error: textOrNull,
    cpuSeconds: numberOrNull,
    peakMemory: numberOrNull,
    bytesIn: numberOrNull,
    bytesOut: numberOrNull,
    counters: words,
    params: v.optional(PARAMS),
  }),
);

export type Report = Value<typeof REPORT>;
export type ComparedReport = Value<typeof COMPARED_REPORT>;
export type StepReport = Value<typeof STEP>;
export type Distribution = Value<typeof DISTRIBUTION>;
export type TotalsReport = Value<typeof TOTALS>;
export type Throughput = Value<typeof THROUGHPUT>;
export type Timeline = Value<typeof TIMELINE>;
export type TimelineRow = Timeline['rows'][number];
export type WorkerReport = Value<typeof WORKER>;
export type CauseReport = Value<typeof CAUSE>;
export type SlowTask = Value<typeof SLOW_TASK>;
export type Comparison = Value<typeof COMPARISON>;
export type Figure = Value<typeof FIGURE>;
