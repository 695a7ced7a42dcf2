import * as v from 'valibot';
import { TASK_SETS } from './retry.ts';
import { count, jobState, text, textOrNull, told, type Value } from './shapes.ts';

/** What `skip` answers. */
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
