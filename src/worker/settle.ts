import { pauseForAccess } from '../jobs/denied-job.ts';
import { belongsToFallback, hasFallback, putInterruption } from '../jobs/interruptions.ts';
import { guardDeployment, guardFailures } from '../jobs/watch/guards.ts';
import type { Failure, FailureRecord } from '../model/failure.ts';
import { DENIED_REASON, SECRET_REASON } from '../model/journal.ts';
import { type AttemptEvent, type AttemptOutcome, UNKNOWN_FACTS } from '../model/ledger/records.ts';
import { encodeMessage, type TaskMessage } from '../model/message.ts';
import type { OutputMeta } from '../model/output.ts';
import { roundOf } from '../model/view.ts';
import type { Delivery } from '../ports/task-queue.ts';
import { MARK_AFTER_DELIVERIES } from './admit.ts';
import type { AdmittedTask } from './admitted-task.ts';
import { type AttemptResult, begunMark } from './attempt.ts';
import type { WorkerContext } from './context.ts';
import type { Outcome } from './outcome.ts';
import type { QueueClient } from './queue-clients.ts';

/** Seconds until a task with an unreadable secret is redelivered: its job is paused by then. */
const SECRET_DELAY = 5;

/** A delivery with what was read of its task; `attempt` is null if nothing ran. */
export interface SettleItem {
  readonly queue: QueueClient;
  readonly delivery: Delivery;
  readonly task: Omit<AdmittedTask, 'kind' | 'number'> | null;
  readonly number: number;
  readonly slot: number;
  readonly attempt: string | null;
  readonly result: Omit<AttemptResult, 'outcome'> | null;
  readonly outcome: Outcome;
}

export type SendTo = (group: string, body: string, tenant: string) => Promise<void>;

/**
 * Ends a delivery; only this module settles messages. One clause per outcome, each in the order of law 3: the ledger
 * (later, if it is unavailable), then the chain, then the queue. The output or the failure is already in the store.
 */
export async function settle(ctx: WorkerContext, item: SettleItem, send: SendTo): Promise<void> {
  if (item.task !== null && item.attempt !== null && item.delivery.receiveCount > MARK_AFTER_DELIVERIES) {
    await ctx.platform.store.delete([begunMark(item.task, item.attempt)]);
  }
  const { queue, delivery, outcome, task } = item;
  switch (outcome.kind) {
    case 'published':
    case 'twin':
      await ctx.record(doneEvent(item, outcome.meta));
      if (lostToTwin(item, outcome.meta)) {
        // Its start may be in the ledger: without an end it would seem to run forever.
        await ctx.record(eventOf(ctx, item, 'interrupted', { reason: 'twin', exitCode: null, error: null }));
      }
      ctx.passed('record');
      await sendNextTask(ctx, item, send);
      ctx.passed('chain');
      if (task !== null) ctx.streaks.recordSuccess(streakOf(task));
      await queue.ack(delivery.receipt);
      ctx.passed('ack');
      return;
    case 'retry':
      await ctx.record(eventOf(ctx, item, 'failedAttempt', outcome.failure));
      await queue.release(delivery.receipt, outcome.delay);
      ctx.passed('release');
      await guardStep(ctx, task);
      return;
    case 'failed':
      await ctx.record(eventOf(ctx, item, 'failed', outcome.failure));
      await guardJob(ctx, task);
      await queue.bury(delivery, outcome.failure.error ?? outcome.failure.reason);
      ctx.passed('bury');
      if (outcome.failure.reason !== 'killed') await guardStep(ctx, task);
      return;
    case 'failedBefore':
      // The worker that wrote `failed/` may have died before the rest (law 3).
      await ctx.record(failedEvent(ctx, item, outcome.record));
      await guardJob(ctx, task);
      await queue.bury(delivery, 'failed for good before');
      return;
    case 'interrupted': {
      const fallback = await noteInterruption(ctx, item);
      const reason = fallback === null ? outcome.why : 'fallback';
      const error = fallback === null ? null : `EC2 interrupted it too often: group ${fallback} takes it over`;
      await ctx.record(eventOf(ctx, item, 'interrupted', { reason, exitCode: null, error }));
      if (fallback !== null && task !== null) return handOver(ctx, item, task, fallback, send);
      await queue.release(delivery.receipt, outcome.delay);
      ctx.passed('release');
      return;
    }
    case 'handedOver':
      if (task !== null) await handOver(ctx, item, task, outcome.to, send);
      return;
    case 'secretRefused':
    case 'denied': {
      // Uses up no attempt: if one worker lacks the permission, probably all do.
      const reason = outcome.kind === 'secretRefused' ? SECRET_REASON : DENIED_REASON;
      await ctx.record(eventOf(ctx, item, 'interrupted', { reason, exitCode: null, error: outcome.error }));
      if (task !== null) {
        const pause = () => pauseForAccess(ctx.platform, task.view, reason, outcome.error);
        await ctx.retrier.run(async () => ctx.jobs.refresh(await pause()));
      }
      await queue.release(delivery.receipt, SECRET_DELAY);
      return;
    }
    case 'leaseLost':
      if (task !== null)
        await ctx.record(eventOf(ctx, item, 'interrupted', { reason: 'lease', exitCode: null, error: null }));
      return;
    case 'dropped':
      if (item.attempt !== null) {
        await ctx.record(eventOf(ctx, item, 'interrupted', { reason: outcome.why, exitCode: null, error: null }));
      }
      await queue.ack(delivery.receipt);
      return;
    case 'poison':
      ctx.log.warn(`moved a message to the dead-letter queue: ${outcome.reason}`);
      await queue.bury(delivery, outcome.reason);
      return;
    case 'declined':
      await queue.release(delivery.receipt, outcome.delay);
      return;
    default:
      return outcome satisfies never;
  }
}

