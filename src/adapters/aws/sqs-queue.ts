import { deadQueueName } from '../../lib/stack-names.ts';
import { jobOfMessage } from '../../model/message.ts';
import type {
  Backlog,
  DeadLetter,
  Delivery,
  OutgoingMessage,
  QueueCounts,
  Receipt,
  ReceiveOptions,
  TaskQueue,
} from '../../ports/task-queue.ts';
import { AwsClients } from './clients.ts';
import { deleteMessages, extendLeases, handleOf, releaseLeases } from './sqs-leases.ts';
import {
  attributeWarnings,
  countMessages,
  deadAttributes,
  findQueue,
  type QueueAttributes,
  queueAttributes,
  readAttributes,
  type SqsOptions,
  type SqsQueueRef,
} from './sqs-open.ts';
import { SqsReceiver } from './sqs-receive.ts';
import { BATCH_SIZE } from './sqs-requests.ts';
import { fitReason, SqsSender } from './sqs-send.ts';
import { purgeAll, purgeMatching, QueueSweep, type SweptMessage } from './sqs-sweep.ts';

export { createQueues, type SqsOptions } from './sqs-open.ts';

export interface SqsQueueOptions extends SqsOptions {
  /** Called once, at the start, for each attribute of the queues that isn't as it should be. */
  readonly onWarning?: (line: string) => void;
}

/** Opens a group's queue. Throws `notFound` without it or its dead-letter queue, `credentials`, `unavailable`. */
export async function openSqsQueue(options: SqsQueueOptions): Promise<TaskQueue> {
  const { name, patienceMs } = options;
  const clients = new AwsClients(options.clients);
  try {
    const [queue, dead] = await Promise.all(
      [name, deadQueueName(name)].map((each) => findQueue(clients, each, 'control', patienceMs)),
    );
    if (queue === undefined || dead === undefined) throw new RangeError('two names lead to two queues');
    const [{ attributes: found }, { attributes: foundDead }] = await Promise.all([
      readAttributes(queue),
      readAttributes(dead),
    ]);
    if (options.onWarning !== undefined) reportWarnings(options, found, foundDead);
    return new SqsQueue({ ...options, aws: clients, queue, dead, found, foundDead });
  } catch (error) {
    await clients.close();
    throw error;
  }
}

function reportWarnings(
  { name, leaseSeconds, onWarning }: SqsQueueOptions,
  found: QueueAttributes,
  dead: QueueAttributes,
): void {
  const lines = [
    ...attributeWarnings(name, found, queueAttributes(leaseSeconds, dead.QueueArn ?? '')),
    ...attributeWarnings(deadQueueName(name), dead, deadAttributes()),
  ];
  for (const line of lines) onWarning?.(line);
}

interface Opened extends SqsOptions {
  readonly aws: AwsClients;
  readonly queue: SqsQueueRef;
  readonly dead: SqsQueueRef;
  readonly found: QueueAttributes;
  readonly foundDead: QueueAttributes;
}

/** A group's SQS queue. Transient failures are retried for a minute; then every method throws `unavailable`. */
class SqsQueue implements TaskQueue {
  readonly group: string;
  readonly leaseSeconds: number;
  readonly #aws: AwsClients;
  readonly #queue: SqsQueueRef;
  readonly #deadPlace: SqsQueueRef;
  readonly #polls: SqsReceiver;
  readonly #sender: SqsSender;
  readonly #dead: SqsDead;

  constructor({ group, leaseSeconds, pollSeconds = 20, aws, queue, dead, found, foundDead }: Opened) {
    this.group = group;
    this.leaseSeconds = leaseSeconds;
    this.#aws = aws;
    this.#queue = queue;
    this.#deadPlace = dead;
    this.#polls = new SqsReceiver({ poll: () => aws.sqs('poll'), place: queue, leaseSeconds, pollSeconds });
    this.#sender = new SqsSender(queue, bytesOf(found));
    const deadBytes = bytesOf(foundDead);
    const toDead = new SqsSender(dead, deadBytes);
    this.#dead = new SqsDead({ queue, dead, toQueue: this.#sender, toDead, leaseSeconds, deadBytes });
  }

  async send(messages: readonly OutgoingMessage[]): Promise<void> {
    await this.#sender.send(messages);
  }

  async receive(options: ReceiveOptions): Promise<readonly Delivery[]> {
    return await this.#polls.receive(options);
  }

