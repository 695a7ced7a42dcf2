import { ChangeMessageVisibilityBatchCommand } from '@aws-sdk/client-sqs';
import type { Receipt } from '../../ports/task-queue.ts';
import { type BatchCall, inBatches, type Refused } from './sqs-batch.ts';
import { isLeaseLost, refusedError } from './sqs-errors.ts';
import type { SqsPlace } from './sqs-place.ts';
import { handleOf, secondsLeft } from './sqs-receipt.ts';

/** Extends leases to `leaseSeconds` from now. One that would come to more than 12 hours in all is `lost` here. */
export async function extendLeases(
  place: SqsPlace,
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

/** Gives deliveries back, each after its delay or what is left of its 12 hours. A lost one is somebody else's by now. */
export async function releaseLeases(
  place: SqsPlace,
  releases: readonly { readonly receipt: Receipt; readonly delay: number }[],
): Promise<void> {
  const changes = releases.map(({ receipt, delay }) => ({
    handle: handleOf(receipt),
    // A second less: the request takes time too, and what is too much is refused, not cut.
    seconds: Math.max(0, Math.min(Math.ceil(delay), secondsLeft(receipt) - 1)),
  }));
  await changeVisibility(place, changes);
}

/** Hides messages for so many seconds from now; answers those whose lease is lost. Throws for any other refusal. */
export async function changeVisibility<T extends { readonly handle: string; readonly seconds: number }>(
  place: SqsPlace,
  changes: readonly T[],
): Promise<readonly Refused<T>[]> {
  const options: BatchCall<T> = {
    doing: { what: 'change leases', action: 'sqs:ChangeMessageVisibility', place },
    patienceMs: place.patienceMs,
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
  const refused = await inBatches(changes, options);
  const other = refused.find((refusal) => !isLeaseLost(refusal));
  if (other !== undefined) throw refusedError(other, options.doing);
  return refused;
}
