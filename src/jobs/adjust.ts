import { type Change, same } from '../model/changes.ts';
import { parseTolerance, toleranceText } from '../model/tolerance.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { append, refreshView } from './journal.ts';
import { mustBeLegal } from './legal.ts';
import { lookAndTell } from './notify/look-and-tell.ts';
import { recordView } from './remember.ts';

/** Limits of an open job, each as it is to be; absent stays, null lifts. */
export interface Adjustment {
  /** ISO-8601 UTC. */
  readonly finishBy?: string | null;
  /** USD. */
  readonly maxCost?: number | null;
  /** A count of chains, or a share: `3`, `0.1%`. */
  readonly tolerate?: string;
  readonly maxRunning?: number | null;
}

export interface Adjusted {
  readonly view: JobView;
  /** Only what differs. */
  readonly changes: readonly Change[];
  /** False when all of it was so already, and of a dry run. */
  readonly changed: boolean;
}

/**
 * Changes an open job's limits, and looks once: a raised tolerance may open a gather, or close the job. What is so
 * already is not written again. Throws `refused` for a closed job, a RangeError for a `tolerate` that is none.
 */
export async function adjust(
  platform: Platform,
  seen: JobView,
  wanted: Adjustment,
  { dryRun }: { readonly dryRun: boolean },
): Promise<Adjusted> {
  const view = await refreshView(platform.store, seen);
  mustBeLegal(view, 'adjust');
  const before = adjustmentChanges(view, wanted);
  if (dryRun) return { view, changes: before, changed: false };
  let changes = before;
  const by = { who: platform.who, now: platform.clock.now() };
  const { view: after, appended } = await append(platform.store, view, by, (now) => {
    mustBeLegal(now, 'adjust');
    changes = adjustmentChanges(now, wanted);
    return changes.length === 0 ? null : { what: 'adjust', ...wanted };
  });
  if (appended) await recordView(platform, after);
  return { view: (await lookAndTell(platform, after)).view, changes, changed: appended };
}

/** What an adjustment changes of a job as it stands. */
function adjustmentChanges(view: JobView, wanted: Adjustment): readonly Change[] {
  const now = { ...view, tolerate: toleranceText(view.tolerance) };
  const to = wanted.tolerate === undefined ? {} : { tolerate: toleranceText(parseTolerance(wanted.tolerate)) };
  return Object.entries({ ...wanted, ...to })
    .map(([field, value]): Change => ({ field, from: now[field as keyof Adjustment], to: value }))
    .filter((change) => !same(change.from, change.to));
}
