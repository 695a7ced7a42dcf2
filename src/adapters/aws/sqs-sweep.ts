import { type Message, PurgeQueueCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { BatchctlError } from '../../errors.ts';
import { isTransient } from './errors.ts';
import { changeVisibility, deleteMessages } from './sqs-leases.ts';
import { countMessages } from './sqs-open.ts';
import type { SqsQueueRef } from './sqs-requests.ts';
import { BATCH_SIZE, isNamed, Patience, retry } from './sqs-requests.ts';
import { REASON } from './sqs-send.ts';

/** How long a message that was read stays hidden if this process dies, seconds. */
const HIDE_SECONDS = 60;
/** Seconds: a long poll asks all of SQS's servers, a short one only some (SQS: ReceiveMessage). */
const WAIT_SECONDS = 1;
/** Receives in flight at once. */
const LANES = 8;
/** Empty rounds in a row after which a queue counts as read. One is enough once all counted messages were seen. */
const EMPTY_ROUNDS = 3;
/** SQS allows about 120,000 messages in flight (SQS: ChangeMessageVisibility); workers need some of them. */
const MOST_HELD = 100_000;

/** A message as a sweep found it. */
export interface SweptMessage {
  readonly id: string;
  readonly handle: string;
  readonly body: string;
  /** Milliseconds since the epoch, by SQS's clock. */
  readonly sentAt: number;
  /** Why it was buried; null if batchctl didn't bury it. */
  readonly reason: string | null;
}

/**
 * Reads every receivable message of a queue once. SQS has no way to read without receiving, so messages are received,
 * and those that weren't settled are released when the sweep ends, however it ends.
 */
export class QueueSweep {
  readonly #place: SqsQueueRef;
  readonly #expected: number;
  readonly #held = new Map<string, string>();
  readonly #patience: Patience;
  #seen = 0;

  /** @param expected how many messages SQS counts, approximately. */
  constructor(place: SqsQueueRef, expected: number) {
    this.#place = place;
    this.#expected = expected;
    this.#patience = new Patience(place.patienceMs);
  }

  /** Throws `unavailable` once it holds 100,000 messages that were not settled: SQS gives no more. */
  async *pages(): AsyncGenerator<readonly SweptMessage[]> {
    let empty = 0;
    let lanes = 1;
    try {
      while (empty < (this.#seen >= this.#expected ? 1 : EMPTY_ROUNDS)) {
        const page = (await Promise.all(Array.from({ length: lanes }, () => this.#receive()))).flat();
        lanes = page.length >= lanes * BATCH_SIZE ? LANES : 1;
        const fresh = page.filter((message) => this.#isFresh(message));
        empty = fresh.length === 0 ? empty + 1 : 0;
        this.#seen += fresh.length;
        if (fresh.length > 0) yield fresh.sort((a, b) => a.sentAt - b.sentAt);
        if (this.#held.size >= MOST_HELD) throw tooManyMessagesError(this.#place);
      }
    } finally {
      await this.#releaseHeld();
    }
  }

  /** Call for messages that were deleted: they aren't released at the end. */
  markSettled(messages: readonly SweptMessage[]): void {
    for (const { id } of messages) this.#held.delete(id);
  }

  /** A held message that comes again was hidden for too short a time; its newer receipt counts. */
  #isFresh({ id, handle }: SweptMessage): boolean {
    const known = this.#held.has(id);
    this.#held.set(id, handle);
    return !known;
  }

  async #receive(): Promise<readonly SweptMessage[]> {
    const { client, url } = this.#place;
    const command = new ReceiveMessageCommand({
      QueueUrl: url,
      MaxNumberOfMessages: BATCH_SIZE,
      WaitTimeSeconds: WAIT_SECONDS,
      VisibilityTimeout: HIDE_SECONDS,
      MessageSystemAttributeNames: ['SentTimestamp'],
      MessageAttributeNames: [REASON],
    });
    const doing = { what: 'search the queue', action: 'sqs:ReceiveMessage', place: this.#place };
    const { Messages = [] } = await retry(doing, this.#patience, async () => {
      try {
        return await (await client()).send(command);
      } catch (error) {
        throw isNamed(error, 'OverLimit') ? tooManyMessagesError(this.#place) : error;
      }
    });
    this.#patience.reset();
    return Messages.flatMap(sweptOf);
  }

  async #releaseHeld(): Promise<void> {
    const changes = [...this.#held.values()].map((handle) => ({ handle, seconds: 0 }));
    this.#held.clear();
    // A message that can't be released now comes back in a minute.
    await changeVisibility(this.#place, changes).catch(() => undefined);
  }
}

function sweptOf({ MessageId, ReceiptHandle, Body, Attributes, MessageAttributes }: Message): SweptMessage[] {
  if (MessageId === undefined || ReceiptHandle === undefined) return [];
  return [
    {
      id: MessageId,
      handle: ReceiptHandle,
      body: Body ?? '',
      sentAt: Number(Attributes?.SentTimestamp ?? 0),
      reason: MessageAttributes?.[REASON]?.StringValue ?? null,
    },
  ];
}

function tooManyMessagesError({ arn }: SqsQueueRef): BatchctlError {
  return new BatchctlError(
    'unavailable',
    `can't search ${arn} completely: it has more messages than SQS returns at a time (about 120,000)`,
    { hint: 'wait until workers take some, or use --limit, then run the same command again' },
  );
}

/** A purge takes up to 60 s, and another one can't begin in that time (SQS: PurgeQueue). */
const PURGE_MS = 65_000;

/**
 * Deletes everything, including delayed and leased messages. SQS takes up to a minute for it, and may delete messages
 * sent in that minute. Waits for another purge to end, which may have begun before the last messages were sent. Null:
 * SQS doesn't say how many it deletes.
 */
export async function purgeAll(place: SqsQueueRef): Promise<null> {
  const patience = new Patience(Math.max(PURGE_MS, place.patienceMs));
  const doing = { what: 'purge the queue', action: 'sqs:PurgeQueue', place };
  const purge = async () => (await place.client()).send(new PurgeQueueCommand({ QueueUrl: place.url }));
  await retry(doing, patience, purge, (error) => isNamed(error, 'PurgeQueueInProgress') || isTransient(error));
  return null;
}

/** Deletes visible messages whose body satisfies `match`; returns how many. Others can't be received, and stay. */
export async function purgeMatching(place: SqsQueueRef, match: (body: string) => boolean): Promise<number> {
  let purged = 0;
  const sweep = new QueueSweep(place, (await countMessages(place)).counts.visible);
  for await (const page of sweep.pages()) {
    const chosen = page.filter(({ body }) => match(body));
    await deleteMessages(
      place,
      chosen.map(({ handle }) => handle),
    );
    sweep.markSettled(chosen);
    purged += chosen.length;
  }
  return purged;
}
