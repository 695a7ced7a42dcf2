import { DeleteMessageBatchCommand } from '@aws-sdk/client-sqs';
import { type BatchCall, inBatches } from './sqs-batch.ts';
import { isLeaseLost, refusedError } from './sqs-errors.ts';
import type { SqsPlace } from './sqs-place.ts';

/**
 * Deletes messages by their handles. A handle whose lease is lost deletes nothing, which SQS may say or not
 * (SQS: DeleteMessage); it is ignored. Throws for any other refusal, once all others are deleted.
 */
export async function deleteMessages(place: SqsPlace, handles: readonly string[]): Promise<void> {
  const options: BatchCall<string> = {
    doing: { what: 'delete messages', action: 'sqs:DeleteMessage', place },
    patienceMs: place.patienceMs,
    call: async (items) => {
      const Entries = items.map((handle, id) => ({ Id: String(id), ReceiptHandle: handle }));
      const client = await place.client();
      return await client.send(new DeleteMessageBatchCommand({ QueueUrl: place.url, Entries }));
    },
  };
  const refused = await inBatches(handles, options);
  const other = refused.find((refusal) => !isLeaseLost(refusal));
  if (other !== undefined) throw refusedError(other, options.doing);
}
