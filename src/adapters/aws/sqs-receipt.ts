import type { Receipt } from '../../ports/task-queue.ts';

/** A delivery can be held for 12 hours from its receive, however often it is extended (SQS: ChangeMessageVisibility). */
const LONGEST_HOLD = 43_200;

/** Seconds of a clock that all threads of this machine share and that nobody sets. */
function now(): number {
  return Number(process.hrtime.bigint() / 1_000_000n) / 1_000;
}

/** A receipt is SQS's handle with when it was received, so that whoever has it knows how long it can still be held. */
export function makeReceipt(handle: string): Receipt {
  return `${Math.floor(now()).toString(36)}.${handle}` as Receipt;
}

/** SQS's own handle. */
export function handleOf(receipt: Receipt): string {
  return receipt.slice(receipt.indexOf('.') + 1);
}

/** Whole seconds for which the delivery can still be held; 0 when its 12 hours are over. */
export function secondsLeft(receipt: Receipt): number {
  const receivedAt = Number.parseInt(receipt, 36);
  return Math.max(0, Math.floor(LONGEST_HOLD - (now() - receivedAt)));
}
