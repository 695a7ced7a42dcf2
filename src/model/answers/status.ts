import * as v from 'valibot';
import {
  count,
  describe,
  instant,
  instantOrNull,
  jobState,
  numberOrNull,
  text,
  textOrNull,
  type Value,
} from './shapes.ts';

export const DELIVERY = describe(
  v.nullable(
    v.object({
      to: text,
      host: describe(textOrNull, 'the machine of the directory; null for a bucket'),
      state: describe(
        v.picklist(['waiting', 'none', 'due', 'failing', 'givenUp', 'delivered']),
        'none: the job did not succeed; failing: will be retried; givenUp: retried only by watch, wait and run',
      ),
      delivered: v.nullable(v.object({ to: text, when: instant, who: text, outputs: count, bytes: count })),
      failed: describe(
        v.nullable(v.object({ tries: count, when: instant, who: text, kind: text, message: text, hint: textOrNull })),
        'the last failed try',
      ),
    }),
  ),
  'null for a job that delivers nothing',
);

export type DeliveryStatus = NonNullable<Value<typeof DELIVERY>>;

/** The progress of a step: numbers of tasks. */
const STEP = v.object({
  name: text,
  group: text,
  total: describe(v.nullable(count), 'null after an explode that has not opened yet'),
  waiting: count,
  running: count,
  done: count,
  failed: describe(count, 'permanently'),
  skipped: count,
  allEmpty: describe(v.boolean(), 'true: none of its outputs has a byte; never of a step with output: none'),
  late: describe(count, 'those done after the step that waits for all had opened without them: kept, never used'),
  retried: describe(count, 'failed attempts that were retried'),
  interrupted: describe(count, 'attempts returned without counting as failed'),
});

/** A missing entry in a job's journal, with later ones present: their decisions are not shown. */
export const JOURNAL_GAP = v.object({
  missing: describe(v.pipe(v.number(), v.integer()), 'the number of the first missing entry'),
  last: describe(v.pipe(v.number(), v.integer()), 'the number of the last entry that exists'),
});

/** A journal with a missing entry followed by later ones. */
export type JournalGap = Value<typeof JOURNAL_GAP>;

/** The answer of `status`, at the same cost for any size (law 11). `run`, `watch` and `wait` have the same answer. */
export const JOB_STATUS = v.object({
  job: text,
  name: text,
  runKey: textOrNull,
  round: count,
  asked: describe(count, 'tasks that this round asks for again; counted as failed until they run; 0 in round 0'),
  state: jobState,
  reason: describe(
    textOrNull,
    'a stable code (failures, stopped, expect, halt, deployment, secret, denied, budget), or why a person paused it',
  ),
  detail: describe(
    textOrNull,
    'why the guard paused the job, or the control totals or the lost output that failed it, in words',
  ),
  exact: describe(v.boolean(), 'true: the counts are known to match the store'),
  incomplete: describe(
    v.boolean(),
    'true: the ledger has fewer counts than the journal implies; `ledger rebuild` restores them',
  ),
  steps: v.array(STEP),
  rate: describe(numberOrNull, 'tasks a second; null while unknown, and without a worker'),
  eta: describe(numberOrNull, 'seconds until the end at that rate; null while unknown'),
  finishBy: describe(instantOrNull, 'the deadline'),
  projected: describe(
    instantOrNull,
    'the expected end: with a deadline by the model that sizes groups, otherwise at the current rate',
  ),
  projectedEarliest: describe(
    instantOrNull,
    'for a job with a deadline: it ends between these two in 19 of 20 cases; null while part of it is assumed',
  ),
  projectedLatest: instantOrNull,
  cost: describe(numberOrNull, 'US dollars so far; null where a price is not known, or nothing costs anything'),
  costProjected: describe(numberOrNull, 'US dollars by its end; null once it is closed, and while unknown'),
  maxCost: describe(numberOrNull, "US dollars at which it pauses: its own limit, otherwise the profile's"),
  costUnknown: describe(v.array(text), 'instance types without a known price'),
  counters: describe(v.record(text, v.record(text, text)), 'by step: counters, as exact decimal text'),
  accepted: describe(
    v.array(v.object({ equation: text, left: text, right: text, reason: text, who: text, when: instant })),
    'control totals that do not hold, which a person accepted with these sides',
  ),
  workers: v.object({ running: count, slots: count }),
  keeper: describe(textOrNull, 'the manager or tick that was active in the last 15 minutes'),
  notBefore: describe(instantOrNull, 'no task starts before it'),
  createdAt: instant,
  closedAt: instantOrNull,
  prunedAt: describe(instantOrNull, 'when its outputs, parts and logs were removed'),
  journalHole: describe(v.nullable(JOURNAL_GAP), 'null for a whole journal'),
  delivery: DELIVERY,
  untold: describe(
    v.array(
      v.object({
        event: describe(text, 'id of the event'),
        to: describe(text, 'the host alone, for a URL'),
        tries: count,
        message: describe(textOrNull, 'why the last try failed; null during a try, and if its process died'),
        next: describe(instantOrNull, 'when it is retried; null: never'),
      }),
    ),
    'receivers that could not be notified of its end or pause (docs/notify.md); empty while it runs',
  ),
  rehearsal: describe(
    v.nullable(v.object({ parts: count, of: count })),
    'for a rehearsal: the parts that it runs on, and those of the whole input; null for a real job',
  ),
  created: v.optional(describe(v.boolean(), 'only for run: false for a job that already existed')),
  output: v.optional(describe(textOrNull, 'only for run: where the outputs are')),
});

export type JobStatus = Value<typeof JOB_STATUS>;
export type StepStatus = Value<typeof STEP>;
