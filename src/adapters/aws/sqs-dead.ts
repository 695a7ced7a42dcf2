import { parseMessage } from '../../model/message.ts';
import type { DeadLetter, Delivery } from '../../ports/task-queue.ts';
import { deleteMessages, extendLeases, handleOf } from './sqs-leases.ts';
import { countMessages, type SqsPlace } from './sqs-open.ts';
import { TEN } from './sqs-requests.ts';
import { fitReason, type SqsSender } from './sqs-send.ts';
import { Sweep, type Swept } from './sqs-sweep.ts';

/** What SQS moves itself has no reason: its count of receives went past the queue's limit. */
const MOVED = 'SQS moved it: received more often than the queue allows';
/** SQS tells its clock to the second, and its servers' may differ a little: milliseconds. */
const CLOCK_MS = 2_000;

export interface SqsDeadOptions {
  readonly queue: SqsPlace;
  readonly dead: SqsPlace;
  readonly toQueue: SqsSender;
  readonly toDead: SqsSender;
  readonly leaseSeconds: number;
  /** The most bytes that a dead letter may have. */
  readonly deadBytes: number;
}

/** The dead letters of a queue: a queue of their own, with each letter's reason as a message attribute. */
export class SqsDead {
  readonly #o: SqsDeadOptions;

  constructor(options: SqsDeadOptions) {
    this.#o = options;
  }

  /**
   * Sends the letter first and deletes the delivery after: a crash between the two leaves both, never none. A delivery
   * whose lease is lost is somebody else's, and isn't buried.
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

  /** Looking hides letters from others, for a minute if this process dies; about the oldest first. */
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
   * Sends letters back and deletes them after: a crash between the two leaves both. What is buried while this runs
   * stays, so that a letter that dies again at once isn't sent around for ever.
   */
  async redrive(match: (body: string) => boolean, limit: number): Promise<number> {
    const { dead, toQueue } = this.#o;
    let sent = 0;
    if (limit <= 0) return sent;
    const { counts, at } = await countMessages(dead);
    const gone = new Set<string>();
    // What is buried around that moment counts as new if this very run sent it back.
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

/** Whom a message is for: the job that its body names. */
function tenantOf(body: string): string | null {
  const parsed = parseMessage(body);
  if (parsed.kind === 'task') return parsed.message.job;
  return parsed.kind === 'newer' ? parsed.job : null;
}
