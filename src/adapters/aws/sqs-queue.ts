import { deadQueueName } from '../../lib/stack-names.ts';
import { jobOfMessage } from '../../model/message.ts';
import type { DeadLetter, Delivery, TaskQueue } from '../../ports/task-queue.ts';
import { AwsClients } from './clients.ts';
import { deleteMessages, extendLeases, handleOf, releaseLeases } from './sqs-leases.ts';
import {
  countMessages,
  findQueue,
  type QueueAttributes,
  queueWarnings,
  readAttributes,
  requireOwnQueue,
  type SqsOptions,
} from './sqs-open.ts';
import { SqsReceiver } from './sqs-receive.ts';
import type { SqsQueueRef } from './sqs-requests.ts';
import { BATCH_SIZE } from './sqs-requests.ts';
import { fitReason, SqsSender } from './sqs-send.ts';
import { purgeAll, purgeMatching, QueueSweep, type SweptMessage } from './sqs-sweep.ts';

export { createQueues, type SqsOptions } from './sqs-open.ts';

export interface SqsQueueOptions extends SqsOptions {
  /** Called once, at the start, for each attribute of the queues that isn't as it should be. */
  readonly onWarning?: (line: string) => void;
  /** The home of the stack whose queue this should be; absent: not compared. */
  readonly home?: string;
}

/**
 * Opens a group's queue. Transient failures are retried for a minute; then every method throws `unavailable`. Throws
 * `notFound` without the queue or its dead-letter queue, `refused` for the queue of another home, `credentials`, `unavailable`.
 */
export async function openSqsQueue(options: SqsQueueOptions): Promise<TaskQueue> {
  const clients = new AwsClients(options.clients);
  try {
    return await openQueue(clients, options);
  } catch (error) {
    await clients.close();
    throw error;
  }
}

async function openQueue(clients: AwsClients, options: SqsQueueOptions): Promise<TaskQueue> {
  const { name, group, leaseSeconds, patienceMs, pollSeconds = 20, home } = options;
  // The dead letters are in a queue of their own; a message attribute holds each letter's reason.
  const [queue, dead] = await Promise.all([
    findQueue(clients, name, 'control', patienceMs),
    findQueue(clients, deadQueueName(name), 'control', patienceMs),
  ]);
  const [{ attributes: found }, { attributes: foundDead }] = await Promise.all([
    readAttributes(queue),
    readAttributes(dead),
    ...(home === undefined ? [] : [requireOwnQueue(queue, name, home)]),
  ]);
  for (const line of queueWarnings(options, found, foundDead)) {
    options.onWarning?.(`${line} (fix it with batchctl infra up)`);
  }
  const receiver = new SqsReceiver({ poll: () => clients.sqs('poll'), place: queue, leaseSeconds, pollSeconds });
  const toQueue = new SqsSender(queue, bytesOf(found));
  const toDead = new SqsSender(dead, bytesOf(foundDead));
  return {
    group,
    leaseSeconds,
    send: (messages) => toQueue.send(messages),
    receive: (wanted) => receiver.receive(wanted),
    extend: (receipts) => extendLeases(queue, receipts, leaseSeconds),
    ack: (receipts) => deleteMessages(queue, receipts.map(handleOf)),
    release: (releases) => releaseLeases(queue, releases),
    bury: (burials) => bury(queue, toDead, leaseSeconds, burials),
    backlog: async () => {
      const [{ counts }, { counts: buried }] = await Promise.all([countMessages(queue), countMessages(dead)]);
      // Only CloudWatch has the age of the oldest message, and not of messages received more than three times.
      return { ...counts, dead: buried.visible + buried.leased + buried.delayed, oldestSeconds: null };
    },
    readCounts: async () => (await countMessages(queue)).counts,
    dead: ({ limit = Number.POSITIVE_INFINITY } = {}) => lettersOf(dead, limit),
    redrive: ({ match = () => true, limit = Number.POSITIVE_INFINITY }) => redrive(dead, toQueue, match, limit),
    purge: ({ match }) => (match === undefined ? purgeAll(queue) : purgeMatching(queue, match)),
    // Waits, at most half a minute, for abandoned polls, and releases the messages that they receive.
    close: async () => {
      await receiver.idle();
      await clients.close();
    },
  };
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

/**
 * Sends the letter first and deletes the delivery after: a crash between the two leaves both, never neither. A delivery
 * whose lease is lost belongs to another worker and isn't buried.
 */
async function bury(
  queue: SqsQueueRef,
  toDead: SqsSender,
  leaseSeconds: number,
  burials: readonly { readonly delivery: Delivery; readonly reason: string }[],
): Promise<void> {
  for (let at = 0; at < burials.length; at += BATCH_SIZE) {
    const batch = burials.slice(at, at + BATCH_SIZE);
    const receipts = batch.map(({ delivery }) => delivery.receipt);
    const verdicts = await extendLeases(queue, receipts, leaseSeconds);
    const held = batch.filter((_burial, index) => verdicts[index] === 'extended');
    await toDead.send(
      held.map(({ delivery: { body }, reason }) => {
        const text = fitReason(reason, body, toDead.mostBytes);
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
async function* lettersOf(dead: SqsQueueRef, limit: number): AsyncGenerator<DeadLetter> {
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
 * Sends letters back and deletes them after: a crash between the two leaves both. Letters buried while this runs stay,
 * so that a message that fails again at once isn't sent in circles.
 */
async function redrive(
  dead: SqsQueueRef,
  toQueue: SqsSender,
  match: (body: string) => boolean,
  limit: number,
): Promise<number> {
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
