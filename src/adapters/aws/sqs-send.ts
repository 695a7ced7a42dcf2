import { SendMessageBatchCommand } from '@aws-sdk/client-sqs';
import { BatchctlError } from '../../errors.ts';
import type { OutgoingMessage } from '../../ports/task-queue.ts';
import type { SqsQueueRef } from './sqs-requests.ts';
import {
  type BatchResult,
  callInBatches,
  isGroupRefused,
  type RefusedItem,
  refusedError,
  type SqsOperation,
} from './sqs-requests.ts';

/** SQS: SendMessage. */
const MAX_DELAY_SECONDS = 900;
/** Characters that SQS refuses in a body or an attribute (SendMessage). Half a surrogate pair isn't a character. */
const ILLEGAL = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;
/** SQS: SendMessage.MessageGroupId. A tenant that doesn't fit is left out. */
const GROUP = /^[\x21-\x7e]{1,128}$/;
export const REASON = 'batchctl-reason';
/** Bytes of a reason: one line for a person. */
const REASON_MOST = 2_048;
/** Bytes that an attribute takes besides its value: its name and its type. */
const REASON_BYTES = REASON.length + 'String'.length;

export interface SqsMessage extends Omit<OutgoingMessage, 'tenant'> {
  /** The message's tenant; null for none. */
  readonly tenant: string | null;
  /** For a dead letter: why it was buried. */
  readonly reason?: string;
}

/** Sends messages in batches, with the tenant as message group, so that SQS treats tenants fairly (fair queues). */
export class SqsSender {
  readonly #place: SqsQueueRef;
  /** The queue's own limit on a message; also applied to each batch, whose limit is never smaller. */
  readonly mostBytes: number;
  #grouped = true;

  constructor(place: SqsQueueRef, mostBytes: number) {
    this.#place = place;
    this.mostBytes = mostBytes;
  }

  /** Throws `unexpected`, before anything is sent, for a message that SQS would refuse; later the service's kinds. */
  async send(messages: readonly SqsMessage[]): Promise<void> {
    if (messages.length === 0) return;
    for (const message of messages) requireSendable(message, this.mostBytes);
    const refused = await this.#batches(messages);
    const again = refused.filter(isGroupRefused).map(({ item }) => item);
    const other = refused.find((refusal) => !isGroupRefused(refusal));
    if (other !== undefined) throw refusedError(other, this.#operation);
    if (again.length === 0) return;
    // This endpoint doesn't know message groups on standard queues: leave them out from now on.
    this.#grouped = false;
    const [left] = await this.#batches(again);
    if (left !== undefined) throw refusedError(left, this.#operation);
  }

  #batches(messages: readonly SqsMessage[]): Promise<readonly RefusedItem<SqsMessage>[]> {
    return callInBatches(messages, {
      doing: this.#operation,
      bytes: { of: bytesOf, most: this.mostBytes },
      call: (items) => this.#call(items),
    });
  }

  /** Sends again without groups if an endpoint refuses the whole call for them. */
  async #call(items: readonly SqsMessage[]): Promise<BatchResult> {
    const grouped = this.#grouped;
    const Entries = items.map((item, id) => this.#entry(item, String(id)));
    const client = await this.#place.client();
    try {
      return await client.send(new SendMessageBatchCommand({ QueueUrl: this.#place.url, Entries }));
    } catch (error) {
      if (!grouped || !(error instanceof Error) || !isGroupRefused(error)) throw error;
      this.#grouped = false;
      return await this.#call(items);
    }
  }

  #entry({ body, tenant, delay, reason }: SqsMessage, Id: string) {
    return {
      Id,
      MessageBody: body,
      ...(delay !== undefined && { DelaySeconds: Math.ceil(delay) }),
      ...(reason !== undefined && { MessageAttributes: { [REASON]: { DataType: 'String', StringValue: reason } } }),
      ...(this.#grouped && tenant !== null && GROUP.test(tenant) && { MessageGroupId: tenant }),
    };
  }

  get #operation(): SqsOperation {
    return { what: 'send messages', action: 'sqs:SendMessage', place: this.#place };
  }
}

/** The text as an attribute that SQS accepts, in a message with this body of at most `most` bytes; null: no room. */
export function fitReason(reason: string, body: string, most: number): string | null {
  const room = Math.min(REASON_MOST, most - Buffer.byteLength(body) - REASON_BYTES);
  const legal = reason.replace(ILLEGAL, '\uFFFD');
  const text = Buffer.byteLength(legal) <= room ? legal : cut(legal, room);
  return text === '' ? null : text;
}

/** As many whole characters as fit. */
function cut(text: string, bytes: number): string {
  let size = 0;
  let end = 0;
  for (const character of text) {
    size += Buffer.byteLength(character);
    if (size > bytes) break;
    end += character.length;
  }
  return text.slice(0, end);
}

function bytesOf({ body, reason }: SqsMessage): number {
  return Buffer.byteLength(body) + (reason === undefined ? 0 : REASON_BYTES + Buffer.byteLength(reason));
}

function requireSendable(message: SqsMessage, most: number): void {
  const { body, delay = 0 } = message;
  if (!(delay >= 0 && delay <= MAX_DELAY_SECONDS)) {
    throw new BatchctlError('unexpected', `a message's delay must be 0 to ${MAX_DELAY_SECONDS} s, found ${delay}`);
  }
  const size = bytesOf(message);
  if (size === 0 || size > most) {
    throw new BatchctlError('unexpected', `a message must have 1 to ${most} bytes, found ${size}`);
  }
  if (body.search(ILLEGAL) >= 0) {
    throw new BatchctlError('unexpected', 'a message has a character that SQS does not accept (SendMessage)');
  }
}
