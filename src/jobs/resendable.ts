import type { JobView } from '../model/view.ts';

/** True for a job whose tasks may run, so that missing ones may be re-sent. */
export function resendable(view: JobView, now: number): boolean {
  const { notBefore } = view;
  const due = notBefore === null || Date.parse(notBefore) <= now;
  return due && view.paused === null && !view.cancelled && view.stopped === null && view.closed === null;
}
