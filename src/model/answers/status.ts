import * as v from 'valibot';
import { count, instant, instantOrNull, jobState, numberOrNull, text, textOrNull, told, type Value } from './shapes.ts';

export const DELIVERY = told(
  v.nullable(
    v.object({
      to: text,
      host: told(textOrNull, 'the machine of the directory; null for a bucket'),
      state: told(
        v.picklist(['waiting', 'none', 'due', 'failing', 'givenUp', 'delivered']),
        'none: the job did not succeed; failing: tried again after a while; givenUp: only watch, wait and run try again',
      ),
      delivered: v.nullable(v.object({ to: text, when: instant, who: text, outputs: count, bytes: count })),
      failed: told(
        v.nullable(v.object({ tries: count, when: instant, who: text, kind: text, message: text, hint: textOrNull })),
        'the last failed try',
      ),
    }),
  ),
  'null for a job that delivers nothing',
);

/** The progress of a step: numbers of tasks. */
const STEP = v.object({
  name: text,
  group: text,
  total: told(v.nullable(count), 'null after an explode that has not opened yet'),
  waiting: count,
  running: count,
  done: count,
  failed: told(count, 'permanently'),
  skipped: count,
  retried: told(count, 'failed attempts that were retried'),
  interrupted: told(count, 'attempts returned without counting as failed'),
});

/** A missing entry in a job's journal, with later ones present: their decisions are not shown. */
export const JOURNAL_HOLE = v.object({
  missing: told(v.pipe(v.number(), v.integer()), 'the number of the first missing entry'),
  last: told(v.pipe(v.number(), v.integer()), 'the number of the last entry that exists'),
});

/** The answer of `status`, at the same cost for any size (law 11). `run`, `watch` and `wait` have the same answer. */
export const JOB_STATUS = v.object({
  job: text,
  name: text,
  runKey: textOrNull,
  round: count,
  asked: told(count, 'tasks that this round asks for again; counted as failed until they run; 0 in round 0'),
  state: jobState,
  reason: told(
    textOrNull,
    'a stable code (failures, stopped, expect, halt, deployment, secret, denied, budget), or why a person paused it',
  ),
  detail: told(textOrNull, 'what the guard found that paused the job, in words'),
  exact: told(v.boolean(), 'true: the counts are known to match the store'),
  steps: v.array(STEP),
  rate: told(numberOrNull, 'tasks a second; null while unknown, and without a worker'),
  eta: told(numberOrNull, 'seconds until the end at that rate; null while unknown'),
  finishBy: told(instantOrNull, 'the deadline'),
  projected: told(
    instantOrNull,
    'the expected end: with a deadline by the model that sizes groups, otherwise at the current rate',
  ),
  projectedEarliest: told(
    instantOrNull,
    'for a job with a deadline: it ends between these two in 19 of 20 cases; null while part of it is assumed',
  ),
  projectedLatest: instantOrNull,
  cost: told(numberOrNull, 'US dollars so far; null where a price is not known, or nothing costs anything'),
  costProjected: told(numberOrNull, 'US dollars by its end; null once it is closed, and while unknown'),
  maxCost: told(numberOrNull, "US dollars at which it pauses: its own limit, otherwise the profile's"),
  costUnknown: told(v.array(text), 'instance types without a known price'),
  counters: told(v.record(text, v.record(text, text)), 'by step: counters, as exact decimal text'),
  workers: v.object({ running: count, slots: count }),
  keeper: told(textOrNull, 'the manager or tick that was active in the last 15 minutes'),
  notBefore: told(instantOrNull, 'no task starts before it'),
  createdAt: instant,
  closedAt: instantOrNull,
  prunedAt: told(instantOrNull, 'when its outputs, parts and logs were removed'),
  journalHole: told(v.nullable(JOURNAL_HOLE), 'null for a whole journal'),
  delivery: DELIVERY,
  untold: told(
    v.array(
      v.object({
        event: told(text, 'id of the event'),
        to: told(text, 'the host alone, for a URL'),
        tries: count,
        message: told(textOrNull, 'why the last try failed; null during a try, and if its process died'),
        next: told(instantOrNull, 'when it is retried; null: never'),
      }),
    ),
    'receivers that could not be notified of its end or pause (docs/notify.md); empty while it runs',
  ),
  rehearsal: told(
    v.nullable(v.object({ parts: count, of: count })),
    'for a rehearsal: the parts that it runs on, and those of the whole input; null for a real job',
  ),
  created: v.optional(told(v.boolean(), 'only for run: false for a job that already existed')),
  output: v.optional(told(textOrNull, 'only for run: where the outputs are')),
});

export type JobStatus = Value<typeof JOB_STATUS>;
export type StepStatus = Value<typeof STEP>;
export type JobState = Value<typeof jobState>;
