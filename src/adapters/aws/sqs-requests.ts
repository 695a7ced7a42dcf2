import type { BatchResultErrorEntry, SQSClient } from '@aws-sdk/client-sqs';
import { eachParallel } from '../../lib/parallel.ts';
import { wait } from '../../lib/wait.ts';
import { type AwsOperation, isTransient, translateAwsError } from './errors.ts';

/** One queue: its address, its client, and how long failing requests are retried. */
export interface SqsQueueRef {
  /** Created at its first use. */
  readonly client: () => Promise<SQSClient>;
  readonly url: string;
  readonly arn: string;
  /** The profile in ~/.aws/config that signs; null: the SDK's default chain. */
  readonly profile: string | null;
  /** Milliseconds. */
  readonly patienceMs: number;
}

/** Entries per call (SQS: SendMessageBatch and its siblings). */
export const BATCH_SIZE = 10;
/** Calls in flight at once per operation. */
const LANES = 16;

export interface BatchCall<T> {
  /** Calls SQS for up to ten items; each entry's `Id` is the index of its item. */
  readonly call: (items: readonly T[]) => Promise<BatchResult>;
  readonly doing: SqsOperation;
  /** An item's share of the payload, bytes; by default the payload isn't limited. */
  readonly bytes?: { readonly of: (item: T) => number; readonly most: number };
}

/** The answer of all batch calls of SQS: an HTTP 200 may contain failures. */
export interface BatchResult {
  readonly Successful?: readonly { readonly Id: string | undefined }[] | undefined;
  readonly Failed?: readonly BatchResultErrorEntry[] | undefined;
}

/** An item that SQS refused for its content: a retry wouldn't help. */
export interface RefusedItem<T> extends Refusal {
  readonly item: T;
}

/**
 * Makes a call for any number of items, ten at a time, sixteen calls in flight. Transient failures are retried item by
 * item; items that SQS refuses are returned. Throws the error of the first call that failed for good, or for too long.
 */
export async function callInBatches<T>(items: readonly T[], options: BatchCall<T>): Promise<readonly RefusedItem<T>[]> {
  const refused: RefusedItem<T>[] = [];
  const batches = batchesOf(items, options.bytes);
  await eachParallel(batches, LANES, async (batch) => {
    refused.push(...(await settleBatch(batch, options)));
  });
  return refused;
}

/** Cuts items into batches of at most ten, and of at most as many bytes as a call may have. */
function* batchesOf<T>(items: readonly T[], bytes: BatchCall<T>['bytes']): Generator<readonly T[]> {
  let batch: T[] = [];
  let size = 0;
  for (const item of items) {
    const more = bytes?.of(item) ?? 0;
    if (batch.length === BATCH_SIZE || (batch.length > 0 && size + more > (bytes?.most ?? 0))) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(item);
    size += more;
  }
  if (batch.length > 0) yield batch;
}

/** Sends a batch until each item is done or refused. An item that the answer doesn't name is retried. */
async function settleBatch<T>(items: readonly T[], { call, doing }: BatchCall<T>): Promise<readonly RefusedItem<T>[]> {
  const patience = new Patience(doing.place.patienceMs);
  const refused: RefusedItem<T>[] = [];
  let left = items;
  while (left.length > 0) {
    const sent = left;
    const { open, final, passing } = classifyEntries(sent, await retry(doing, patience, () => call(sent)));
    refused.push(...final);
    if (open.length < left.length) patience.reset();
    if (open.length > 0 && !(await patience.pause())) throw sqsError(passingError(passing), doing);
    left = open;
  }
  return refused;
}

/** Which items are still to be done, which are refused for good, and why one of the open ones failed. */
function classifyEntries<T>(
  items: readonly T[],
  { Successful = [], Failed = [] }: BatchResult,
): { readonly open: readonly T[]; readonly final: readonly RefusedItem<T>[]; readonly passing: Refusal | null } {
  const open = new Map(items.map((item, place) => [String(place), item]));
  for (const { Id = '' } of Successful) open.delete(Id);
  const final: RefusedItem<T>[] = [];
  let passing: Refusal | null = null;
  for (const { Id = '', Code = '', Message = '', SenderFault } of Failed) {
    const item = open.get(Id);
    if (item === undefined) continue;
    const refusal = { code: nameOf(Code), message: Message };
    // The SDK retries no entries that may pass. moto returns SenderFault as text.
    if (String(SenderFault) !== 'true' || isTransient(asError(refusal))) passing = refusal;
    else {
      final.push({ item, ...refusal });
      open.delete(Id);
    }
  }
  return { open: [...open.values()], final, passing };
}

