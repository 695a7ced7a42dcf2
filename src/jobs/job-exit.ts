import { BatchctlError, isKind } from '../errors.ts';
import type { JobStatus } from '../model/answers/status.ts';
import type { FollowEnd } from './watch/follow.ts';

/** The exit code of `run`, `wait` and `watch`: the job's; 10 for a success after the deadline. */
export function jobExit(status: Pick<JobStatus, 'state' | 'closedAt' | 'finishBy'>): number {
  switch (status.state) {
    case 'succeeded':
      return isLate(status) ? 10 : 0;
    case 'failed':
    case 'cancelled':
      return 5;
    case 'paused':
      return 7;
    case 'submitted':
    case 'running':
      return 6;
    default:
      return status.state satisfies never;
  }
}

function isLate({ closedAt, finishBy }: Pick<JobStatus, 'closedAt' | 'finishBy'>): boolean {
  return closedAt !== null && finishBy !== null && Date.parse(closedAt) > Date.parse(finishBy);
}

/** Throws the error for a follow that ended before the job: `notFinished`, `interrupted`. */
export function requireEnded(end: FollowEnd, job: string, continueHint: string): void {
  if (end === 'timeout') {
    throw new BatchctlError('notFinished', `job ${job} is not finished; it continues`, { hint: continueHint });
  }
  if (end === 'interrupted')
    throw new BatchctlError('interrupted', `job ${job} is not finished`, { hint: continueHint });
}

/** Turns expired credentials into `notFinished`, because the job itself continues. `goOn`: the command to continue. */
export async function withResumeHint<T>(job: string, goOn: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw notFinishedError(error, `job ${job} is not finished`, goOn);
  }
}

/** For expired credentials: says that `what`, and the command to continue. Other errors are returned unchanged. */
export function notFinishedError(error: unknown, what: string, goOn: string): unknown {
  if (!isKind(error, 'credentials') || error.signIn === undefined) return error;
  return new BatchctlError('notFinished', `${what}: ${error.message}`, {
    hint: `${error.signIn}, then ${goOn}`,
    cause: error,
  });
}
