import * as v from 'valibot';
import {
  count,
  describe,
  instant,
  instantOrNull,
  jobId,
  jobName,
  jobState,
  numberOrNull,
  runKeyOrNull,
  text,
  textOrNull,
  type Value,
} from './shapes.ts';

export const DELIVERY = describe(
  v.nullable(
    v.object({
      to: describe(text, '`s3://BUCKET/PREFIX/`, or a directory'),
      host: describe(textOrNull, 'the machine of the directory; null for a bucket'),
      state: describe(
        v.picklist(['waiting', 'none', 'due', 'failing', 'givenUp', 'delivered']),
        'none: the job did not succeed; failing: will be retried; givenUp: retried only by watch, wait and run',
      ),
      delivered: v.nullable(
        v.object({
          to: describe(text, 'the destination'),
          when: instant,
          who: describe(text, 'who delivered'),
          outputs: describe(count, "tasks' outputs"),
          bytes: count,
        }),
      ),
      failed: describe(
        v.nullable(
          v.object({
            tries: describe(count, 'tries so far'),
            when: instant,
            who: describe(text, 'who tried'),
            kind: describe(text, 'the kind of error'),
            message: text,
            hint: describe(textOrNull, 'the fix'),
          }),
        ),
        'the last failed try; null once it is delivered',
      ),
    }),
  ),
  'null if the job has no deliver',
);

export type DeliveryStatus = NonNullable<Value<typeof DELIVERY>>;

/** The progress of a step: numbers of tasks. */
const STEP = v.object({
  name: describe(text, "the step's"),
  group: describe(text, 'the worker group that runs it'),
  total: describe(v.nullable(count), 'number of tasks; null after an `explode` until the step is open'),
  waiting: describe(count, 'not started, or returned to the queue'),
  running: describe(count, 'started, as far as the ledger knows'),
  done: describe(count, 'published'),
  failed: describe(count, 'for good'),
  skipped: describe(count, 'skipped by a person'),
  allEmpty: describe(v.boolean(), 'true: none of its outputs has a byte; never of a step with output: none'),
  late: describe(count, 'those done after the step that waits for all had opened without them: kept, never used'),
  retried: describe(count, 'failed attempts that were retried'),
  interrupted: describe(count, 'attempts that were interrupted and returned, at no cost'),
});

/** A missing entry in a job's journal, with later ones present: their decisions are not shown. */
export const JOURNAL_GAP = v.object({
  missing: describe(v.pipe(v.number(), v.integer()), 'the number of the first entry that is missing'),
  last: describe(v.pipe(v.number(), v.integer()), 'the number of the last entry that exists'),
});

/** A journal with a missing entry followed by later ones. */
export type JournalGap = Value<typeof JOURNAL_GAP>;

/** The answer of `status`, at the same cost for any size (law 11). `run`, `watch` and `wait` have the same answer. */
export const JOB_STATUS = v.object({
  job: jobId,
  name: jobName,
  runKey: runKeyOrNull,
  round: describe(count, '0 for the first sending, one more with each retry'),
  asked: describe(count, 'tasks that this round asks for again; counted as failed until they run; 0 in round 0'),
  state: jobState,
  reason: describe(
    textOrNull,
    'a stable code: failures, stopped, expect, maxTasks, lostOutput, halt, deployment, changed, secret, denied, budget; or why a person paused it',
  ),
  detail: describe(
    textOrNull,
    'reason of the pause, or the control totals or the lost output that failed the job, as text',
  ),
  exact: describe(v.boolean(), 'the counts are known to match the store'),
  incomplete: describe(
    v.boolean(),
    'true: the ledger has fewer counts than the journal implies; `ledger rebuild` restores them',
  ),
  steps: describe(v.array(STEP), 'in the order of the job file'),
  rate: describe(numberOrNull, 'tasks a second; null while unknown, and without a worker'),
  eta: describe(numberOrNull, 'seconds until the end at that rate; null while unknown'),
  finishBy: describe(instantOrNull, 'the deadline; null without one'),
  projected: describe(
    instantOrNull,
    'projected end; with a deadline, by the model that sizes groups, otherwise by the current rate',
  ),
  projectedEarliest: describe(
    instantOrNull,
    'with a deadline: it ends between these times in 19 of 20 cases; null while part of the estimate is assumed',
  ),
  projectedLatest: instantOrNull,
  cost: describe(numberOrNull, 'US dollars so far; null if a price is unknown, or if there are no costs'),
  costProjected: describe(
    numberOrNull,
    'expected cost at its end; null once it is over, and while a price or a duration is unknown',
  ),
  maxCost: describe(numberOrNull, "cost at which it pauses: its own limit, or the profile's; null without one"),
  costUnknown: describe(v.array(text), 'instance types with unknown price that it uses, or would use'),
  counters: describe(v.record(text, v.record(text, text)), 'by step: counters, as exact decimal text'),
  accepted: describe(
    v.array(
      v.object({
        equation: text,
        left: describe(text, 'exact decimals'),
        right: text,
        reason: text,
        who: text,
        when: instant,
      }),
    ),
    'control totals that do not hold, which a person accepted with these sides',
  ),
  workers: describe(
    v.object({ running: describe(count, 'workers seen lately'), slots: describe(count, 'their slots, together') }),
    'of the groups of this job',
  ),
  keeper: describe(textOrNull, 'the manager or `tick` that was active in the last 15 minutes'),
  notBefore: describe(instantOrNull, 'no task starts before this time'),
  createdAt: describe(instant, 'when it was accepted'),
  closedAt: describe(instantOrNull, 'null while it is open'),
  prunedAt: describe(instantOrNull, 'when its outputs, parts and logs were removed'),
  journalHole: describe(
    v.nullable(JOURNAL_GAP),
    'an entry of its journal is missing before others; the later ones are not shown here',
  ),
  delivery: DELIVERY,
  untold: describe(
    v.array(
      v.object({
        event: describe(text, "the event's id"),
        to: describe(text, 'for a URL only the host'),
        tries: describe(count, 'tries so far'),
        message: describe(textOrNull, 'why the last try failed; null during a try, and if its process died'),
        next: describe(instantOrNull, 'time of the next try; null: none'),
      }),
    ),
    'for a closed or paused job: receivers that could not be notified (docs/notify.md); otherwise empty',
  ),
  rehearsal: describe(
    v.nullable(
      v.object({
        parts: describe(count, 'the parts in the sample'),
        of: describe(count, 'the parts of the whole input'),
      }),
    ),
    'for a rehearsal: the parts that it runs on, and those of the whole input; null for a real job',
  ),
  created: v.optional(describe(v.boolean(), 'only for run: false for a job that already existed')),
  output: v.optional(describe(textOrNull, 'only for run: where the outputs are')),
});

export type JobStatus = Value<typeof JOB_STATUS>;
export type StepStatus = Value<typeof STEP>;
