import * as v from 'valibot';
import { count, describe, jobState, text, textOrNull, type Value } from './shapes.ts';

/** Sets of tasks by step: `{"price": "0-4,17"}`. */
export const TASK_SETS = describe(v.record(text, text), 'by step: 0-4,17');

/** Changes by a person: `from` and `to` are values in the job file's form. */
export const CHANGES = describe(
  v.array(v.object({ field: text, from: v.unknown(), to: v.unknown() })),
  'what was, or would be, changed',
);

export const EMPTY_INPUTS = describe(v.array(text), 'names of inputs without any parts: empty, or with a header only');

export const SUBMIT_ANSWER = v.object({
  job: text,
  runKey: textOrNull,
  created: v.boolean(),
  emptyInputs: EMPTY_INPUTS,
});

export type SubmitAnswer = Value<typeof SUBMIT_ANSWER>;

/** The answer of `pause` and `cancel`. */
export const STATE_CHANGE_ANSWER = v.object({ job: text, state: jobState, changed: v.boolean() });

export const RESUME_ANSWER = v.object({
  ...STATE_CHANGE_ANSWER.entries,
  changes: CHANGES,
  sent: describe(count, 'messages'),
});

export type StateChangeAnswer = Value<typeof STATE_CHANGE_ANSWER>;
export type ResumeAnswer = Value<typeof RESUME_ANSWER>;

export const ADJUST_ANSWER = v.object({ ...STATE_CHANGE_ANSWER.entries, changes: CHANGES });

export type AdjustAnswer = Value<typeof ADJUST_ANSWER>;

/** The answer of `retry`. */
export const RETRY_ANSWER = v.object({
  job: text,
  state: jobState,
  round: describe(v.nullable(count), 'null if nothing was retried'),
  tasks: TASK_SETS,
  canaries: v.nullable(TASK_SETS),
  leftOut: describe(v.record(text, text), 'failed tasks not retried, as a gather has opened without them'),
  count,
  changes: CHANGES,
  sent: describe(count, 'messages'),
});

export type RetryAnswer = Value<typeof RETRY_ANSWER>;

export const SKIP_ANSWER = v.object({
  job: text,
  state: jobState,
  changed: v.boolean(),
  undo: v.boolean(),
  tasks: TASK_SETS,
  count,
  already: describe(count, 'tasks that were already in that state'),
  reason: textOrNull,
  sent: describe(count, 'messages'),
});

export type SkipAnswer = Value<typeof SKIP_ANSWER>;
