import * as v from 'valibot';
import { count, instant, instantOrNull, numberOrNull, text, textOrNull, told, type Value } from './shapes.ts';

const countOrNull = v.nullable(count);
const machines = told(countOrNull, 'null where the group has no machines');

/** A group as `scale` answers it. */
export const LISTED_GROUP = v.object({
  group: text,
  desired: count,
  min: count,
  max: count,
  mode: v.picklist(['auto', 'manual']),
  running: told(count, 'workers that are up, by their heartbeats'),
  until: told(instantOrNull, 'when a temporary size ends'),
  inService: machines,
  pending: machines,
  terminating: machines,
  protected: machines,
  visible: told(countOrNull, 'messages that wait; null when a size was set'),
  leased: countOrNull,
  delayed: countOrNull,
  drain: told(numberOrNull, 'seconds until they are done by the workers that are up'),
  held: told(
    v.nullable(
      v.object({
        failed: told(count, 'boots in a row'),
        instance: told(text, 'the last: workers logs takes it'),
        at: instant,
        line: told(textOrNull, 'the last that it wrote'),
      }),
    ),
    'boots that failed in a row, so that no instance is started automatically; scale lifts this',
  ),
  troubles: told(
    v.array(
      v.object({
        code: v.picklist(['capacity', 'quota', 'price', 'key', 'image', 'permission', 'network', 'setup', 'other']),
        message: told(text, 'in the words of the service'),
        at: instant,
      }),
    ),
    'why the last launches failed, newest first, each reason once',
  ),
});

export type ListedGroup = Value<typeof LISTED_GROUP>;

const ofInstance = told(textOrNull, 'null if the group has no instances');
const integerOrNull = v.nullable(v.pipe(v.number(), v.integer()));

/** A line of `workers`: a worker, or an instance without one. */
export const LISTED_WORKER = v.object({
  worker: told(textOrNull, 'null: an instance without a worker, of which nothing else is known'),
  group: told(text, 'multiple groups are separated by commas'),
  host: told(text, 'on EC2 the id of the instance'),
  pid: integerOrNull,
  version: textOrNull,
  state: told(
    v.picklist(['starting', 'idle', 'busy', 'draining', 'gone', 'lost', 'booting', 'noWorker', 'ending']),
    'lost: missed four heartbeats without saying that it was leaving, or its instance is gone; for an instance without a worker: booting, noWorker (overdue), ending',
  ),
  slots: integerOrNull,
  busy: told(v.array(text), 'running tasks: JOB/STEP/N, at most 64'),
  done: count,
  failed: told(count, 'tasks that failed for good here'),
  seen: instantOrNull,
  since: instantOrNull,
  instance: ofInstance,
  type: ofInstance,
  zone: ofInstance,
  lifecycle: told(textOrNull, 'the lifecycle state of its instance in the group: InService, Terminating:Wait'),
  protected: told(v.nullable(v.boolean()), 'scaling in does not terminate its instance'),
});

export type ListedWorker = Value<typeof LISTED_WORKER>;

export const WORKER_LOGS = v.object({
  worker: told(text, "an instance's id, where no worker of it is known"),
  boot: told(textOrNull, 'output of its start or crash'),
  log: told(textOrNull, 'its last lines, as of its last heartbeat'),
});

export type WorkerLogs = Value<typeof WORKER_LOGS>;

/** What `workers drain` and `workers stop` answer. */
export const WORKER_ORDER = v.object({
  worker: text,
  order: v.picklist(['drain', 'stop']),
  dryRun: told(v.boolean(), 'true: the order would be sent'),
});

export type WorkerOrderAnswer = Value<typeof WORKER_ORDER>;

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

export const PURGED = v.object({
  group: text,
  job: textOrNull,
  purged: told(v.nullable(count), 'deleted messages; null if unknown'),
  dryRun: told(v.boolean(), 'true: nothing was deleted'),
});

export type PurgedAnswer = Value<typeof PURGED>;