  async extend(receipts: readonly Receipt[]): Promise<readonly ('extended' | 'lost')[]> {
    return await extendLeases(this.#queue, receipts, this.leaseSeconds);
  }

  async ack(receipts: readonly Receipt[]): Promise<void> {
    await deleteMessages(this.#queue, receipts.map(handleOf));
  }

  async release(releases: readonly { readonly receipt: Receipt; readonly delay: number }[]): Promise<void> {
    await releaseLeases(this.#queue, releases);
  }

  async bury(burials: readonly { readonly delivery: Delivery; readonly reason: string }[]): Promise<void> {
    await this.#dead.bury(burials);
  }

  async backlog(): Promise<Backlog> {
    const [{ counts }, { counts: dead }] = await Promise.all([
      countMessages(this.#queue),
      countMessages(this.#deadPlace),
    ]);
    // Only CloudWatch has the age of the oldest message, and not of messages received more than three times.
    return { ...counts, dead: dead.visible + dead.leased + dead.delayed, oldestSeconds: null };
  }

  async readCounts(): Promise<QueueCounts> {
    return (await countMessages(this.#queue)).counts;
  }

  dead({ limit = Number.POSITIVE_INFINITY }: { readonly limit?: number } = {}): AsyncIterable<DeadLetter> {
    return this.#dead.letters(limit);
  }

  async redrive(options: { readonly match?: (body: string) => boolean; readonly limit?: number }): Promise<number> {
    return await this.#dead.redrive(options.match ?? (() => true), options.limit ?? Number.POSITIVE_INFINITY);
  }

  /**
   * Deletes all messages, or those that match. Returns null for all, as SQS doesn't say how many: leased messages go
   * too, and those sent within the next minute may.
   */
  async purge({ match }: { readonly match?: (body: string) => boolean }): Promise<number | null> {
    if (match !== undefined) return await purgeMatching(this.#queue, match);
    await purgeAll(this.#queue);
    return null;
  }

  /** Waits, at most half a minute, for abandoned polls, and releases the messages that they receive. */
  async close(): Promise<void> {
    await this.#polls.idle();
    await this.#aws.close();
  }
}

/** SQS's limit until August 2025. Every queue accepts it unless its own limit is smaller (SQS: SendMessage). */
const MESSAGE_BYTES = 262_144;

function bytesOf({ MaximumMessageSize }: QueueAttributes): number {
  return Number(MaximumMessageSize ?? MESSAGE_BYTES);
}

/** A message that SQS moves itself has no reason: its receive count exceeded the queue's limit. */
const MOVED = 'SQS moved it: received more often than the queue allows';
/** SQS's clock has whole seconds, and its servers may differ slightly: milliseconds. */
const CLOCK_MS = 2_000;

interface SqsDeadOptions {
  readonly queue: SqsQueueRef;
  readonly dead: SqsQueueRef;
  readonly toQueue: SqsSender;
  readonly toDead: SqsSender;
  readonly leaseSeconds: number;
  /** The largest dead letter, bytes. */
  readonly deadBytes: number;
}

/** The dead letters of a queue, in a queue of their own; a message attribute holds each letter's reason. */
class SqsDead {
  readonly #o: SqsDeadOptions;

  constructor(options: SqsDeadOptions) {
    this.#o = options;
  }

  /**
   * Sends the letter first and deletes the delivery after: a crash between the two leaves both, never neither. A
   * delivery whose lease is lost belongs to another worker and isn't buried.
   */
  async bury(burials: readonly { readonly delivery: Delivery; readonly reason: string }[]): Promise<void> {
    const { queue, toDead, leaseSeconds, deadBytes } = this.#o;
    for (let at = 0; at < burials.length; at += BATCH_SIZE) {
      const batch = burials.slice(at, at + BATCH_SIZE);
      const receipts = batch.map(({ delivery }) => delivery.receipt);
      const verdicts = await extendLeases(queue, receipts, leaseSeconds);
      const held = batch.filter((_burial, index) => verdicts[index] === 'extended');
      await toDead.send(
        held.map(({ delivery: { body }, reason }) => {
          const text = fitReason(reason, body, deadBytes);
          return { body, tenant: jobOfMessage(body), ...(text !== null && { reason: text }) };
        }),
      );
      await deleteMessages(
        queue,
        held.map(({ delivery }) => handleOf(delivery.receipt)),
      );
    }
  }

  /** Reads letters roughly oldest first. Reading hides them from others, for a minute if this process dies. */
  async *letters(limit: number): AsyncGenerator<DeadLetter> {
    const { dead } = this.#o;
    let left = limit;
    if (left <= 0) return;
    const sweep = new QueueSweep(dead, (await countMessages(dead)).counts.visible);
    for await (const page of sweep.pages()) {
      for (const { body, reason, sentAt } of page) {
        yield { body, reason: reason ?? MOVED, buriedAt: sentAt };
        left -= 1;
        if (left <= 0) return;
      }
    }
  }

  /**
   * Sends letters back and deletes them after: a crash between the two leaves both. Letters buried while this runs
   * stay, so that a message that fails again at once isn't sent in circles.
   */
  async redrive(match: (body: string) => boolean, limit: number): Promise<number> {
    const { dead, toQueue } = this.#o;
    let sent = 0;
    if (limit <= 0) return sent;
    const { counts, at } = await countMessages(dead);
    const redriven = new Set<string>();
    // A letter buried around that moment counts as new if this run sent it back.
    const isNew = ({ body, sentAt }: SweptMessage): boolean =>
      sentAt > at + CLOCK_MS || (sentAt > at - CLOCK_MS && redriven.has(body));
    const sweep = new QueueSweep(dead, counts.visible);
    for await (const page of sweep.pages()) {
      const back = page.filter((letter) => match(letter.body) && !isNew(letter)).slice(0, limit - sent);
      for (const { body } of back) redriven.add(body);
      await toQueue.send(back.map(({ body }) => ({ body, tenant: jobOfMessage(body) })));
      await deleteMessages(
        dead,
        back.map(({ handle }) => handle),
      );
      sweep.markSettled(back);
      sent += back.length;
      if (sent >= limit) break;
    }
    return sent;
  }
}
