import { BatchctlError } from '../errors.ts';
import { belongsToFallback, hasFallback } from '../jobs/interruptions.ts';
import { stepTotals } from '../jobs/listing.ts';
import { readOutput } from '../jobs/output.ts';
import { parseStored } from '../lib/json.ts';
import { isSizeKnown } from '../model/counts.ts';
import { isHeldBack, LOST_OUTPUT_REASON } from '../model/decide.ts';
import type { Failure, FailureRecord } from '../model/failure.ts';
import { stepIndex } from '../model/job.ts';
import { failedKey, isBegunKey, roundTriesPrefix } from '../model/keys.ts';
import { parseMessage, type TaskMessage } from '../model/message.ts';
import { changedStep } from '../model/overrides.ts';
import { isKilled, isSkipped, type JobView, overridesOf, roundOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Delivery } from '../ports/task-queue.ts';
import type { AdmittedTask } from './admitted-task.ts';
import type { JobCache } from './job-cache.ts';
import type { Outcome } from './outcome.ts';

/** An outcome known before anything ran, with as much of the task's name as could be read. */
export interface RefusedDelivery {
  readonly kind: 'refused';
  readonly delivery: Delivery;
  readonly outcome: Outcome;
  readonly admitted: Omit<AdmittedTask, 'kind' | 'number'> | null;
}

/**
 * Deliveries after this number leave a mark until they have an outcome. `DEADLY_MARKS` such marks mean a deadly task.
 */
export const MARK_AFTER_DELIVERIES = 20;
const DEADLY_MARKS = 5;
const KILLS_WORKERS: Failure = {
  reason: 'kills-workers',
  exitCode: null,
  error: `its attempts ended ${DEADLY_MARKS} times without an outcome: it seems to kill its workers`,
};
/** Seconds until a task that needs a newer version is redelivered, hopefully to a newer worker. */
const NEWER_DELAY = 60;
const NEWER_HINT = 'install the version of batchctl that submitted the job, or a newer one';
const LONGEST_DELAY = 900;
/** Seconds until a message of a job that isn't in this store is delivered again: after its first delivery, and at most. */
const [ELSEWHERE_DELAY, LONGEST_ELSEWHERE_DELAY] = [5, 3_600];

interface AdmissionPlace {
  readonly group: string;
  readonly now: number;
  /** Whether this worker ran a task lately; absent: it ran none. */
  readonly ranHere?: (message: TaskMessage) => boolean;
}

/**
 * Decides whether a delivery is run, from the message, the journal and the store, in that order. A job is only dropped
 * after a read of its journal that began after the delivery was received. `group` is the group of the queue: the step's
 * own, or its fallback.
 */
export async function admit(
  store: ObjectStore,
  jobs: JobCache,
  delivery: Delivery,
  { group, now, ranHere = () => false }: AdmissionPlace,
): Promise<AdmittedTask | RefusedDelivery> {
  const refuse = (outcome: Outcome, admitted: RefusedDelivery['admitted'] = null): RefusedDelivery => ({
    kind: 'refused',
    delivery,
    outcome,
    admitted,
  });
  const parsed = parseMessage(delivery.body);
  if (parsed.kind === 'bad') return refuse({ kind: 'poison', reason: parsed.reason });
  if (parsed.kind === 'newer') {
    const what = `a message of ${parsed.job ?? 'a job'} has format ${parsed.format}; this version reads up to 1`;
    return refuse(newerOutcome(new BatchctlError('newer', what, { hint: NEWER_HINT })));
  }
  const { message } = parsed;
  const found = await jobs.get(message.job);
  if (found === 'gone') return refuse({ kind: 'dropped', why: 'gone' });
  if (found === null) {
    const delay = elsewhereDelay(delivery.receiveCount);
    return refuse({ kind: 'declined', why: 'elsewhere', delay, job: message.job });
  }
  const stale =
    needsFreshView(found, message) || dropReason(found, stepIndex(found.record.spec, message.step), message) !== null;
  const view = stale ? await jobs.refresh(found) : found;
  const index = stepIndex(view.record.spec, message.step);
  const accepted = view.record.spec.steps[index];
  if (accepted === undefined) {
    return refuse({ kind: 'poison', reason: `job ${message.job} has no step ${message.step}` });
  }
  const total = stepTotals(view)[index] ?? 0;
  if (message.task >= total) return refuse({ kind: 'poison', reason: `step ${message.step} has ${total} tasks` });
  const overrides = overridesOf(view, index, message.task);
  const step = changedStep(accepted, overrides);
  const base = { delivery, message, view, overrides, step, index };
  const dropped = dropReason(view, index, message);
  if (dropped !== null) return refuse({ kind: 'dropped', why: dropped }, base);
  const { notBefore } = view;
  if (notBefore !== null && Date.parse(notBefore) > now) {
    return refuse(
      { kind: 'declined', why: 'early', delay: Math.min(LONGEST_DELAY, (Date.parse(notBefore) - now) / 1_000) },
      base,
    );
  }
  const again = mayBeRepeated(view, delivery);
  // Nothing can have decided a task at its first delivery, so that costs no requests. If this worker ran it, SQS delivers
  // the message twice. If another worker did, its command runs again, and the fence lets one output count (law 4).
  const mayBeDecided = again || message.again === true || ranHere(message);
  const decided = mayBeDecided ? await existingOutcome(store, message) : null;
  if (decided !== null) return refuse(decided, base);
  if (isKilled(view, index, message.task)) return refuse(KILLED, base);
  if (again && hasFallback(step) && group !== step.fallback && (await belongsToFallback(store, step, message))) {
    return refuse({ kind: 'handedOver', to: step.fallback }, base);
  }
  const { tries, begun } = again ? await readTries(store, message) : NEVER_TRIED;
  if (begun >= DEADLY_MARKS) return refuse({ kind: 'failed', failure: KILLS_WORKERS, attempts: tries.length }, base);
  const last = tries.at(-1);
  if (tries.length >= step.attempts && last !== undefined) {
    return refuse({ kind: 'failed', failure: last, attempts: tries.length }, base);
  }
  return { kind: 'admitted', ...base, number: tries.length + 1 };
}

