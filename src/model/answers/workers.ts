import * as v from 'valibot';
import { count, instantOrNull, text, textOrNull, told, type Value } from './shapes.ts';

const ofInstance = told(textOrNull, 'null if the group has no instances');
const countOrNull = v.nullable(v.pipe(v.number(), v.integer()));

/** A line of `workers`: a worker, or an instance without one. */
export const LISTED_WORKER = v.object({
  worker: told(textOrNull, 'null: an instance without a worker, of which nothing else is known'),
  group: told(text, 'multiple groups are separated by commas'),
  host: told(text, 'on EC2 the id of the instance'),
  pid: countOrNull,
  version: textOrNull,
  state: told(
    v.picklist(['starting', 'idle', 'busy', 'draining', 'gone', 'lost', 'booting', 'noWorker', 'ending']),
    'lost: missed four heartbeats without saying that it was leaving, or its instance is gone; for an instance without a worker: booting, noWorker (overdue), ending',
  ),
  slots: countOrNull,
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

/** What `workers logs` answers. */
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
