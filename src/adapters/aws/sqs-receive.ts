import { setMaxListeners } from 'node:events';
import { type Message, ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { Delivery, ReceiveOptions } from '../../ports/task-queue.ts';
import { isTransient } from './errors.ts';
import { makeReceipt, releaseLeases } from './sqs-leases.ts';
import type { SqsQueueRef } from './sqs-requests.ts';
import { BATCH_SIZE, isNamed, Patience, sqsError } from './sqs-requests.ts';

/** How late a poll may be, milliseconds: a later answer never comes, as after a silent network drop. */
const LATE_MS = 10_000;
/** Parallel polls don't wait. Messages that they bring after this many milliseconds are released. */
const SHORT_MS = 2_000;
/** Polls in flight at once. */
const LANES = 16;

/** Their values come as text (SQS: ReceiveMessage). */
const ATTRIBUTES: ('ApproximateReceiveCount' | 'SentTimestamp')[] = ['ApproximateReceiveCount', 'SentTimestamp'];

export interface SqsPollsOptions {
  readonly poll: () => Promise<SQSClient>;
  /** Where messages that no caller waits for any more are released. */
  readonly place: SqsQueueRef;
  readonly leaseSeconds: number;
  /** The longest poll, seconds; leaving may take that long. */
  readonly pollSeconds: number;
  /** How late a poll may be, milliseconds; ten seconds by default. */
  readonly lateMs?: number;
}

/**
 * Receives messages. A poll that the server has accepted is never cut off, because SQS would still hide messages for
 * it. It finishes, and messages that no caller waits for any more are released at once.
 */
export class SqsReceiver {
  readonly #options: SqsPollsOptions;
  readonly #patience: Patience;
  /** While as many messages are in flight as SQS allows: it works, so this has no end (SQS: ReceiveMessage, OverLimit). */
  readonly #fullPatience = new Patience(Number.POSITIVE_INFINITY);
  readonly #abandoned = new Set<Promise<void>>();
  /** Whether the last parallel polls brought all that was asked. */
  #isBacklogged = false;

  constructor(options: SqsPollsOptions) {
    this.#options = options;
    this.#patience = new Patience(options.place.patienceMs);
  }

  /**
   * One long poll for the first ten messages, then parallel short ones for the rest; fewer may come than there are.
   * While the queue is full, the long poll is left out. Waits are in whole seconds. Throws `unavailable` when no poll
   * has succeeded within the patience time, but not while SQS has too many messages in flight.
   */
  async receive({ max, waitSeconds, signal }: ReceiveOptions): Promise<readonly Delivery[]> {
    if (max <= 0) return [];
    if (this.#isBacklogged) {
      const found = await this.#receiveInParallel(max, signal);
      if (found.length > 0) return found;
    }
    const end = performance.now() + Math.ceil(waitSeconds) * 1_000;
    for (let left = Math.ceil(waitSeconds); !signal?.aborted; ) {
      const ask = Math.min(BATCH_SIZE, Math.floor(max));
      const poll = this.#poll(ask, Math.min(left, this.#options.pollSeconds), signal);
      const first = await this.#awaitUnlessAborted(poll, signal);
      if (first.length === BATCH_SIZE && max > BATCH_SIZE)
        return [...first, ...(await this.#receiveInParallel(max - BATCH_SIZE, signal))];
      left = Math.round((end - performance.now()) / 1_000);
      if (first.length > 0 || left <= 0) return first;
    }
    return [];
  }

  /** Resolves when no poll is in flight and everything was released: at most half a minute after an abort. */
  async idle(): Promise<void> {
    while (this.#abandoned.size > 0) await Promise.all(this.#abandoned);
  }

  async #receiveInParallel(max: number, signal: AbortSignal | undefined): Promise<readonly Delivery[]> {
    const late = AbortSignal.timeout(SHORT_MS);
    const ends = signal === undefined ? late : AbortSignal.any([signal, late]);
    setMaxListeners(0, ends); // one listener per poll in flight is no leak
    const found: Delivery[] = [];
    let wanted = max;
    const lane = async (): Promise<void> => {
      while (wanted > 0 && !ends.aborted) {
        const ask = Math.min(BATCH_SIZE, wanted);
        wanted -= ask;
        // The next receive reports this failure: the messages at hand matter more than the error.
        const poll = this.#poll(ask, 0, ends).catch(() => []);
        const more = await this.#awaitUnlessAborted(poll, ends);
        found.push(...more);
        // Fewer than asked: little is left, or little is on the servers that this poll asked.
        if (more.length < ask) return;
      }
    };
    await Promise.all(Array.from({ length: Math.min(LANES, Math.ceil(max / BATCH_SIZE)) }, lane));
    this.#isBacklogged = found.length >= max;
    return found;
  }

  /** The messages of the poll, or none once the signal aborts: then its messages are released. */
  async #awaitUnlessAborted(
    poll: Promise<readonly Delivery[]>,
    signal: AbortSignal | undefined,
  ): Promise<readonly Delivery[]> {
    if (signal === undefined) return await poll;
    let leave = (): void => undefined;
    const left = new Promise<'left'>((resolve) => {
      leave = () => resolve('left');
      signal.addEventListener('abort', leave, { once: true });
    });
    const outcome = await Promise.race([poll, left]).finally(() => signal.removeEventListener('abort', leave));
    if (outcome !== 'left') return outcome;
    this.#releaseWhenDone(poll);
    return [];
  }

  #releaseWhenDone(poll: Promise<readonly Delivery[]>): void {
    const given = poll
      .then((deliveries) =>
        releaseLeases(
          this.#options.place,
          deliveries.map(({ receipt }) => ({ receipt, delay: 0 })),
        ),
      )
      // A message that can't be released comes back when its lease expires.
      .catch(() => undefined)
      .finally(() => this.#abandoned.delete(given));
    this.#abandoned.add(given);
  }

  /** One poll. A transient failure is retried while there is time to wait, and then brings nothing. */
  async #poll(max: number, waitSeconds: number, signal: AbortSignal | undefined): Promise<readonly Delivery[]> {
    const end = performance.now() + waitSeconds * 1_000;
    const { place } = this.#options;
    for (;;) {
      try {
        const messages = await this.#ask(max, waitSeconds);
        this.#patience.reset();
        this.#fullPatience.reset();
        return messages.flatMap(deliveryOf);
      } catch (error) {
        const isFull = isNamed(error, 'OverLimit');
        if (isFull) this.#patience.reset();
        const patience = isFull ? this.#fullPatience : this.#patience;
        if (!isTransient(error) || !(await patience.pause(signal)))
          throw sqsError(error, { what: 'receive messages', action: 'sqs:ReceiveMessage', place });
        if (signal?.aborted || performance.now() >= end) return [];
      }
    }
  }

  async #ask(max: number, waitSeconds: number): Promise<readonly Message[]> {
    const { poll, place, leaseSeconds, lateMs = LATE_MS } = this.#options;
    const command = new ReceiveMessageCommand({
      QueueUrl: place.url,
      MaxNumberOfMessages: max,
      WaitTimeSeconds: waitSeconds,
      VisibilityTimeout: Math.ceil(leaseSeconds),
      MessageSystemAttributeNames: ATTRIBUTES,
    });
    const client = await poll();
    const late = AbortSignal.timeout(waitSeconds * 1_000 + lateMs);
    try {
      const { Messages = [] } = await client.send(command, { abortSignal: late });
      return Messages;
    } catch (error) {
      throw late.aborted ? late.reason : error;
    }
  }
}

/** The count of a delivery whose own is missing: a message that may have come before must not pass for a new one. */
const AGAIN = 2;

function deliveryOf({ ReceiptHandle, Body, Attributes }: Message): Delivery[] {
  if (ReceiptHandle === undefined) return [];
  const count = Number(Attributes?.ApproximateReceiveCount);
  return [
    {
      receipt: makeReceipt(ReceiptHandle),
      body: Body ?? '',
      receiveCount: count >= 1 ? count : AGAIN,
      sentAt: Number(Attributes?.SentTimestamp ?? Date.now()),
    },
  ];
}
