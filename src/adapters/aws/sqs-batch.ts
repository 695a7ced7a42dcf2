import type { BatchResultErrorEntry } from '@aws-sdk/client-sqs';
import { eachParallel } from '../../lib/each-parallel.ts';
import { isTransient } from './errors.ts';
import { isPassingRefusal, type Refusal, refusalOf, refusedError, type SqsDoing, sqsError } from './sqs-errors.ts';
import { Patience } from './sqs-patience.ts';

/** Entries a call (SQS: SendMessageBatch and its sisters). */
export const TEN = 10;
/** Calls in flight at once for one verb. */
const LANES = 16;

export interface BatchCall<T> {
  /** Does it for up to ten items; each entry's `Id` is the place of its item. */
  readonly call: (items: readonly T[]) => Promise<BatchResult>;
  /** For errors. */
  readonly doing: SqsDoing;
  /** How long what fails for now is tried again, milliseconds. */
  readonly patienceMs: number;
  /** An item's part of the payload, bytes; the payload isn't limited unless given. */
  readonly bytes?: { readonly of: (item: T) => number; readonly most: number };
}

/** What all batch calls of SQS answer: HTTP 200 may hold failures. */
export interface BatchResult {
  readonly Successful?: readonly { readonly Id: string | undefined }[] | undefined;
  readonly Failed?: readonly BatchResultErrorEntry[] | undefined;
}

/** An item that SQS refused for what it is: no retry would help. */
export interface Refused<T> extends Refusal {
  readonly item: T;
}

/**
 * Does a call for any number of items, ten at a time, sixteen calls in flight. What fails for now is tried again, item by
 * item; what SQS refuses is answered. Throws the kind of the first call that failed for good, or for too long.
 */
export async function inBatches<T>(items: readonly T[], options: BatchCall<T>): Promise<readonly Refused<T>[]> {
  const refused: Refused<T>[] = [];
  const batches = packed(items, options.bytes);
  await eachParallel(batches, LANES, async (batch) => {
    refused.push(...(await settleBatch(batch, options)));
  });
  return refused;
}

/** Cuts items into batches of ten, and of the most bytes that a call may have. */
function* packed<T>(items: readonly T[], bytes: BatchCall<T>['bytes']): Generator<readonly T[]> {
  let batch: T[] = [];
  let size = 0;
  for (const item of items) {
    const more = bytes?.of(item) ?? 0;
    if (batch.length === TEN || (batch.length > 0 && size + more > (bytes?.most ?? 0))) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(item);
    size += more;
  }
  if (batch.length > 0) yield batch;
}

/** One batch, until each item is done or refused. What the answer doesn't name may not be done: it is tried again. */
async function settleBatch<T>(items: readonly T[], options: BatchCall<T>): Promise<readonly Refused<T>[]> {
  const { call, doing } = options;
  const patience = new Patience(options.patienceMs);
  const refused: Refused<T>[] = [];
  let left = items;
  while (left.length > 0) {
    let answer: BatchResult;
    try {
      answer = await call(left);
    } catch (error) {
      if (!isTransient(error) || !(await patience.pause())) throw sqsError(error, doing);
      continue;
    }
    const { open, final, passing } = sortOut(left, answer);
    refused.push(...final);
    if (open.length < left.length) patience.reset();
    if (open.length > 0 && !(await patience.pause())) throw refusedError(passing, doing);
    left = open;
  }
  return refused;
}

/** Which items are still to be done, which are refused for good, and why one of the open ones failed. */
function sortOut<T>(
  items: readonly T[],
  { Successful = [], Failed = [] }: BatchResult,
): { readonly open: readonly T[]; readonly final: readonly Refused<T>[]; readonly passing: Refusal | null } {
  const open = new Map(items.map((item, place) => [String(place), item]));
  for (const { Id = '' } of Successful) open.delete(Id);
  const final: Refused<T>[] = [];
  let passing: Refusal | null = null;
  for (const { Id = '', ...entry } of Failed) {
    const item = open.get(Id);
    if (item === undefined) continue;
    const refusal = refusalOf({ Id, ...entry });
    // moto says whose fault it is in a text.
    if (String(entry.SenderFault) !== 'true' || isPassingRefusal(refusal)) passing = refusal;
    else {
      final.push({ item, ...refusal });
      open.delete(Id);
    }
  }
  return { open: [...open.values()], final, passing };
}
