import { ChangeMessageVisibilityBatchCommand, DeleteMessageBatchCommand } from '@aws-sdk/client-sqs';
import type { Receipt } from '../../ports/task-queue.ts';
import type { SqsQueueRef } from './sqs-requests.ts';
import { type BatchCall, callInBatches, type RefusedItem, requireLeaseLost } from './sqs-requests.ts';

/** Extends leases to `leaseSeconds` from now. A lease that would exceed 12 hours in all is `lost`. */
export async function extendLeases(
  place: SqsQueueRef,
  receipts: readonly Receipt[],
  leaseSeconds: number,
): Promise<readonly ('extended' | 'lost')[]> {
  const whole = Math.ceil(leaseSeconds);
  const changes = receipts
    .map((receipt, index) => ({ index, receipt }))
    .filter(({ receipt }) => secondsLeft(receipt) >= whole)
    .map(({ index, receipt }) => ({ index, handle: handleOf(receipt), seconds: whole }));
  const extended = new Set(changes.map(({ index }) => index));
  for (const { item } of await changeVisibility(place, changes)) extended.delete(item.index);
  return receipts.map((_, index) => (extended.has(index) ? 'extended' : 'lost'));
}

/** Releases deliveries, each after its delay or the rest of its 12 hours. A lost one is already another worker's. */
export async function releaseLeases(
  place: SqsQueueRef,
  releases: readonly { readonly receipt: Receipt; readonly delay: number }[],
): Promise<void> {
  const changes = releases.map(({ receipt, delay }) => ({
    handle: handleOf(receipt),
    // One second less: the request takes time too, and SQS refuses a value that is too large instead of capping it.
    seconds: Math.max(0, Math.min(Math.ceil(delay), secondsLeft(receipt) - 1)),
  }));
  await changeVisibility(place, changes);
}

/** Hides messages for a number of seconds from now; returns those whose lease is lost. Throws for any other refusal. */
export async function changeVisibility<T extends { readonly handle: string; readonly seconds: number }>(
  place: SqsQueueRef,
  changes: readonly T[],
): Promise<readonly RefusedItem<T>[]> {
  const options: BatchCall<T> = {
    doing: { what: 'change leases', action: 'sqs:ChangeMessageVisibility', place },
    call: async (items) => {
      const Entries = items.map(({ handle, seconds }, id) => ({
        Id: String(id),
        ReceiptHandle: handle,
        VisibilityTimeout: seconds,
      }));
      const client = await place.client();
      return await client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: place.url, Entries }));
    },
  };
  const refused = await callInBatches(changes, options);
  requireLeaseLost(refused, options.doing);
  return refused;
}

/** Seconds for which a delivery can be held from its receive, however often extended (SQS: ChangeMessageVisibility). */
const LONGEST_HOLD = 43_200;

/** Seconds on a clock that all threads of this machine share and that can't be set. */
function now(): number {
  return Number(process.hrtime.bigint() / 1_000_000n) / 1_000;
}

/** A receipt is SQS's handle with its receive time, from which the remaining hold time follows. */
export function makeReceipt(handle: string): Receipt {
  return `${Math.floor(now()).toString(36)}.${handle}` as Receipt;
}

export function handleOf(receipt: Receipt): string {
  return receipt.slice(receipt.indexOf('.') + 1);
}

/** Whole seconds for which the delivery can still be held; 0 after 12 hours. */
function secondsLeft(receipt: Receipt): number {
  const receivedAt = Number.parseInt(receipt, 36);
  return Math.max(0, Math.floor(LONGEST_HOLD - (now() - receivedAt)));
}

/**
 * Deletes messages by their handles. A handle whose lease is lost deletes nothing, and SQS may or may not report that
 * (SQS: DeleteMessage); it is ignored. Throws for any other refusal, after deleting all others.
 */
export async function deleteMessages(place: SqsQueueRef, handles: readonly string[]): Promise<void> {
  const options: BatchCall<string> = {
    doing: { what: 'delete messages', action: 'sqs:DeleteMessage', place },
    call: async (items) => {
      const Entries = items.map((handle, id) => ({ Id: String(id), ReceiptHandle: handle }));
      const client = await place.client();
      return await client.send(new DeleteMessageBatchCommand({ QueueUrl: place.url, Entries }));
    },
  };
  requireLeaseLost(await callInBatches(handles, options), options.doing);
}
