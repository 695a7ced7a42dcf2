import * as v from 'valibot';
import { CAUSE_CODES, SEVERITIES } from '../cause.ts';
import { FACET_KINDS } from '../facets.ts';
import { TASK_SETS } from './changes.ts';
import {
  count,
  describe,
  instantOrNull,
  jobState,
  numberOrNull,
  PARAMS,
  text,
  textOrNull,
  type Value,
} from './shapes.ts';

/** Null for what did not run to its end. */
export const exitCode = v.nullable(v.pipe(v.number(), v.integer()));

/** A part's position in its input. */
const PLACE = v.nullable(
  v.object({
    unit: v.picklist(['records', 'lines', 'bytes']),
    from: describe(count, 'records and lines are numbered from 1, without a header; bytes from 0'),
    to: describe(count, 'inclusive'),
  }),
);

/** One task of `tasks`, or one attempt of the task that was asked for. */
export const LISTED_TASK = v.object({
  step: text,
  task: count,
  state: describe(text, 'waiting, running, done, failed, skipped; for an attempt, its outcome'),
  round: count,
  input: describe(
    textOrNull,
    "the input of the task's first step, or the file of an explode; null for a gather, for steps after one, and for a job without inputs",
  ),
  place: describe(
    PLACE,
    'where its part lies in the input, decompressed; bytes where records were not counted; null for a whole input, an item, and parts of earlier versions',
  ),
  params: describe(
    PARAMS,
    "the parameters that the split gave its chain, by name: a grid's or a table's, the index of a range, the item of a list; null for other splits, for a gather, and for steps after one",
  ),
  attempts: v.optional(describe(count, 'number of recorded attempts; only for a task')),
  attempt: v.optional(describe(text, 'id of the attempt; only with --task, like the fields below')),
  number: v.optional(count),
  cpuSeconds: v.optional(numberOrNull),
  peakMemory: v.optional(describe(numberOrNull, 'bytes')),
  waitSeconds: v.optional(describe(numberOrNull, 'between sending, or becoming due, and starting; null if unknown')),
  worker: textOrNull,
  startedAt: instantOrNull,
  endedAt: instantOrNull,
  exitCode,
  reason: textOrNull,
  error: describe(textOrNull, 'the last line of stderr'),
  cause: describe(textOrNull, 'the id used by failures; null for a success'),
  badInput: v.optional(
    describe(
      v.boolean(),
      'the task used up its attempts on at least two workers; only for an attempt that failed for good',
    ),
  ),
});

export type ListedTask = Value<typeof LISTED_TASK>;

export const KILL_ANSWER = v.object({
  job: text,
  state: jobState,
  task: describe(textOrNull, 'the named task; null with --step'),
  tasks: TASK_SETS,
  count,
  mode: v.picklist(['requeue', 'fail']),
});

export type KillAnswer = Value<typeof KILL_ANSWER>;

/** One cause of `failures`: what failed for good with the same step, exit code, reason and last line of stderr. */
export const FAILURE_CAUSE = v.object({
  job: text,
  cause: describe(text, 'id of the cause, the same in every job'),
  step: text,
  exitCode,
  reason: text,
  error: describe(textOrNull, 'the last line of stderr, without numbers, ids, paths and times'),
  count: describe(count, 'tasks that failed for this cause, without skipped ones'),
  tasks: describe(text, 'the tasks: 0-4,17'),
  skippedCount: count,
  skipped: describe(text, 'tasks that failed for this cause and were skipped by a person'),
  first: describe(instantOrNull, 'when the first of them failed'),
  last: instantOrNull,
  workers: describe(count, 'number of workers, counted up to 1,000'),
  badInput: describe(
    count,
    "tasks that used up their attempts on at least two workers, among the job's first 1,000 failures",
  ),
  example: v.object({
    task: count,
    input: describe(textOrNull, 'the input, or the exploded file, that its chain began with; null behind a gather'),
    place: describe(PLACE, 'where its part lies in the input; as in tasks'),
    params: describe(PARAMS, 'as in tasks'),
    worker: textOrNull,
    attempt: describe(textOrNull, 'null if nothing ran'),
    error: describe(textOrNull, 'the last line of stderr, unchanged'),
    log: describe(textOrNull, 'key of the log; null if nothing was written'),
    tail: describe(v.array(text), 'the last lines of the log, up to ten'),
  }),
  facets: describe(
    v.array(
      v.object({
        kind: v.picklist(FACET_KINDS),
        name: describe(textOrNull, 'of the parameter; null for other kinds'),
        value: text,
        count: describe(count, "how many of the cause's tasks have it"),
        of: describe(count, "the cause's tasks, with skipped ones"),
        others: describe(count, "how many of the step's other tasks that ended have it"),
        ofOthers: count,
        text: describe(text, 'the same as a sentence'),
      }),
    ),
    'what its tasks have in common that others lack, beyond chance; the least likely first, at most three',
  ),
  fix: describe(
    textOrNull,
    'what helps where a retry alone does not, because an input or an output was altered; as `fix` of why; null: retry',
  ),
});

export type FailureCause = Value<typeof FAILURE_CAUSE>;
export type CauseExample = FailureCause['example'];

/** The log of one attempt, as `logs` lists it; while it is followed, a piece of it. */
export const ATTEMPT_LOG = v.object({
  step: text,
  task: count,
  attempt: text,
  input: describe(textOrNull, 'the input that its part belongs to; as in tasks'),
  place: describe(PLACE, 'where its part lies in the input; as in tasks'),
  params: describe(PARAMS, 'as in tasks'),
  text: describe(text, 'what the attempt wrote to stderr'),
});

export type AttemptLog = Value<typeof ATTEMPT_LOG>;

export const WHY_ANSWER = v.object({
  job: describe(textOrNull, "null if the store or the ledger can't be read"),
  state: v.nullable(jobState),
  causes: describe(
    v.array(
      v.object({
        code: describe(v.picklist(CAUSE_CODES), 'stable; codes are only ever added'),
        severity: describe(
          v.picklist(SEVERITIES),
          'stops: until someone acts; fails: tasks failed for good; slows; waits: continues on its own; note',
        ),
        message: describe(text, 'a sentence with the facts'),
        evidence: v.array(text),
        fix: describe(text, 'steps separated by "; ", each a command, then ", " and its purpose; or a sentence'),
      }),
    ),
    'the most important first; none: nothing is wrong',
  ),
  running: describe(v.nullable(count), 'tasks known to the ledger'),
  waiting: describe(v.nullable(count), 'tasks known to the ledger'),
  rate: describe(numberOrNull, 'tasks per second'),
  eta: describe(numberOrNull, 'seconds'),
});

export type WhyAnswer = Value<typeof WHY_ANSWER>;
