import * as v from 'valibot';
import { count, numberOrNull, text, textOrNull, told, type Value } from './shapes.ts';

/** One group's queue, as `queue` lists it. */
export const LISTED_QUEUE = v.object({
  group: text,
  visible: told(count, 'messages available to workers now, approximate'),
  leased: told(count, 'leased by workers'),
  delayed: told(count, 'not yet due'),
  dead: told(count, 'dead letters'),
  oldest: told(numberOrNull, 'age of the oldest waiting message, seconds'),
});

export type ListedQueue = Value<typeof LISTED_QUEUE>;

const TASKS = v.array(text);

/** What `queue redrive` did in one group. */
export const REDRIVEN = v.object({
  group: text,
  sent: told(count, 'dead letters sent back to the queue'),
  retried: told(
    v.array(v.object({ job: text, round: v.nullable(count), tasks: TASKS })),
    'tasks that had failed for good and were retried',
  ),
  left: told(
    v.array(v.object({ job: text, tasks: TASKS, why: text })),
    "tasks that failed for good and can't be retried; their dead letters stay",
  ),
  dryRun: told(v.boolean(), 'true: they would be sent back'),
});

export type Redriven = Value<typeof REDRIVEN>;

/** What `queue purge` answers. */
export const PURGED = v.object({
  group: text,
  job: textOrNull,
  purged: told(v.nullable(count), 'deleted messages; null if unknown'),
  dryRun: told(v.boolean(), 'true: nothing was deleted'),
});

export type PurgedAnswer = Value<typeof PURGED>;