/** A person who resumes the job has fixed something: failures count anew. */
const streakOf = ({ message: { job, step }, view }: Pick<AdmittedTask, 'message' | 'view'>): string =>
  `${job}/${step}/${view.resumedAt ?? ''}`;

/** Stops or pauses the job after too many failures. This worker obeys at once, not when it next reads the journal. */
async function guardJob({ retrier, platform, jobs }: WorkerContext, task: SettleItem['task']): Promise<void> {
  if (task === null) return;
  await retrier.run(async () => {
    const after = await guardFailures(platform, task.view);
    if (after.next !== task.view.next) await jobs.refresh(after);
  });
}

/** Consecutive failures may mean a faulty program: then the job pauses, and none of its tasks start here. */
async function guardStep({ retrier, platform, streaks, jobs }: WorkerContext, task: SettleItem['task']): Promise<void> {
  const began = platform.clock.monotonic();
  if (task === null || !streaks.recordFailure(streakOf(task), began)) return;
  const { view, index, message } = task;
  const after = await retrier.run(() => guardDeployment(platform, view, { index, round: message.round }));
  streaks.recordLook(began, platform.clock.monotonic());
  if (after.paused !== null) await jobs.refresh(after);
}

/** True if an attempt ran to its end here, but another one's output existed by then. */
function lostToTwin({ attempt, result }: SettleItem, meta: OutputMeta): boolean {
  return result !== null && attempt !== null && attempt !== meta.attempt;
}

/**
 * A published output of a map step becomes the next map step's task at once; a watcher opens a gather. The message
 * has the job's current round: an attempt that ends late was admitted by an older journal, and a message of that round
 * would be dropped, for a closed job permanently.
 */
async function sendNextTask(ctx: WorkerContext, { task, outcome }: SettleItem, send: SendTo): Promise<void> {
  if (task === null) return;
  const { view, index, step, message } = task;
  const next = view.record.spec.steps[index + 1];
  if (next === undefined || next.gather || step.explode) return;
  const known = await ctx.retrier.run(() => ctx.jobs.get(message.job));
  const now = known === null || known === 'gone' ? view : known;
  const round = roundOf(now, index + 1, message.task);
  // The worker that published a twin may have sent this message before it died.
  const again = outcome.kind === 'twin' && { again: true as const };
  const body = encodeMessage({ job: message.job, step: next.name, task: message.task, round, ...again });
  await send(next.group, body, message.job);
}

/** The start of an attempt, for the ledger: written along with the next event. */
export function startEvent(
  ctx: WorkerContext,
  item: Omit<SettleItem, 'outcome' | 'result'>,
  startedAt: number,
): AttemptEvent {
  return { ...baseEvent(ctx, item), outcome: 'running', startedAt, endedAt: null };
}

