import * as v from 'valibot';
import { exitCode } from './failures.ts';
import { TASK_SETS } from './retry.ts';
import { count, instantOrNull, jobState, numberOrNull, text, textOrNull, told, type Value } from './shapes.ts';

/** One task of `tasks`, or one attempt of the task that was asked for. */
export const LISTED_TASK = v.object({
  step: text,
  task: count,
  state: told(text, 'waiting, running, done, failed, skipped; for an attempt, its outcome'),
  round: count,
  attempts: v.optional(told(count, 'number of recorded attempts; only for a task')),
  attempt: v.optional(told(text, 'id of the attempt; only with --task, like the fields below')),
  number: v.optional(count),
  cpuSeconds: v.optional(numberOrNull),
  peakMemory: v.optional(told(numberOrNull, 'bytes')),
  waitSeconds: v.optional(told(numberOrNull, 'between sending, or becoming due, and starting; null if unknown')),
  worker: textOrNull,
  startedAt: instantOrNull,
  endedAt: instantOrNull,
  exitCode,
  reason: textOrNull,
  error: told(textOrNull, 'the last line of stderr'),
  cause: told(textOrNull, 'the id used by failures; null for a success'),
  badInput: v.optional(
    told(
      v.boolean(),
      'the task used up its attempts on at least two workers; only for an attempt that failed for good',
    ),
  ),
});

export type ListedTask = Value<typeof LISTED_TASK>;

/** What `kill` answers. */
export const KILLED_TASK = v.object({
  job: text,
  state: jobState,
  task: told(textOrNull, 'the named task; null with --step'),
  tasks: TASK_SETS,
  count,
  mode: v.picklist(['requeue', 'fail']),
});

export type KilledTasks = Value<typeof KILLED_TASK>;
