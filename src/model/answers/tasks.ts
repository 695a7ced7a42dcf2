import * as v from 'valibot';
import { CAUSE_CODES, SEVERITIES } from '../cause.ts';
import { FACET_KINDS } from '../facets.ts';
import { TASK_SETS } from './changes.ts';
import {
  count,
  describe,
  instantOrNull,
  jobId,
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
    unit: describe(v.picklist(['records', 'lines', 'bytes']), 'bytes where records were not counted'),
    from: describe(count, 'records and lines are numbered from 1, without a header; bytes from 0'),
    to: describe(count, 'inclusive'),
  }),
);

/** One task of `tasks`, or one attempt of the task that was asked for. */
export const LISTED_TASK = v.object({
  step: describe(text, "the step's name"),
  task: describe(count, "the task's number in its step"),
  state: describe(text, 'waiting, running, done, failed, skipped; for an attempt, its outcome'),
  round: count,
  input: describe(
    textOrNull,
    "the input of the task's first step, or the file of an explode; null for a gather, for steps after one, and for a job without inputs",
  ),
  place: describe(
    PLACE,
    'the place of its part in the decompressed input; null for a whole input, an item of a list, and some parts of earlier versions',
  ),
  params: describe(
    PARAMS,
    'the parameters that the split gave its chain, text by name: those of a grid or a table, `index` of a range, `item` of a list; null for other splits, for and behind a gather, and behind an `explode`',
  ),
  attempts: v.optional(describe(count, 'number of recorded attempts; only for a task')),
  attempt: v.optional(describe(text, 'id of the attempt; only with --task, like the fields below')),
  number: v.optional(describe(count, 'label of the attempt, from 1 in each round')),
  cpuSeconds: v.optional(describe(numberOrNull, 'null if unknown: short commands')),
  peakMemory: v.optional(describe(numberOrNull, 'bytes')),
  waitSeconds: v.optional(describe(numberOrNull, 'between sending, or becoming due, and starting; null if unknown')),
  worker: describe(textOrNull, 'the last worker that ran it'),
  startedAt: instantOrNull,
  endedAt: instantOrNull,
  exitCode: describe(exitCode, 'null if it did not exit'),
  reason: describe(textOrNull, 'a stable code: exit, signal, timeout, stall, ...'),
  error: describe(textOrNull, 'the last line of stderr'),
  cause: describe(
    textOrNull,
    'the id in `failures`, also of a task that was skipped after it failed; null if it did not fail',
  ),
  badInput: v.optional(
    describe(
      v.boolean(),
      'the task used up its attempts on at least two workers; only for an attempt that failed for good',
    ),
  ),
});

export type ListedTask = Value<typeof LISTED_TASK>;

export const KILL_ANSWER = v.object({
  job: jobId,
  state: jobState,
  task: describe(textOrNull, 'STEP/N; null with --step'),
  tasks: describe(TASK_SETS, 'all of them, by step'),
  count: describe(count, 'their number'),
  mode: describe(v.picklist(['requeue', 'fail']), 'retried, or failed'),
});

export type KillAnswer = Value<typeof KILL_ANSWER>;

/** One cause of `failures`: what failed for good with the same step, exit code, reason and last line of stderr. */
export const FAILURE_CAUSE = v.object({
  job: jobId,
  cause: describe(text, "the cause's id: six characters, the same in every job"),
  step: describe(text, "the step's name"),
  exitCode: describe(exitCode, 'of the last failed attempt; null if there was none'),
  reason: describe(text, 'kind of failure: exit, signal, timeout, memory, input, killed, ...'),
  error: describe(textOrNull, 'the last line of stderr; numbers, ids, paths, times folded'),
  count: describe(count, 'tasks that failed for good with this cause, without skipped ones'),
  tasks: describe(text, 'the tasks: 0-4,17'),
  skippedCount: describe(count, 'tasks that failed for this cause and were skipped by a person'),
  skipped: describe(text, 'tasks that failed for this cause and were skipped by a person'),
  first: describe(instantOrNull, 'time of the first failure'),
  last: describe(instantOrNull, 'time of the last failure'),
  workers: describe(count, 'on how many workers; counted up to 1,000'),
  badInput: describe(
    count,
    "tasks that used up their attempts on at least two workers, among the job's first 1,000 failures",
  ),
  example: describe(
    v.object({
      task: describe(count, 'its number in its step'),
      input: describe(textOrNull, 'the input, or the exploded file, that its chain began with; null behind a gather'),
      place: describe(PLACE, 'the place of its part in the input, as `place` of `tasks`'),
      params: describe(PARAMS, 'its parameters, as `params` of `tasks`'),
      worker: describe(textOrNull, 'the worker on which it failed'),
      attempt: describe(textOrNull, 'the last failed attempt; null if none ran'),
      error: describe(textOrNull, 'the last line of stderr, unchanged'),
      log: describe(textOrNull, 'the key of its log; null if it wrote nothing'),
      tail: describe(v.array(text), 'the last lines of the log, up to ten'),
    }),
    'one of these tasks',
  ),
  facets: describe(
    v.array(
      v.object({
        kind: v.picklist(FACET_KINDS),
        name: describe(textOrNull, 'of the parameter; null for other kinds'),
        value: text,
        count: describe(count, "how many of the cause's tasks have it"),
        of: describe(count, "the cause's tasks, with skipped ones"),
        others: describe(count, "how many of the step's other tasks that ended have it"),
        ofOthers: describe(count, "the step's other tasks that ended"),
        text: describe(text, 'the same as a sentence'),
      }),
    ),
    'what its tasks have in common that others lack, beyond chance (docs/failures.md); the least likely first, at most three',
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
  step: describe(text, "the step's name"),
  task: describe(count, "the task's number in its step"),
  attempt: describe(text, "the attempt's id"),
  input: describe(textOrNull, 'the input that its part belongs to; as in tasks'),
  place: describe(PLACE, 'the place of its part in the input, as `place` of `tasks`'),
  params: describe(PARAMS, 'its parameters, as `params` of `tasks`'),
  text: describe(text, "the attempt's stderr"),
});

export type AttemptLog = Value<typeof ATTEMPT_LOG>;

export const WHY_ANSWER = v.object({
  job: describe(textOrNull, "null if the store or the ledger can't be read"),
  state: describe(v.nullable(jobState), 'of the job'),
  causes: describe(
    v.array(
      v.object({
        code: describe(v.picklist(CAUSE_CODES), 'a stable code, below; codes are only added'),
        severity: describe(
          v.picklist(SEVERITIES),
          'until a person acts; tasks ended for good; slower than possible; continues by itself; for information',
        ),
        message: describe(text, 'one sentence with the facts, such as names, times and places'),
        evidence: describe(v.array(text), 'the observations that show it'),
        fix: describe(text, 'the fix: steps separated by `; `, each a command, then `, ` and its purpose'),
      }),
    ),
    'the most important first; none: nothing is wrong',
  ),
  running: describe(v.nullable(count), 'tasks known to the ledger'),
  waiting: describe(v.nullable(count), 'tasks known to the ledger'),
  rate: describe(numberOrNull, 'tasks a second'),
  eta: describe(numberOrNull, 'seconds'),
});

export type WhyAnswer = Value<typeof WHY_ANSWER>;
