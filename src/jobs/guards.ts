import { toleratedOf } from '../model/job.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { append } from './journal.ts';

/** So many tasks must have ended before `halt` speaks. */
const HALT_AFTER = 20;

/**
 * What a failure for good may call for: `onFailure: stop` gives up the rest once more failed than is tolerated,
 * `halt` pauses once too large a share has failed. Counts come from the ledger; answers the view afterwards.
 */
export async function guardFailures(platform: Platform, view: JobView): Promise<JobView> {
  const { spec, parts } = view.record;
  if (spec.onFailure !== 'stop' && spec.halt === null) return view;
  const counts = await (await platform.ledger()).counts(view.record.job);
  const failed = counts.reduce((sum, step) => sum + step.failed, 0);
  const ended = failed + counts.reduce((sum, step) => sum + step.done, 0);
  const { halt } = spec;
  const tooMany = halt !== null && ended >= HALT_AFTER && failed / ended >= halt;
  const { view: after } = await append(
    platform.store,
    view,
    { who: platform.who, now: platform.clock.now() },
    (now) => {
      if (now.cancelled || now.closed !== null) return null;
      if (spec.onFailure === 'stop' && now.stopped === null && failed > toleratedOf(now.tolerance, parts)) {
        return { what: 'stop', cause: `${failed} failed for good` };
      }
      if (tooMany && now.paused === null && now.stopped === null) return { what: 'pause', now: false, reason: 'halt' };
      return null;
    },
  );
  return after;
}