const FIRST_MS = 100;
const LONGEST_MS = 20_000;

/** How long a failing service is retried: pauses double, with full jitter, until the time is over. */
export class Patience {
  readonly #ms: number;
  #since: number | null = null;
  #tries = 0;

  /** @param ms from the first failure on; 0 means one try. */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** It works again: the next failure counts as the first. */
  reset(): void {
    this.#since = null;
    this.#tries = 0;
  }

  /** After a failure: waits (at most until the signal aborts) and returns true, or false when the time is over. */
  async pause(signal?: AbortSignal): Promise<boolean> {
    const now = performance.now();
    this.#since ??= now;
    const left = this.#since + this.#ms - now;
    if (left <= 0) return false;
    const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#tries);
    this.#tries += 1;
    await wait(Math.min(left, Math.random() * longest), signal);
    return true;
  }
}

export interface SqsOperation extends Pick<AwsOperation, 'what' | 'action'> {
  readonly place: Pick<SqsQueueRef, 'arn' | 'profile' | 'patienceMs'>;
}

/** Repeats a call while it fails transiently and there is time. Throws as `translateAwsError` does. */
export async function retry<T>(
  doing: SqsOperation,
  patience: Patience,
  call: () => Promise<T>,
  mayPass: (error: unknown) => boolean = isTransient,
): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!mayPass(error) || !(await patience.pause())) throw sqsError(error, doing);
    }
  }
}

interface Refusal {
  /** Without the prefixes that some endpoints add. */
  readonly code: string;
  readonly message: string;
}

/** The codes for a receipt that no longer holds a message (SQS: errors of a change of visibility and of a delete). */
const LOST = /^(MessageNotInflight|ReceiptHandleIsInvalid)$/;
const LOST_TEXTS =
  /not available for visibility timeout change|receipt handle (has expired|is invalid)|beyond the limit/i;

/** True when a refused entry's lease is lost, or can't be held longer: a delivery gets at most 12 hours. */
function isLeaseLost({ code, message }: Refusal): boolean {
  return LOST.test(code) || (code === 'InvalidParameterValue' && LOST_TEXTS.test(message));
}

/** True when an endpoint refused a message only for its message group: SQS itself accepts them on every queue. */
export function isGroupRefused({ message }: Pick<Refusal, 'message'>): boolean {
  return message.includes('MessageGroupId');
}

/** The error for a failed call, with the kinds of `translateAwsError`. */
export function sqsError(error: unknown, doing: SqsOperation): Error {
  const { place, ...rest } = doing;
  return translateAwsError(error, { ...rest, resource: place.arn, profile: place.profile });
}

/** Throws for an item that was refused, unless its lease is lost. */
export function requireLeaseLost(refused: readonly Refusal[], doing: SqsOperation): void {
  const other = refused.find((refusal) => !isLeaseLost(refusal));
  if (other !== undefined) throw refusedError(other, doing);
}

/** The error for an entry that SQS refused. */
export function refusedError(refusal: Refusal, doing: SqsOperation): Error {
  return sqsError(asError(refusal), doing);
}

/** The error for an entry that SQS itself failed to handle, or didn't answer, in the form of a failed call's error. */
function passingError(refusal: Refusal | null): Error {
  const error = asError(refusal ?? { code: 'ServiceUnavailable', message: 'SQS responded without every entry' });
  return isTransient(error) ? error : Object.assign(error, { $metadata: { httpStatusCode: 500 } });
}

/** True for an SQS error of this name, whatever prefix the endpoint adds. */
export function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && nameOf(error.name) === name;
}

function asError({ code, message }: Refusal): Error {
  return Object.assign(new Error(message), { name: code });
}

/** An error's name without the prefixes that some endpoints add. */
export const nameOf = (code: string): string => code.replace(/^(com\.amazonaws\.sqs#|AWS\.SimpleQueueService\.)/, '');
