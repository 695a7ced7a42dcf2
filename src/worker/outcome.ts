import { type BatchctlError, isKind, isRefusal, messageOf } from '../errors.ts';
import { JoinError } from '../jobs/fetch/line-ends.ts';
import { CutError } from '../jobs/split/cut-check.ts';
import { type Failure, type FailureRecord, retryDelay } from '../model/failure.ts';
import type { OutputMeta } from '../model/output.ts';
import type { AdmittedTask } from './admitted-task.ts';
import type { CommandEnd } from './executor.ts';
import { NoOutputError } from './left-files.ts';

/** The result of a delivery: `settle` has one clause for each. */
export type Outcome =
  | { readonly kind: 'published'; readonly meta: OutputMeta }
  /** Another attempt's output exists: this delivery's work was already done. */
  | { readonly kind: 'twin'; readonly meta: OutputMeta }
  | { readonly kind: 'retry'; readonly failure: Failure; readonly delay: number }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly attempts: number }
  /** It failed for good earlier in this round. */
  | { readonly kind: 'failedBefore'; readonly record: FailureRecord }
  /** `spot`: EC2 interrupted the instance. A task often ended by this goes to another group if its step says so. */
  | { readonly kind: 'interrupted'; readonly why: 'drain' | 'spot' | 'pause' | 'kill'; readonly delay: number }
  /** A service refused what the attempt needs. */
  | { readonly kind: 'interrupted'; readonly why: 'service'; readonly delay: number; readonly error: unknown }
  /** EC2 interrupted it too often: the fallback group gets it, without running it here. */
  | { readonly kind: 'handedOver'; readonly to: string }
  /** A secret that its command needs can't be read; `error` has its name and the reason, never its value. */
  | { readonly kind: 'secretRefused'; readonly error: string }
  /** Its input can't be read, or its output not stored, repeatedly; `error` names the object and the reason. */
  | { readonly kind: 'denied'; readonly error: string }
  | { readonly kind: 'leaseLost' }
  /** Must not run: the job is paused or cancelled, was stopped or pruned, or a newer round includes the task. */
  | { readonly kind: 'dropped'; readonly why: 'paused' | 'cancelled' | 'stopped' | 'stale' | 'skipped' | 'gone' }
  /** No worker can run it: the message is invalid. */
  | { readonly kind: 'poison'; readonly reason: string }
  /** Returned without running, for another worker or another time. */
  | {
      readonly kind: 'declined';
      readonly why: 'unfit' | 'limit' | 'busy' | 'early' | 'denied' | 'risk';
      readonly delay: number;
    }
  /** Its job is not in this store: another stack may use the same queue. */
  | { readonly kind: 'declined'; readonly why: 'elsewhere'; readonly delay: number; readonly job: string }
  | { readonly kind: 'declined'; readonly why: 'service'; readonly delay: number; readonly error: unknown }
  /** The message or its job needs a newer version: returned for another worker, and this one leaves. */
  | { readonly kind: 'declined'; readonly why: 'newer'; readonly delay: number; readonly error: BatchctlError };

/** Outcomes that prove that the store accepts writes. */
export const WRITTEN_OUTCOMES: readonly Outcome['kind'][] = ['published', 'twin', 'retry', 'failed', 'failedBefore'];

/** Why an attempt was ended from outside: the reason of the abort signal. */
export type EndReason = 'drain' | 'spot' | 'pause' | 'kill' | 'killFail' | 'skip' | 'cancel' | 'lease';

const ERROR_LENGTH = 512;

/** Reasons for which a retry is pointless. */
const NO_RETRY_REASONS: ReadonlySet<string> = new Set(['changed', 'missing', 'input', 'no-output']);

/** A failed attempt is retried, unless that is pointless or its attempts are used up. */
export function judgeFailure(
  task: Pick<AdmittedTask, 'step' | 'number'>,
  failure: Failure,
  random = Math.random(),
): Outcome {
  const permanent = failure.exitCode !== null && task.step.permanent.includes(failure.exitCode);
  const hopeless = permanent || NO_RETRY_REASONS.has(failure.reason);
  if (hopeless || task.number >= task.step.attempts) return { kind: 'failed', failure, attempts: task.number };
  return { kind: 'retry', failure, delay: retryDelay(task.number, random) };
}

/** The outcome of an attempt whose signal was aborted. */
export function outcomeOfAbort(task: Pick<AdmittedTask, 'number'>, reason: EndReason): Outcome {
  switch (reason) {
    case 'lease':
      return { kind: 'leaseLost' };
    case 'cancel':
      return { kind: 'dropped', why: 'cancelled' };
    case 'skip':
      return { kind: 'dropped', why: 'skipped' };
    case 'killFail':
      return {
        kind: 'failed',
        failure: { reason: 'killed', exitCode: null, error: 'failed by kill' },
        attempts: task.number,
      };
    case 'pause':
    case 'drain':
    case 'spot':
    case 'kill':
      return { kind: 'interrupted', why: reason, delay: 0 };
    default:
      return reason satisfies never;
  }
}

/** A command's failure; `line` is the last line of its stderr. */
export function failureOf(end: CommandEnd, line: string | null): Failure {
  const killed = end.how === 'signal' && end.signal === 'SIGKILL';
  const reason = killed ? 'memory' : end.how === 'aborted' ? 'signal' : end.how;
  return { reason, exitCode: end.code, error: line ?? describeEnd(end) };
}

function describeEnd(end: CommandEnd): string | null {
  switch (end.how) {
    case 'timeout':
      return `ran longer than its timeout (${Math.round(end.seconds)} s)`;
    case 'stall':
      return 'wrote nothing for longer than its stall limit';
    case 'missing':
      return 'the program could not be started';
    case 'signal':
      return end.signal === 'SIGKILL'
        ? 'killed by SIGKILL, probably because memory ran out'
        : `ended by ${end.signal ?? 'a signal'}`;
    case 'exit':
    case 'aborted':
      return null;
    default:
      return end.how satisfies never;
  }
}

/** A staging or publishing error as the task's failure; null for a service's error or refusal, which returns the task. */
export function failureOfError(error: unknown): Failure | null {
  if (error instanceof JoinError || error instanceof CutError)
    return { reason: 'input', exitCode: null, error: shortMessageOf(error) };
  if (error instanceof NoOutputError) return { reason: 'no-output', exitCode: 0, error: shortMessageOf(error) };
  if (isRefusal(error)) return null;
  if (!isKind(error, 'changed', 'jobFailed', 'corrupt', 'proof', 'config', 'jobFile', 'usage')) return null;
  const reason = error.kind === 'jobFailed' || error.kind === 'usage' ? 'output' : error.kind;
  return { reason, exitCode: null, error: shortMessageOf(error) };
}

export function shortMessageOf(error: unknown): string {
  return messageOf(error).slice(0, ERROR_LENGTH);
}

/** Seconds until a task is returned to the queue after a service refused it. */
export const SERVICE_DELAY = 5;
