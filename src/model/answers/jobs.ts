import * as v from 'valibot';
import { TASK_SETS } from './changes.ts';
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
  runKeyOrNull,
  text,
  textOrNull,
  type Value,
} from './shapes.ts';
import { JOURNAL_GAP } from './status.ts';

/** One job of `jobs`. */
export const LISTED_JOB = v.object({
  job: jobId,
  name: jobName,
  runKey: runKeyOrNull,
  state: jobState,
  reason: describe(textOrNull, 'as in `status`'),
  round: describe(count, '0 for the first sending, one more with each retry'),
  createdAt: describe(instant, 'when it was accepted'),
  closedAt: describe(instantOrNull, 'null while it is open'),
  createdBy: describe(text, 'user@host'),
  labels: describe(v.record(text, text), 'names and values, text'),
  tasks: describe(count, 'of all steps'),
  pruned: describe(v.boolean(), 'its outputs, parts and logs were removed'),
  rehearsal: describe(v.boolean(), 'it ran on a sample of its parts'),
  journalHole: describe(
    v.optional(v.nullable(JOURNAL_GAP)),
    'as in `status`; not given for closed jobs after the newest 100, whose journals are not listed',
  ),
});

export type ListedJob = Value<typeof LISTED_JOB>;

/** One decision about a job, as `history` lists it: what is common to all, and the fields of its journal entry. */
export const HISTORY_LINE = v.looseObject({
  number: describe(v.nullable(count), "of the journal's entry, from 0; null for the acceptance"),
  when: describe(instant, 'time of the decision'),
  who: describe(text, "`user@host`, a worker's id, or `manager`"),
  what: describe(text, 'accepted, sent, resend, pause, resume, retry, close, ...'),
  text: describe(text, 'the entry in words, as it is printed without --json'),
  id: v.optional(describe(text, "the entry's id")),
  format: v.optional(describe(count, 'like the fields below, present only if the entry has it')),
  tasks: v.optional(describe(TASK_SETS, 'which tasks, by step')),
  canaries: v.optional(describe(v.nullable(TASK_SETS), 'retry: tasks that run first; null if none')),
  failed: v.optional(describe(TASK_SETS, 'skip: tasks among them that had failed for good')),
  equation: v.optional(describe(text, 'accept: the control total')),
  left: v.optional(describe(text, 'accept: its left side, an exact decimal')),
  right: v.optional(describe(text, 'accept: its right side')),
  asked: v.optional(describe(TASK_SETS, 'unskip: undecided tasks, which are requested again')),
  opened: v.optional(describe(v.array(text), 'retry by resume --with: the tasks that were open')),
  round: v.optional(describe(count, "the job's round after this entry; for a close: its own round")),
  remains: v.optional(describe(v.record(text, text), 'prune: the checksums of the remaining objects')),
  overrides: v.optional(describe(v.looseObject({}), 'retry: its changes')),
  reason: v.optional(describe(textOrNull, 'pause, skip, accept: why; close: a stable code')),
  state: v.optional(describe(text, 'close: succeeded, failed, cancelled')),
  mode: v.optional(describe(text, 'kill: requeue, fail')),
  now: v.optional(describe(v.boolean(), 'pause: running tasks were returned')),
  cause: v.optional(describe(text, 'stop: the failure that stopped it')),
  after: v.optional(
    describe(number, 'resend: the number of entries before it; delivered, undelivered: the close that it belongs to'),
  ),
  unstop: v.optional(describe(v.boolean(), 'skip: tasks that a stop gave up continue')),
  to: v.optional(describe(text, 'delivered, undelivered: the destination')),
  outputs: v.optional(describe(count, "delivered: tasks' outputs")),
  bytes: v.optional(describe(count, 'delivered')),
  kind: v.optional(describe(text, 'undelivered: the kind of error')),
  message: v.optional(describe(text, 'undelivered')),
  hint: v.optional(describe(textOrNull, 'undelivered: the fix')),
  tolerate: v.optional(describe(text, 'adjust: chains that may fail: a count or a share')),
  maxRunning: v.optional(describe(v.nullable(count), 'adjust: null removes the limit')),
  notBefore: v.optional(describe(instant, 'adjust: no task starts before this time')),
  finishBy: v.optional(describe(textOrNull, 'adjust: null removes it')),
  maxCost: v.optional(describe(numberOrNull, 'adjust: USD; null removes it')),
});

/** The fields of every line, besides its entry's. */
export type HistoryLine = Pick<Value<typeof HISTORY_LINE>, 'number' | 'when' | 'who' | 'what' | 'text'>;
