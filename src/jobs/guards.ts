import { standingOf } from '../model/decide.ts';
import type { DENIED, SECRET } from '../model/journal.ts';
import { exceedsTolerance } from '../model/tolerance.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { append, refreshView } from './journal.ts';
import { listFacts, stepTotals } from './listing.ts';
import { recordView } from './remember.ts';

/** The minimum number of ended tasks for `halt`. */
const HALT_AFTER = 20;

/**
 * Reacts to a failure for good: `onFailure: stop` gives up the rest once more tasks failed than are tolerated, `halt`
 * pauses once too large a share has failed. Counts come from the ledger. Returns the view afterwards.
 */
export async function guardFailures(platform: Platform, view: JobView): Promise<JobView> {
  const { spec } = view.record;
  const halt = spec.halt === 'never' ? null : spec.halt;
  if (spec.onFailure !== 'stop' && halt === null) return view;
  const counts = await (await platform.ledger()).counts(view.record.job);
  const failed = counts.reduce((sum, step) => sum + step.failed, 0);
  const failedAt = spec.steps.map(({ name }) => counts.find(({ step }) => step === name)?.failed ?? 0);
  const ended = failed + counts.reduce((sum, step) => sum + step.done, 0);
  const suspects = spec.onFailure === 'stop' && exceedsTolerance(view, stepTotals(view), failedAt);
  const tooMany = halt !== null && ended >= HALT_AFTER && failed / ended >= halt;
  if (!suspects && !tooMany) return view;
  // Counters only say when to look: they may include an earlier round, and a person may have skipped some tasks.
  const found = await exactFailures(platform, view);
  const halts = halt !== null && found.ended >= HALT_AFTER && found.failed / found.ended >= halt;
  const { view: after, appended } = await append(
    platform.store,
    view,
    { who: platform.who, now: platform.clock.now() },
    (now) => {
      if (now.cancelled || now.closed !== null) return null;
      if (spec.onFailure === 'stop' && now.stopped === null && exceedsTolerance(now, found.sizes, found.failedAt)) {
        return { what: 'stop', cause: `${found.failed} failed for good` };
      }
      if (halts && now.paused === null && now.stopped === null) return { what: 'pause', now: false, reason: 'halt' };
      return null;
    },
  );
  if (appended) await recordView(platform, after);
  return after;
}

/**
 * Pauses the job if a secret or an input can't be read, as every task of the step would fail for the same reason.
 * `resume` continues once a person has fixed it. Returns the view afterwards.
 */
export async function pauseForAccess(
  platform: Platform,
  view: JobView,
  reason: typeof SECRET | typeof DENIED,
  detail: string,
): Promise<JobView> {
  const by = { who: platform.who, now: platform.clock.now() };
  const { view: after, appended } = await append(platform.store, view, by, (now) =>
    now.cancelled || now.closed !== null || now.paused !== null || now.stopped !== null
      ? null
      : { what: 'pause', now: false, reason, detail },
  );
  if (appended) await recordView(platform, after);
  return after;
}

/** From the listing: how many chains failed for good without being skipped, and how many tasks have ended. */
async function exactFailures(
  platform: Platform,
  seen: JobView,
): Promise<{
  readonly failed: number;
  readonly ended: number;
  readonly sizes: readonly number[];
  readonly failedAt: readonly number[];
}> {
  const view = await refreshView(platform.store, seen);
  const { steps } = standingOf(view, await listFacts(platform.store, view));
  const failed = steps.reduce((sum, step) => sum + step.failed, 0);
  return {
    failed,
    ended: failed + steps.reduce((sum, step) => sum + step.published, 0),
    sizes: steps.map(({ total }) => total),
    failedAt: steps.map((step) => step.failed),
  };
}
