import * as v from 'valibot';
import {
  count,
  describe,
  instant,
  instantOrNull,
  jobId,
  jobName,
  jobState,
  number,
  numberOrNull,
  PARAMS,
  runKeyOrNull,
  text,
  textOrNull,
  type Value,
  words,
  workerGroup,
} from './shapes.ts';
import { exitCode } from './tasks.ts';

const countOrNull = v.nullable(count);
const flag = v.boolean();

/** Quantiles, and a histogram whose bins widen, so that both a second and an hour are seen. */
const DISTRIBUTION = v.object({
  count,
  min: number,
  mean: number,
  p50: describe(number, 'nearest rank; exact up to 10,000 values, within 1 % above'),
  p95: number,
  p99: number,
  max: number,
  sum: number,
  bins: describe(
    v.array(
      v.object({ from: describe(number, 'seconds, included'), to: describe(number, 'seconds, excluded'), count }),
    ),
    'at most 60 bins, joined; they widen with their values',
  ),
});

const STEP = v.object({
  name: text,
  group: workerGroup,
  gather: describe(flag, 'it waits for all chains'),
  needs: describe(
    v.object({
      slots: describe(v.union([count, v.literal('all')]), 'slots that a task holds; all: of its worker'),
      memory: describe(count, 'bytes that a task asks for; 0: none'),
    }),
    'what a task asks of its worker',
  ),
  tasks: count,
  done: describe(count, 'tasks published'),
  failed: describe(count, 'tasks, for good'),
  skipped: describe(count, 'tasks skipped by a person'),
  retried: describe(count, 'failed attempts that were retried'),
  interrupted: describe(count, 'attempts that were returned at no cost, or lost with their worker'),
  seconds: describe(
    numberOrNull,
    'from the first start to the last end of the published attempts; null while there is none',
  ),
  duration: describe(v.nullable(DISTRIBUTION), 'seconds, of the published attempts; null while there is none'),
  wait: describe(v.nullable(DISTRIBUTION), 'seconds from sending to the first start; null if the ledger was rebuilt'),
  bytesIn: count,
  bytesOut: count,
  cpuSeconds: describe(numberOrNull, 'of the published attempts; null if unknown: short commands'),
  peakMemory: describe(countOrNull, 'bytes, of the largest published attempt'),
  measured: describe(
    count,
    'published attempts, of `duration.count`, that ran long enough for CPU and memory to be known',
  ),
  measuredSeconds: describe(number, 'how long the attempts ran whose CPU is known'),
  counters: describe(words, 'exact decimals as text'),
  cost: describe(numberOrNull, "its share of the job's cost, US dollars, by the time of published attempts"),
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
  usefulSeconds: describe(number, 'in published attempts'),
  lostSeconds: describe(number, 'in all other attempts'),
  slots: describe(count, 'the most slots at one time'),
  slotSeconds: describe(number, "slots times their lifetime: from a worker's start to its last heartbeat"),
  utilisation: describe(numberOrNull, '0 to 1: the share of it that attempts used'),
  rate: describe(numberOrNull, 'tasks done a second'),
});