function eventOf(ctx: WorkerContext, item: SettleItem, outcome: AttemptOutcome, failure: Failure): AttemptEvent {
  const { result } = item;
  const now = ctx.platform.clock.now();
  return {
    ...baseEvent(ctx, item),
    outcome,
    waitSeconds: waitSecondsOf(item),
    startedAt: result?.startedAt ?? now,
    endedAt: result?.endedAt ?? now,
    exitCode: failure.exitCode,
    reason: failure.reason,
    error: failure.error,
    cpuSeconds: result?.end?.cpuSeconds ?? null,
    peakMemory: result?.end?.peakMemory ?? null,
    bytesIn: result?.bytesIn ?? null,
  };
}

/** The content of a `failed/` object, the same from any recorder (law 12). */
function failedEvent(ctx: WorkerContext, item: SettleItem, record: FailureRecord): AttemptEvent {
  return {
    ...eventOf(ctx, item, 'failed', record),
    attempt: record.attempt,
    number: record.number,
    worker: record.worker,
    startedAt: Date.parse(record.startedAt),
    endedAt: Date.parse(record.endedAt),
  };
}

/** The facts of the published object, the same from any recorder (law 12). One literal, because each task runs this. */
function doneEvent(item: SettleItem, meta: OutputMeta): AttemptEvent {
  const { job, step, task } = item.task?.message ?? NO_TASK;
  return {
    job,
    step,
    task,
    round: meta.round,
    attempt: meta.attempt,
    number: meta.number,
    worker: meta.worker,
    slot: item.slot,
    outcome: 'done',
    waitSeconds: waitSecondsOf(item),
    startedAt: Date.parse(meta.startedAt),
    endedAt: Date.parse(meta.endedAt),
    exitCode: 0,
    reason: null,
    error: null,
    cpuSeconds: meta.cpuSeconds,
    peakMemory: meta.peakMemory,
    bytesIn: meta.bytesIn,
    bytesOut: meta.bytesOut,
    counters: meta.counters,
  };
}

const NO_TASK: TaskMessage = { job: '', step: '', task: 0, round: 0 };

function baseEvent(
  ctx: WorkerContext,
  item: Omit<SettleItem, 'outcome' | 'result'>,
): Omit<AttemptEvent, 'outcome' | 'startedAt' | 'endedAt'> {
  const message = item.task?.message ?? NO_TASK;
  return {
    job: message.job,
    step: message.step,
    task: message.task,
    round: message.round,
    attempt: item.attempt ?? 'none',
    number: item.number,
    worker: ctx.worker,
    slot: item.slot,
    ...UNKNOWN_FACTS,
  };
}

/**
 * Seconds from sending (or from when the job was due) to the start of a first attempt: later ones were delayed on
 * purpose. Null if none ran here.
 */
function waitSecondsOf({ number, delivery, result, task }: SettleItem): number | null {
  if (number !== 1 || result === null) return null;
  const notBefore = task?.view.notBefore ?? null;
  const due = Math.max(delivery.sentAt, notBefore === null ? 0 : Date.parse(notBefore));
  return Math.max(0, result.startedAt - due) / 1_000;
}

/**
 * Records that EC2 interrupted an attempt, if its step has a fallback group, and returns that group once the task must
 * go there; otherwise null. Written to the store first, so that after a crash the next delivery is handed over without
 * running. A task interrupted in the fallback group stays there.
 */
async function noteInterruption(ctx: WorkerContext, item: SettleItem): Promise<string | null> {
  const { task, attempt, result, queue, outcome } = item;
  if (outcome.kind !== 'interrupted' || outcome.why !== 'spot' || task === null || attempt === null) return null;
  const { step, message } = task;
  if (!hasFallback(step) || queue.queue.group === step.fallback) return null;
  const { store, clock } = ctx.platform;
  const iso = (ms: number): string => new Date(ms).toISOString();
  await putInterruption(store, message, attempt, {
    format: 1,
    number: item.number,
    worker: ctx.worker,
    startedAt: iso(result?.startedAt ?? clock.now()),
    endedAt: iso(result?.endedAt ?? clock.now()),
  });
  return (await belongsToFallback(store, step, message)) ? step.fallback : null;
}

/**
 * Sends a task to the group that takes it over, then acks it here: a crash in between leaves two messages, never none
 * (docs/adr/0018-fallback.md).
 */
async function handOver(
  ctx: WorkerContext,
  { queue, delivery }: Pick<SettleItem, 'queue' | 'delivery'>,
  { message }: Pick<AdmittedTask, 'message'>,
  group: string,
  send: SendTo,
): Promise<void> {
  await send(group, encodeMessage({ ...message, again: true }), message.job);
  ctx.passed('handover');
  await queue.ack(delivery.receipt);
  ctx.passed('ack');
}
