import * as v from 'valibot';
import {
  count,
  describe,
  instant,
  instantOrNull,
  numberOrNull,
  text,
  textOrNull,
  type Value,
  workerGroup,
} from './shapes.ts';

const countOrNull = v.nullable(count);
const machines = describe(countOrNull, 'null where the group has no machines');

/** A group as `scale` answers it. */
export const LISTED_GROUP = v.object({
  group: workerGroup,
  desired: describe(count, 'workers wanted'),
  min: count,
  max: count,
  mode: describe(v.picklist(['auto', 'manual']), 'manual: only a person changes it'),
  running: describe(count, 'running workers, by their heartbeats'),
  until: describe(instantOrNull, 'end of a temporary size'),
  inService: describe(
    machines,
    'instances in service; null if the group has no machines; null where the group has no machines',
  ),
  pending: describe(machines, 'starting instances; null where the group has no machines'),
  terminating: describe(machines, 'instances that terminate after draining; null where the group has no machines'),
  protected: describe(
    machines,
    'instances in service that are protected from scale-in; null where the group has no machines',
  ),
  visible: describe(countOrNull, 'waiting messages; null if a size was set, or if the queue cannot be read'),
  leased: describe(countOrNull, 'messages held by workers'),
  delayed: describe(countOrNull, 'messages not due yet'),
  drain: describe(numberOrNull, 'seconds until the present workers have done them; null if unknown'),
  held: describe(
    v.nullable(
      v.object({
        failed: describe(count, 'number of failures in a row'),
        instance: describe(text, 'the last one, for `workers logs`'),
        at: describe(instant, 'time of the failure'),
        line: describe(textOrNull, 'its last line of output'),
      }),
    ),
    'its instances could not be set up, so none starts automatically; `scale N` tries again',
  ),
  troubles: describe(
    v.array(
      v.object({
        code: describe(
          v.picklist(['capacity', 'quota', 'price', 'key', 'image', 'permission', 'network', 'setup', 'other']),
          'the cause; `why` gives the fix',
        ),
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
  worker: describe(textOrNull, "the worker's id; null: an instance without a worker"),
  group: describe(text, 'multiple groups are separated by commas'),
  host: describe(text, 'on EC2 the id of the instance'),
  pid: integerOrNull,
  version: describe(textOrNull, 'of batchctl'),
  state: describe(
    v.picklist(['starting', 'idle', 'busy', 'draining', 'gone', 'lost', 'booting', 'noWorker', 'ending']),
    'lost: four heartbeats are missing and it did not leave, or its instance is gone; the last three are for an instance without a worker: one that should have a worker by now, or is terminating',
  ),
  slots: integerOrNull,
  busy: describe(v.array(text), 'running tasks: JOB/STEP/N, at most 64'),
  done: describe(count, 'tasks it published'),
  failed: describe(count, 'tasks that failed for good here'),
  seen: describe(instantOrNull, 'its last heartbeat'),
  since: describe(instantOrNull, 'time of its start; for an instance without a worker, of its launch'),
  instance: describe(instanceText, 'its instance; null if the group has none'),
  type: describe(instanceText, 'of the instance; null if the group has no instances'),
  zone: describe(instanceText, 'of the instance; null if the group has no instances'),
  lifecycle: describe(textOrNull, 'the lifecycle state of its instance in the group: InService, Terminating:Wait'),
  protected: describe(v.nullable(v.boolean()), 'scaling in does not terminate its instance'),
  denied: describe(
    textOrNull,
    'the permission without which the idle worker could not end its instance, which is billed on; null: none lacked',
  ),
});

export type ListedWorker = Value<typeof LISTED_WORKER>;

export const WORKER_LOGS = v.object({
  worker: describe(text, "the worker's id; an instance's id, where no worker of it is known"),
  boot: describe(textOrNull, 'output of its start or crash'),
  log: describe(textOrNull, 'its last lines, at its last heartbeat'),
});

export type WorkerLogs = Value<typeof WORKER_LOGS>;

/** The answer of `workers drain` and `workers stop`. */
export const WORKER_ORDER = v.object({
  worker: describe(text, "the worker's id"),
  order: describe(v.picklist(['drain', 'stop']), 'its current order'),
  dryRun: describe(v.boolean(), 'true: the order would be sent'),
});

export type WorkerOrderAnswer = Value<typeof WORKER_ORDER>;

/** One group's queue, as `queue` lists it. */
export const LISTED_QUEUE = v.object({
  group: workerGroup,
  visible: describe(count, 'messages available to workers now, approximate'),
  leased: describe(count, 'held by workers'),
  delayed: describe(count, 'not yet due'),
  dead: describe(count, 'dead letters'),
  oldest: describe(numberOrNull, 'age of the oldest waiting message, seconds'),
});

export type ListedQueue = Value<typeof LISTED_QUEUE>;

const TASKS = v.array(text);

export const REDRIVE_ANSWER = v.object({
  group: workerGroup,
  sent: describe(count, 'dead letters sent back to the queue'),
  jobs: describe(
    v.array(v.object({ job: textOrNull, letters: count })),
    'the jobs of these letters; null: letters that name no job',
  ),
  retried: describe(
    v.array(
      v.object({ job: text, round: describe(v.nullable(count), 'the new round'), tasks: describe(TASKS, 'STEP/N') }),
    ),
    'tasks that had failed for good and were retried',
  ),
  left: describe(
    v.array(
      v.object({
        job: text,
        tasks: describe(TASKS, 'STEP/N'),
        why: text,
        ifNamed: describe(v.boolean(), 'true: they are sent back if the job is named'),
      }),
    ),
    "tasks whose dead letters stay: they can't be retried, or their job is closed or has a deadline and was not named",
  ),
  dryRun: describe(v.boolean(), 'true: they would be sent back'),
});

export type RedriveAnswer = Value<typeof REDRIVE_ANSWER>;

export const PURGE_ANSWER = v.object({
  group: workerGroup,
  job: describe(textOrNull, 'null: all jobs'),
  purged: describe(v.nullable(count), 'deleted messages; null if unknown'),
  dryRun: describe(v.boolean(), 'true: nothing was deleted'),
});

export type PurgeAnswer = Value<typeof PURGE_ANSWER>;
