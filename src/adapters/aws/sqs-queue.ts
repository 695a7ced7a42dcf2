import { deadQueueName } from '../../lib/stack-names.ts';
import type {
  Backlog,
  DeadLetter,
  Delivery,
  Held,
  OutgoingMessage,
  Receipt,
  ReceiveOptions,
  TaskQueue,
} from '../../ports/task-queue.ts';
import { AwsClients } from './clients.ts';
import { SqsDead } from './sqs-dead.ts';
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
  type SqsPlace,
} from './sqs-open.ts';
import { SqsPolls } from './sqs-receive.ts';
import { SqsSender } from './sqs-send.ts';
import { purgeAll, purgeMatching } from './sqs-sweep.ts';

export { createQueues, type SqsOptions } from './sqs-open.ts';

export interface SqsQueueOptions extends SqsOptions {
  /** Called once, at the start, for each attribute of the queues that isn't as it should be. */
  readonly onWarning?: (line: string) => void;
}

/**
 * Opens a group's queue. Throws `notFound` if it or its dead-letter queue doesn't exist, `credentials`, `unavailable`.
 */
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
    if (options.onWarning !== undefined) warn(options, found, foundDead);
    return new SqsQueue({ ...options, aws: clients, queue, dead, found, foundDead });
  } catch (error) {
    await clients.close();
    throw error;
  }
}

function warn({ name, leaseSeconds, onWarning }: SqsQueueOptions, found: QueueAttributes, dead: QueueAttributes): void {
  const lines = [
    ...attributeWarnings(name, found, queueAttributes(leaseSeconds, dead.QueueArn ?? '')),
    ...attributeWarnings(deadQueueName(name), dead, deadAttributes()),
  ];
  for (const line of lines) onWarning?.(line);
}

interface Opened extends SqsOptions {
  readonly aws: AwsClients;
  readonly queue: SqsPlace;
  readonly dead: SqsPlace;
  readonly found: QueueAttributes;
  readonly foundDead: QueueAttributes;
}

/** A group's SQS queue. Transient failures are retried for a minute; then every method throws `unavailable`. */
class SqsQueue implements TaskQueue {
  readonly group: string;
  readonly leaseSeconds: number;
  readonly #aws: AwsClients;
  readonly #queue: SqsPlace;
  readonly #deadPlace: SqsPlace;
  readonly #polls: SqsPolls;
  readonly #sender: SqsSender;
  readonly #dead: SqsDead;

  constructor({ group, leaseSeconds, pollSeconds = 20, aws, queue, dead, found, foundDead }: Opened) {
    this.group = group;
    this.leaseSeconds = leaseSeconds;
    this.#aws = aws;
    this.#queue = queue;
    this.#deadPlace = dead;
    this.#polls = new SqsPolls({ poll: () => aws.sqs('poll'), place: queue, leaseSeconds, pollSeconds });
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

  async held(): Promise<Held> {
    return (await countMessages(this.#queue)).counts;
  }

  dead({ limit = Number.POSITIVE_INFINITY }: { readonly limit?: number } = {}): AsyncIterable<DeadLetter> {
    return this.#dead.letters(limit);
  }

  async redrive(options: { readonly match?: (body: string) => boolean; readonly limit?: number }): Promise<number> {
    return await this.#dead.redrive(options.match ?? (() => true), options.limit ?? Number.POSITIVE_INFINITY);
  }

  /**
   * Deletes all messages (null: SQS doesn't say how many; leased ones go too, and messages sent within the next minute
   * may), or those that match.
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

/**
 * SQS's limit until August 2025. Every queue accepts it unless it has a smaller limit of its own (SQS: SendMessage).
 */
const MESSAGE_BYTES = 262_144;

function bytesOf({ MaximumMessageSize }: QueueAttributes): number {
  return Number(MaximumMessageSize ?? MESSAGE_BYTES);
}