/** A task that this version can't run: it is neither buried nor uses up an attempt (law 14). */
export const newerOutcome = (error: BatchctlError): Outcome => ({
  kind: 'declined',
  why: 'newer',
  delay: NEWER_DELAY,
  error,
});

/**
 * Another stack may use the same queue, and its workers should get its task soon. If there is no such stack, the message
 * comes back hourly until it expires: far fewer times than the queue's own limit of deliveries.
 */
function elsewhereDelay(receiveCount: number): number {
  return Math.min(LONGEST_ELSEWHERE_DELAY, ELSEWHERE_DELAY * 2 ** (receiveCount - 1));
}

function needsFreshView(view: JobView, message: TaskMessage): boolean {
  return (
    message.round > view.round ||
    view.paused !== null ||
    view.cancelled ||
    view.stopped !== null ||
    view.closed !== null ||
    !isSizeKnown(view, stepIndex(view.record.spec, message.step))
  );
}

function dropReason(
  view: JobView,
  index: number,
  message: TaskMessage,
): 'gone' | 'cancelled' | 'paused' | 'stopped' | 'stale' | 'skipped' | null {
  if (view.pruned !== null) return 'gone';
  if (view.cancelled) return 'cancelled';
  if (view.paused !== null) return 'paused';
  // Nothing that it would make could be proven.
  if (view.stopped !== null || view.closed?.reason === LOST_OUTPUT_REASON) return 'stopped';
  if (message.round !== roundOf(view, index, message.task)) return 'stale';
  // Given up by `stop`, and included again behind canaries: its old messages may still be in the queue.
  if (isHeldBack(view, index, message.task)) return 'stale';
  return isSkipped(view, index, message.task) ? 'skipped' : null;
}

const KILLED: Outcome = {
  kind: 'failed',
  failure: { reason: 'killed', exitCode: null, error: 'failed by kill' },
  attempts: 0,
};

async function existingOutcome(store: ObjectStore, message: TaskMessage): Promise<Outcome | null> {
  const { job, step, task, round } = message;
  const output = await readOutput(store, job, step, task);
  if (output !== null) return { kind: 'twin', meta: output.meta };
  const failed = await store.read(failedKey(job, step, task, round));
  if (failed !== null) {
    return { kind: 'failedBefore', record: parseStored<FailureRecord>(failedKey(job, step, task, round), failed) };
  }
  return null;
}

/**
 * Whether attempts of this round can have left objects; only then is the store asked. The message was delivered before,
 * or the journal says that it may be a second message of its task.
 */
function mayBeRepeated(view: JobView, delivery: Delivery): boolean {
  return delivery.receiveCount > 1 || view.next > 1;
}

interface Tries {
  readonly tries: readonly FailureRecord[];
  readonly begun: number;
}

const NEVER_TRIED: Tries = { tries: [], begun: 0 };

/** The failed attempts of this round, in order (law 8), and how many have begun without an outcome. */
export async function readTries(store: ObjectStore, message: TaskMessage): Promise<Tries> {
  const tries: FailureRecord[] = [];
  let begun = 0;
  for await (const { key } of store.list(roundTriesPrefix(message.job, message.step, message.task, message.round))) {
    if (isBegunKey(key)) {
      begun += 1;
      continue;
    }
    const bytes = await store.read(key);
    if (bytes !== null) tries.push(parseStored<FailureRecord>(key, bytes));
  }
  return { tries: tries.sort((a, b) => a.number - b.number), begun };
}
