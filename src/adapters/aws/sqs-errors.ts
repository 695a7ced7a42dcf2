import type { BatchResultErrorEntry } from '@aws-sdk/client-sqs';
import { isTransient, translateAwsError } from './errors.ts';

/** What was asked of which queue: for the operator who reads that it failed. */
export interface SqsDoing {
  /** In words that follow "could not". */
  readonly what: string;
  /** `sqs:SendMessage` */
  readonly action: string;
  readonly place: {
    /** The queue's ARN, as far as it is known. */
    readonly arn: string;
    readonly profile: string | null;
  };
}

/** Why SQS refused one entry of a batch. */
export interface Refusal {
  /** Without the prefixes that some endpoints put before it. */
  readonly code: string;
  readonly message: string;
}

/** By which a change of visibility, or a delete, says that the receipt holds nothing any more (SQS: the errors of both). */
const LOST = /^(MessageNotInflight|ReceiptHandleIsInvalid)$/;
const LOST_TEXTS =
  /not available for visibility timeout change|receipt handle (has expired|is invalid)|beyond the limit/i;

export function refusalOf({ Code = '', Message = '' }: BatchResultErrorEntry): Refusal {
  return { code: nameOf(Code), message: Message };
}

/** True when a refused entry's lease is lost, or can't be held longer: 12 hours is all that a delivery gets. */
export function isLeaseLost({ code, message }: Refusal): boolean {
  return LOST.test(code) || (code === 'InvalidParameterValue' && LOST_TEXTS.test(message));
}

/** True when an endpoint refused a message for its group alone: SQS itself takes them on every queue. */
export function isGroupRefused({ message }: Pick<Refusal, 'message'>): boolean {
  return message.includes('MessageGroupId');
}

/** As `isTransient`, for one entry of a batch. The SDK tries none of these again, nor a call's OverLimit and KmsThrottled. */
export function isPassingRefusal(refusal: Refusal): boolean {
  return isTransient(asError(refusal));
}

/** Our error for a call that failed: the kinds of `translateAwsError`. */
export function sqsError(error: unknown, doing: SqsDoing): Error {
  const { place, ...rest } = doing;
  return translateAwsError(error, { ...rest, resource: place.arn, profile: place.profile });
}

/** Our error for an entry that SQS refused, or didn't answer. */
export function refusedError(refusal: Refusal | null, doing: SqsDoing): Error {
  const unanswered = { code: 'ServiceUnavailable', message: 'SQS responded without every entry' };
  return sqsError(asError(refusal ?? unanswered), doing);
}

/** True for an error of SQS that has this name, whatever prefix the endpoint gives it. */
export function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && nameOf(error.name) === name;
}

function asError({ code, message }: Refusal): Error {
  return Object.assign(new Error(message), { name: code });
}

const nameOf = (code: string): string => code.replace(/^(com\.amazonaws\.sqs#|AWS\.SimpleQueueService\.)/, '');
