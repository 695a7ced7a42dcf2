import { PurgeQueueCommand } from '@aws-sdk/client-sqs';
import { isTransient } from './errors.ts';
import { countMessages } from './sqs-attributes.ts';
import { deleteMessages } from './sqs-delete.ts';
import { isNamed, sqsError } from './sqs-errors.ts';
import { Patience } from './sqs-patience.ts';
import type { SqsPlace } from './sqs-place.ts';
import { Sweep } from './sqs-sweep.ts';

/** A purge takes up to 60 s, and no other may begin meanwhile (SQS: PurgeQueue). */
const PURGE_MS = 65_000;

/**
 * Deletes everything, also what is delayed or leased. SQS takes up to a minute for it, and may delete what is sent in
 * that minute. Waits for another purge to end, which may have begun before the last messages were sent.
 */
export async function purgeAll(place: SqsPlace): Promise<void> {
  const patience = new Patience(Math.max(PURGE_MS, place.patienceMs));
  for (;;) {
    try {
      await (await place.client()).send(new PurgeQueueCommand({ QueueUrl: place.url }));
      return;
    } catch (error) {
      const passing = isNamed(error, 'PurgeQueueInProgress') || isTransient(error);
      if (!passing || !(await patience.pause()))
        throw sqsError(error, { what: 'purge the queue', action: 'sqs:PurgeQueue', place });
    }
  }
}

/**
 * Deletes the visible messages whose body satisfies `match`; answers how many. What is leased or delayed can't be
 * received, and stays.
 */
export async function purgeMatching(place: SqsPlace, match: (body: string) => boolean): Promise<number> {
  let purged = 0;
  const sweep = new Sweep(place, (await countMessages(place)).counts.visible);
  for await (const page of sweep.pages()) {
    const chosen = page.filter(({ body }) => match(body));
    await deleteMessages(
      place,
      chosen.map(({ handle }) => handle),
    );
    sweep.settled(chosen);
    purged += chosen.length;
  }
  return purged;
}
