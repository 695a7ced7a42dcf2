import { BatchctlError, isKind } from '../errors.ts';
import type { FollowEnd } from './follow.ts';
import type { JobStatus } from './status.ts';

/** The exit code of `run`, `wait` and `watch`: as the job did; 10 for one that succeeded after its deadline. */
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

/** Throws what a follow that didn't end with the job means: `notFinished`, `interrupted`. */
export function refuseUnended(end: FollowEnd, job: string, takeUp: string): void {
  if (end === 'timeout') {
    throw new BatchctlError('notFinished', `job ${job} is not finished; it continues`, { hint: takeUp });
  }
  if (end === 'interrupted') throw new BatchctlError('interrupted', `job ${job} is not finished`, { hint: takeUp });
}

/**
 * Does what follows a job that is accepted. Credentials that end meanwhile end the following, not the job: `notFinished`
 * is thrown for them. `goOn` is the command that goes on where this one ended.
 */
export async function following<T>(job: string, goOn: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unfinished(error, `job ${job} is not finished`, goOn);
  }
}

/** For credentials that have ended: that `what`, and what to type to go on. Any other error as it is. */
export function unfinished(error: unknown, what: string, goOn: string): unknown {
  if (!isKind(error, 'credentials') || error.signIn === undefined) return error;
  return new BatchctlError('notFinished', `${what}: ${error.message}`, {
    hint: `${error.signIn}, then ${goOn}`,
    cause: error,
  });
}
