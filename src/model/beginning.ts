import type { JobView } from './view.ts';

type Times = Pick<JobView, 'notBefore' | 'finishBy'>;

/** True once tasks of a job may run, as far as `--at` is in the way. `now`: milliseconds since the epoch, as all instants here. */
export const hasBegun = ({ notBefore }: Pick<JobView, 'notBefore'>, now: number): boolean =>
  notBefore === null || Date.parse(notBefore) <= now;

/**
 * Why a job may not be told, at `now`, to begin at `to`, in words that follow its name; null: it may. A worker may know a
 * journal as it was some time ago, a lease at most: what begins sooner can't be put off any more.
 */
export function whyNotMoved(times: Times, to: number, now: number, leaseSeconds: number): string | null {
  if (times.notBefore === null || hasBegun(times, now)) return 'may have started already';
  const at = Date.parse(times.notBefore);
  return to > at && at - now < leaseSeconds * 1_000 ? 'is about to start' : null;
}

/** True for a job that would begin at its deadline, or after it. */
export const beginsTooLate = ({ notBefore, finishBy }: Times): boolean =>
  notBefore !== null && finishBy !== null && Date.parse(finishBy) <= Date.parse(notBefore);
