import * as v from 'valibot';
import { count, instantOrNull, text, textOrNull, told, type Value } from './shapes.ts';

/** Null for what did not run to its end. */
export const exitCode = v.nullable(v.pipe(v.number(), v.integer()));

/** One cause of `failures`: what failed for good with the same step, exit code, reason and last line of stderr. */
export const FAILURE_CAUSE = v.object({
  job: text,
  cause: told(text, 'id of the cause, the same in every job'),
  step: text,
  exitCode,
  reason: text,
  error: told(textOrNull, 'the last line of stderr, without numbers, ids, paths and times'),
  count: told(count, 'tasks that failed for this cause, without skipped ones'),
  tasks: told(text, 'the tasks: 0-4,17'),
  skippedCount: count,
  skipped: told(text, 'tasks that failed for this cause and were skipped by a person'),
  first: told(instantOrNull, 'when the first of them failed'),
  last: instantOrNull,
  workers: told(count, 'number of workers, counted up to 1,000'),
  badInput: told(
    count,
    "tasks that used up their attempts on at least two workers, among the job's first 1,000 failures",
  ),
  example: v.object({
    task: count,
    input: told(textOrNull, 'the input, or the exploded file, that its chain began with; null behind a gather'),
    worker: textOrNull,
    attempt: told(textOrNull, 'null if nothing ran'),
    error: told(textOrNull, 'the last line of stderr, unchanged'),
    log: told(textOrNull, 'key of the log; null if nothing was written'),
    tail: told(v.array(text), 'the last lines of the log, up to ten'),
  }),
});

export type FailureCause = Value<typeof FAILURE_CAUSE>;
export type CauseExample = FailureCause['example'];
