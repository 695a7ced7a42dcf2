import * as v from 'valibot';
import { count, jobState, text, textOrNull, told, type Value } from './shapes.ts';

/** Sets of tasks by step: `{"price": "0-4,17"}`. */
export const TASK_SETS = told(v.record(text, text), 'by step: 0-4,17');

/** Changes by a person: `from` and `to` are values in the job file's form. */
export const CHANGES = told(
  v.array(v.object({ field: text, from: v.unknown(), to: v.unknown() })),
  'what was, or would be, changed',
);

export const EMPTY_INPUTS = told(v.array(text), 'names of inputs without any parts: empty, or with a header only');

export const SUBMITTED = v.object({ job: text, runKey: textOrNull, created: v.boolean(), emptyInputs: EMPTY_INPUTS });

export type SubmittedAnswer = Value<typeof SUBMITTED>;

/** What `pause` and `cancel` answer. */
export const JOB_CHANGED = v.object({ job: text, state: jobState, changed: v.boolean() });

export const RESUMED = v.object({ ...JOB_CHANGED.entries, changes: CHANGES, sent: told(count, 'messages') });

export type JobChangedAnswer = Value<typeof JOB_CHANGED>;
export type ResumedAnswer = Value<typeof RESUMED>;

export const ADJUSTED = v.object({ ...JOB_CHANGED.entries, changes: CHANGES });

export type AdjustedAnswer = Value<typeof ADJUSTED>;

/** The answer of `retry`. */
export const RETRIED = v.object({
  job: text,
  state: jobState,
  round: told(v.nullable(count), 'null if nothing was retried'),
  tasks: TASK_SETS,
  canaries: v.nullable(TASK_SETS),
  leftOut: told(v.record(text, text), 'failed tasks not retried, as a gather has opened without them'),
  count,
  changes: CHANGES,
  sent: told(count, 'messages'),
});

export type RetriedAnswer = Value<typeof RETRIED>;

export const SKIPPED = v.object({
  job: text,
  state: jobState,
  changed: v.boolean(),
  undo: v.boolean(),
  tasks: TASK_SETS,
  count,
  already: told(count, 'tasks that were already in that state'),
  reason: textOrNull,
  sent: told(count, 'messages'),
});

export type SkippedAnswer = Value<typeof SKIPPED>;
