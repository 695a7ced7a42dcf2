import { BatchctlError } from '../../errors.ts';
import { parseTolerance, toleranceText } from '../../model/job.ts';
import { requireLegal } from '../../model/legal.ts';
import { type Change, isSameJson } from '../../model/overrides.ts';
import { hasStarted, type JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { append, refreshView } from '../journal.ts';
import { recordView } from '../record-view.ts';
import { lookAndNotify } from '../watch/look-and-notify.ts';

/** New limits of an open job. Absent: unchanged; null: no limit. */
export interface Adjustment {
  /** ISO-8601 UTC; only for a job with a start time that has not started. */
  readonly notBefore?: string;
  /** ISO-8601 UTC. */
  readonly finishBy?: string | null;
  /** USD. */
  readonly maxCost?: number | null;
  /** A count of chains, or a share: `3`, `0.1%`. */
  readonly tolerate?: string;
  readonly maxRunning?: number | null;
}

interface AdjustResult {
  readonly view: JobView;
  /** Only the differences. */
  readonly changes: readonly Change[];
  /** False if nothing differed, and in a dry run. */
  readonly changed: boolean;
}

/**
 * Changes an open job's limits, then looks once, as a higher tolerance may open a gather or close the job. Values that
 * don't differ are not written. Throws `refused` for a closed job, and for a start time that can't be moved (any more)
 * or would be after the deadline; a RangeError for an invalid `tolerate`.
 */
export async function adjust(
  platform: Platform,
  seen: JobView,
  wanted: Adjustment,
  { dryRun }: { readonly dryRun: boolean },
): Promise<AdjustResult> {
  const view = await refreshView(platform.store, seen);
  requireLegal(view, 'adjust');
  const before = legalChanges(platform, view, wanted);
  if (dryRun) return { view, changes: before, changed: false };
  let changes = before;
  const { view: after, appended } = await append(platform, view, (now) => {
    requireLegal(now, 'adjust');
    changes = legalChanges(platform, now, wanted);
    if (changes.length === 0) return null;
    const { notBefore, ...limits } = wanted;
    const moved = changes.some(({ field }) => field === 'notBefore');
    return { what: 'adjust', ...limits, ...(moved && notBefore !== undefined && { notBefore }) };
  });
  if (appended) await recordView(platform, after);
  return { view: (await lookAndNotify(platform, after)).view, changes, changed: appended };
}

function legalChanges(
  { clock, leaseSeconds }: Pick<Platform, 'clock' | 'leaseSeconds'>,
  view: JobView,
  wanted: Adjustment,
): readonly Change[] {
  const now = clock.now();
  const { job } = view.record;
  const changes = adjustmentChanges(view, wanted, now);
  const changed = (field: keyof Adjustment): boolean => changes.some((change) => change.field === field);
  const why =
    wanted.notBefore !== undefined && changed('notBefore')
      ? fixedStartReason(view, Date.parse(wanted.notBefore), now, leaseSeconds)
      : null;
  if (why !== null) {
    throw new BatchctlError('refused', `job ${job} ${why}, so its start time can't be changed`, {
      hint: `use batchctl pause ${job} to hold it until batchctl resume ${job}`,
    });
  }
  const after = { ...view, ...wanted };
  if (!hasStarted(after, now) && startsAfterDeadline(after) && (changed('notBefore') || changed('finishBy'))) {
    throw new BatchctlError(
      'refused',
      `job ${job} would start at ${after.notBefore}, but its deadline is ${after.finishBy}`,
      { hint: `change both with batchctl adjust ${job} --at TIME --finish-by TIME` },
    );
  }
  return changes;
}

/** What an adjustment changes in the job's current state. A started job keeps its start. */
function adjustmentChanges(view: JobView, wanted: Adjustment, at: number): readonly Change[] {
  const now = { ...view, tolerate: toleranceText(view.tolerance) };
  const to = wanted.tolerate === undefined ? {} : { tolerate: toleranceText(parseTolerance(wanted.tolerate)) };
  return Object.entries({ ...wanted, ...to })
    .map(([field, value]): Change => ({ field, from: now[field as keyof Adjustment], to: value }))
    .filter(
      ({ field }) =>
        field !== 'notBefore' || !(hasStarted(view, at) && hasStarted({ notBefore: wanted.notBefore ?? null }, at)),
    )
    .filter((change) => !isSameJson(change.from, change.to));
}

type Times = Pick<JobView, 'notBefore' | 'finishBy'>;

/**
 * Why the start time can't be changed to `to` at `now`, as text to follow the job's name; null if it can. A worker may
 * know a journal as it was up to a lease ago: what begins sooner can't be put off any more.
 */
function fixedStartReason(times: Times, to: number, now: number, leaseSeconds: number): string | null {
  if (times.notBefore === null || hasStarted(times, now)) return 'may have started already';
  const at = Date.parse(times.notBefore);
  return to > at && at - now < leaseSeconds * 1_000 ? 'is about to start' : null;
}

/** True for a job that would begin at its deadline, or after it. */
const startsAfterDeadline = ({ notBefore, finishBy }: Times): boolean =>
  notBefore !== null && finishBy !== null && Date.parse(finishBy) <= Date.parse(notBefore);
