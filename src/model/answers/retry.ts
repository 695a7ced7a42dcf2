import * as v from 'valibot';
import { count, jobState, text, told, type Value } from './shapes.ts';

/** Sets of tasks by step: `{"price": "0-4,17"}`. */
export const TASK_SETS = told(v.record(text, text), 'by step: 0-4,17');

/** Changes by a person: `from` and `to` are values in the job file's form. */
export const CHANGES = told(
  v.array(v.object({ field: text, from: v.unknown(), to: v.unknown() })),
  'what was, or would be, changed',
);

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