const THROUGHPUT = v.object({
  from: describe(instantOrNull, 'the first bin: at the first start or just before it'),
  seconds: describe(number, 'width of a bin'),
  bins: describe(
    v.array(
      v.object({
        done: count,
        retried: count,
        failed: count,
        interrupted: count,
        running: describe(number, 'attempts at once, on average'),
        slots: describe(number, 'slots, on average'),
      }),
    ),
    'equal bins, at most 240',
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
  seconds: describe(number, 'of the whole'),
  hidden: describe(count, 'rows left out'),
  sampled: describe(count, 'N: rows with `shares` show every Nth unsuccessful attempt as a bar; 1: all of them'),
  waiting: describe(v.array(number), 'tasks waiting in each bin, on average; those of a retry only once they start'),
  rows: describe(
    v.array(
      v.object({
        label: text,
        worker: describe(textOrNull, 'null for several'),
        slots: count,
        busy: describe(number, '0 to 1'),
        bars: describe(
          v.array(
            v.object({
              start: describe(number, 'seconds after `timeline.from`'),
              end: number,
              task: describe(text, 'STEP/N'),
              outcome: describe(
                v.picklist(['done', 'failedAttempt', 'failed', 'superseded', 'interrupted', 'running']),
                'superseded: failed for good, then retried, skipped or done; failed: stands',
              ),
              attempt: describe(count, 'its number, from 1 in each round'),
              reason: describe(textOrNull, 'how it ended: exit, timeout, ...'),
              exitCode,
            }),
          ),
          'the attempts, at most 2,000 in all; if `shares` is set, unsuccessful ones only, at most 1,000 in all',
        ),
        shares: describe(v.nullable(v.array(number)), 'otherwise the busy share of each bin'),
      }),
    ),
    'at most 64, the busiest first: slots, or workers, or several workers',
  ),
});

const WORKER = v.object({
  worker: text,
  host: describe(textOrNull, 'null if no longer known'),
  slots: count,
  from: describe(instant, 'its first attempt'),
  to: describe(instant, "its last attempt's end"),
  done: count,
  failedAttempts: describe(count, 'for good or not'),
  interrupted: count,
  busySeconds: describe(number, 'times the slots held'),
});

const CAUSE = v.object({
  cause: describe(text, 'as `failures` names it'),
  step: text,
  reason: describe(text, 'a stable code: exit, signal, timeout, stall, ...'),
  exitCode,
  error: describe(text, 'the folded error line'),
  attempts: count,
  forGood: describe(count, 'tasks that failed for good with it, without skipped ones'),
  badInput: describe(count, 'those of `forGood` that failed on two workers or more: most likely bad input'),
  firstAt: instant,
  lastAt: instant,
  example: describe(
    v.object({
      task: describe(text, 'STEP/N'),
      params: describe(PARAMS, 'its parameters, as `params` of `tasks`'),
      error: describe(textOrNull, 'unchanged'),
      log: describe(text, 'its key in the store; no object if it wrote nothing'),
    }),
    'the first',
  ),
});

const SLOW_TASK = v.object({
  task: describe(text, 'STEP/N'),
  params: describe(PARAMS, 'its parameters, as `params` of `tasks`'),
  seconds: number,
  times: describe(number, 'its duration, divided by the median of its step'),
  attempts: describe(count, 'of the task, over all rounds'),
  worker: text,
  bytesIn: countOrNull,
  peakMemory: countOrNull,
  log: describe(text, 'its key in the store; no object if it wrote nothing'),
});

/** One figure of two reports. `change` is a share: 0.1 is 10 % more. */
const FIGURE = v.object({
  code: describe(text, 'stable: seconds, rate, p50, counter, ...'),
  name: describe(text, 'in words'),
  step: describe(textOrNull, 'null for the whole job'),
  unit: v.picklist(['seconds', 'bytes', 'count', 'perSecond', 'share', 'usd', 'number']),
  perTask: flag,
  before: numberOrNull,
  now: numberOrNull,
  change: describe(numberOrNull, '0.1 is 10 % more; null if unknown'),
  exact: describe(
    v.nullable(v.object({ before: textOrNull, now: textOrNull, difference: describe(textOrNull, 'now minus before') })),
    "a counter's sums as exact decimals, of the whole jobs whatever their sizes; null for other figures",
  ),
  better: v.nullable(v.picklist(['less', 'more'])),
  matters: describe(flag, 'the figure counts for --regress'),
  regressed: flag,
});

/**
 * Two reports' figures side by side. `regress` is the share by which a figure that matters may be worse, and `regressions`
 * says what is worse beyond that. `perTask`: the jobs have different numbers of tasks.
 */
const COMPARISON = v.object({
  job: describe(text, 'the other job'),
  name: text,
  createdAt: instant,
  perTask: describe(flag, 'the jobs differ in size: figures that grow with it are compared per task'),
  regress: describe(numberOrNull, 'the share of --regress; null without'),
  figures: v.array(FIGURE),
  regressions: describe(v.array(text), 'figures that are worse than allowed, in words'),
});

/**
 * The content of a job's report: the same for 10 tasks and for 1,000,000. All lists are bounded: series are binned, the
 * rest names the first, the worst or the largest. Durations are seconds, sizes bytes, shares 0 to 1, costs US dollars;
 * null is unknown, never 0. Counters are exact decimals as text.
 */
const REPORT = v.object({
  format: describe(v.literal(1), 'of this document'),
  job: jobId,
  name: jobName,
  runKey: runKeyOrNull,
  period: describe(textOrNull, 'null without one'),
  state: jobState,
  reason: describe(textOrNull, 'as in `status`'),
  round: describe(count, '0 for the first sending, one more with each retry'),
  labels: describe(words, 'names and values, as text'),
  params: describe(words, 'names and values, as text'),
  rehearsal: v.optional(
    describe(
      v.object({
        parts: describe(count, 'the parts of its sample'),
        of: describe(count, 'the parts of the whole input'),
      }),
      'only for a rehearsal',
    ),
  ),
  createdBy: describe(text, 'user@host'),
  host: describe(text, 'where it was submitted'),
  version: describe(text, 'of batchctl, when the job was accepted'),
  digest: describe(text, 'of the job as accepted: spec, code and inputs'),
  code: describe(textOrNull, "SHA-256 of the archive of the job's files; null without any"),
  createdAt: describe(instant, 'when it was accepted'),
  startedAt: describe(instantOrNull, "the first attempt's start"),
  endedAt: describe(instantOrNull, "the last attempt's end"),
  closedAt: describe(instantOrNull, 'null while it is open'),
  seconds: describe(number, 'from acceptance (or `--at`) to the close, or to now'),
  exact: describe(flag, 'the counts are known to match the store, and the ledger knows an attempt of each done task'),
  proof: describe(
    v.nullable(
      v.object({ key: describe(text, 'in the store'), when: instant, deep: describe(flag, 'every byte was read') }),
    ),
    'the proof that is still valid; null if there is none',
  ),
  inputs: v.object({
    count,
    bytes: describe(count, 'as they are stored'),
    records: describe(countOrNull, 'null if not counted'),
  }),
  parts: describe(count, 'tasks of the first step'),
  steps: describe(v.array(STEP), 'in the order of the job file'),
  totals: describe(TOTALS, 'over all steps'),
  throughput: describe(THROUGHPUT, 'tasks that ended, over time'),
  timeline: describe(TIMELINE, 'attempts of each worker, over time'),
  workers: describe(v.array(WORKER), 'at most 200, the busiest first'),
  causes: describe(v.array(CAUSE), 'of all failed attempts, at most 50, most attempts first'),
  slowest: describe(v.array(SLOW_TASK), 'the slowest published attempts, at most 20'),
  expectations: describe(
    v.array(
      v.object({
        equation: describe(text, 'as in the job file'),
        ok: describe(v.nullable(flag), 'null while the job is open'),
        left: describe(textOrNull, 'exact decimals; null if not counted'),
        right: textOrNull,
        accepted: v.optional(
          describe(
            v.object({ who: text, when: text, reason: text }),
            'who accepted that it does not hold; absent: no one',
          ),
        ),
      }),
    ),
    'the control totals',
  ),
  decisions: describe(
    v.array(
      v.object({
        when: instant,
        who: describe(text, 'user@host, or a worker'),
        what: describe(text, 'the name of the journal entry'),
        text: describe(text, 'as `history` says it'),
      }),
    ),
    'of people and guards; the last 100, oldest first',
  ),
  late: describe(v.array(text), 'published after a gather was opened without them: STEP/N, the first 100'),
  cost: describe(
    v.nullable(
      v.object({ usd: describe(number, 'US dollars'), basis: describe(text, 'the basis of the computation') }),
    ),
    'null if no price is known',
  ),
});

/** The answer of `report`. */
export const COMPARED_REPORT = v.object({
  ...REPORT.entries,
  compared: describe(v.nullable(COMPARISON), 'with --compare'),
});

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
