import * as v from 'valibot';
import { count, describe, instant, instantOrNull, numberOrNull, text, textOrNull, type Value } from './shapes.ts';

const countOrNull = v.nullable(count);
const machines = describe(countOrNull, 'null where the group has no machines');

/** A group as `scale` answers it. */
export const LISTED_GROUP = v.object({
  group: text,
  desired: count,
  min: count,
  max: count,
  mode: v.picklist(['auto', 'manual']),
  running: describe(count, 'workers that are up, by their heartbeats'),
  until: describe(instantOrNull, 'when a temporary size ends'),
  inService: machines,
  pending: machines,
  terminating: machines,
  protected: machines,
  visible: describe(countOrNull, 'messages that wait; null when a size was set'),
  leased: countOrNull,
  delayed: countOrNull,
  drain: describe(numberOrNull, 'seconds until they are done by the workers that are up'),
  held: describe(
    v.nullable(
      v.object({
        failed: describe(count, 'boots in a row'),
        instance: describe(text, 'the last instance; workers logs takes it'),
        at: instant,
        line: describe(textOrNull, 'its last output line'),
      }),
    ),
    'boots that failed in a row, so that no instance is started automatically; scale lifts this',
  ),
  troubles: describe(
    v.array(
      v.object({
        code: v.picklist(['capacity', 'quota', 'price', 'key', 'image', 'permission', 'network', 'setup', 'other']),
        message: describe(text, 'in the words of the service'),
        at: instant,
      }),
    ),
    'why the last launches failed, newest first, each reason once',
  ),
});

export type ListedGroup = Value<typeof LISTED_GROUP>;

const instanceText = describe(textOrNull, 'null if the group has no instances');
const integerOrNull = v.nullable(v.pipe(v.number(), v.integer()));

/** A line of `workers`: a worker, or an instance without one. */
export const LISTED_WORKER = v.object({
  worker: describe(textOrNull, 'null: an instance without a worker, of which nothing else is known'),
  group: describe(text, 'multiple groups are separated by commas'),
  host: describe(text, 'on EC2 the id of the instance'),
  pid: integerOrNull,
  version: textOrNull,
  state: describe(
    v.picklist(['starting', 'idle', 'busy', 'draining', 'gone', 'lost', 'booting', 'noWorker', 'ending']),
    'lost: missed four heartbeats without saying that it was leaving, or its instance is gone; for an instance without a worker: booting, noWorker (overdue), ending',
  ),
  slots: integerOrNull,
  busy: describe(v.array(text), 'running tasks: JOB/STEP/N, at most 64'),
  done: count,
  failed: describe(count, 'tasks that failed for good here'),
  seen: instantOrNull,
  since: instantOrNull,
  instance: instanceText,
  type: instanceText,
  zone: instanceText,
  lifecycle: describe(textOrNull, 'the lifecycle state of its instance in the group: InService, Terminating:Wait'),
  protected: describe(v.nullable(v.boolean()), 'scaling in does not terminate its instance'),
  denied: describe(
    textOrNull,
    'the permission without which the idle worker could not end its instance, which is billed on; null: none lacked',
  ),
});

export type ListedWorker = Value<typeof LISTED_WORKER>;

export const WORKER_LOGS = v.object({
  worker: describe(text, "an instance's id, where no worker of it is known"),
  boot: describe(textOrNull, 'output of its start or crash'),
  log: describe(textOrNull, 'its last lines, as of its last heartbeat'),
});

export type WorkerLogs = Value<typeof WORKER_LOGS>;

/** The answer of `workers drain` and `workers stop`. */
export const WORKER_ORDER = v.object({
  worker: text,
  order: v.picklist(['drain', 'stop']),
  dryRun: describe(v.boolean(), 'true: the order would be sent'),
});

export type WorkerOrderAnswer = Value<typeof WORKER_ORDER>;

/** One group's queue, as `queue` lists it. */
export const LISTED_QUEUE = v.object({
  group: text,
  visible: describe(count, 'messages available to workers now, approximate'),
  leased: describe(count, 'leased by workers'),
  delayed: describe(count, 'not yet due'),
  dead: describe(count, 'dead letters'),
  oldest: describe(numberOrNull, 'age of the oldest waiting message, seconds'),
});

export type ListedQueue = Value<typeof LISTED_QUEUE>;

const TASKS = v.array(text);

export const REDRIVE_ANSWER = v.object({
  group: text,
  sent: describe(count, 'dead letters sent back to the queue'),
  jobs: describe(
    v.array(v.object({ job: textOrNull, letters: count })),
    'the jobs of these letters; null: letters that name no job',
  ),
  retried: describe(
    v.array(v.object({ job: text, round: v.nullable(count), tasks: TASKS })),
    'tasks that had failed for good and were retried',
  ),
  left: describe(
    v.array(v.object({ job: text, tasks: TASKS, why: text })),
    "tasks whose dead letters stay: they can't be retried, or their job is closed or has a deadline and was not named",
  ),
  dryRun: describe(v.boolean(), 'true: they would be sent back'),
});

export type RedriveAnswer = Value<typeof REDRIVE_ANSWER>;

export const PURGE_ANSWER = v.object({
  group: text,
  job: textOrNull,
  purged: describe(v.nullable(count), 'deleted messages; null if unknown'),
  dryRun: describe(v.boolean(), 'true: nothing was deleted'),
});

export type PurgeAnswer = Value<typeof PURGE_ANSWER>;
