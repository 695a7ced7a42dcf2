import { parseMessage } from '../../model/message.ts';
import type { DeadLetter, Delivery } from '../../ports/task-queue.ts';
import { deleteMessages, extendLeases, handleOf } from './sqs-leases.ts';
import { countMessages, type SqsPlace } from './sqs-open.ts';
import { TEN } from './sqs-requests.ts';
import { fitReason, type SqsSender } from './sqs-send.ts';
import { Sweep, type Swept } from './sqs-sweep.ts';

/** A message that SQS moves itself has no reason: its receive count exceeded the queue's limit. */
const MOVED = 'SQS moved it: received more often than the queue allows';
/** SQS's clock has whole seconds, and its servers may differ slightly: milliseconds. */
const CLOCK_MS = 2_000;

export interface SqsDeadOptions {
  readonly queue: SqsPlace;
  readonly dead: SqsPlace;
  readonly toQueue: SqsSender;
  readonly toDead: SqsSender;
  readonly leaseSeconds: number;
  /** The largest dead letter, bytes. */
  readonly deadBytes: number;
}

/** The dead letters of a queue, in a queue of their own; a message attribute holds each letter's reason. */
export class SqsDead {
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
    for (let at = 0; at < burials.length; at += TEN) {
      const batch = burials.slice(at, at + TEN);
      const receipts = batch.map(({ delivery }) => delivery.receipt);
      const verdicts = await extendLeases(queue, receipts, leaseSeconds);
      const held = batch.filter((_burial, index) => verdicts[index] === 'extended');
      await toDead.send(
        held.map(({ delivery: { body }, reason }) => {
          const text = fitReason(reason, body, deadBytes);
          return { body, tenant: tenantOf(body), ...(text !== null && { reason: text }) };
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
    const sweep = new Sweep(dead, (await countMessages(dead)).counts.visible);
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
    const gone = new Set<string>();
    // A letter buried around that moment counts as new if this run sent it back.
    const isNew = ({ body, sentAt }: Swept): boolean =>
      sentAt > at + CLOCK_MS || (sentAt > at - CLOCK_MS && gone.has(body));
    const sweep = new Sweep(dead, counts.visible);
    for await (const page of sweep.pages()) {
      const back = page.filter((letter) => match(letter.body) && !isNew(letter)).slice(0, limit - sent);
      for (const { body } of back) gone.add(body);
      await toQueue.send(back.map(({ body }) => ({ body, tenant: tenantOf(body) })));
      await deleteMessages(
        dead,
        back.map(({ handle }) => handle),
      );
      sweep.settled(back);
      sent += back.length;
      if (sent >= limit) break;
    }
    return sent;
  }
}

/** The job that the message's body names. */
function tenantOf(body: string): string | null {
  const parsed = parseMessage(body);
  if (parsed.kind === 'task') return parsed.message.job;
  return parsed.kind === 'newer' ? parsed.job : null;
}
