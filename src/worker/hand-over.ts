import { belongsToFallback, hasFallback, putInterruption } from '../jobs/interruptions.ts';
import { encodeMessage } from '../model/message.ts';
import type { Admitted } from './admit.ts';
import type { WorkerContext } from './context.ts';
import type { SendTo, Settling } from './settle.ts';

/**
 * Records that EC2 interrupted an attempt, if its step has a fallback group, and returns that group once the task must
 * go there; otherwise null. Written to the store first, so that after a crash the next delivery is handed over without
 * running. A task interrupted in the fallback group stays there.
 */
export async function noteInterruption(ctx: WorkerContext, item: Settling): Promise<string | null> {
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
export async function handOver(
  ctx: WorkerContext,
  { queue, delivery }: Pick<Settling, 'queue' | 'delivery'>,
  { message }: Pick<Admitted, 'message'>,
  group: string,
  send: SendTo,
): Promise<void> {
  await send(group, encodeMessage(message), message.job);
  ctx.passed('handover');
  await queue.ack(delivery.receipt);
  ctx.passed('ack');
}
