import { isKind } from '../../errors.ts';
import type { JobState } from '../../model/job.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Cause } from '../../model/why/cause.ts';
import { ofTrouble } from '../../model/why/causes-service.ts';
import { causesOf } from '../../model/why/rank.ts';
import type { Platform } from '../../ports/platform.ts';
import { findJob } from '../find.ts';
import { statusOf } from '../status.ts';
import { gather } from './gather.ts';
import { troubleOf } from './look-at.ts';

/** What `why` answers. */
export interface Why {
  /** Null when not even the job could be found. */
  readonly job: string | null;
  readonly state: JobState | null;
  /** The weightiest first; none: nothing is wrong. */
  readonly causes: readonly Cause[];
  readonly running: number | null;
  readonly waiting: number | null;
  /** Tasks a second; null while unknown. */
  readonly rate: number | null;
  /** Seconds until the end at that rate; null while unknown. */
  readonly eta: number | null;
}

/**
 * Why a job is slow, stuck or failing. A store, queue or ledger that can't be reached is an answer, not an error.
 * `onFound` is told the job as soon as it is known. Throws `notFound`, `usage` for the job, and `config`.
 */
export async function whyJob(
  open: () => Promise<Platform>,
  text: string | undefined,
  onFound: (view: JobView) => void | Promise<void> = () => undefined,
): Promise<Why> {
  let service: 'store' | 'ledger' = 'store';
  let platform: Platform;
  let view: JobView;
  try {
    platform = await open();
    // Without a job's id the ledger is asked for the latest.
    service = 'ledger';
    if (text === undefined || text === 'last') await platform.ledger();
    service = 'store';
    view = await findJob(platform, text);
  } catch (error) {
    if (!isKind(error, 'unavailable', 'full', 'newer', 'corrupt', 'credentials')) throw error;
    const causes = [ofTrouble(troubleOf(error, service, null))];
    return { job: null, state: null, causes, running: null, waiting: null, rate: null, eta: null };
  }
  await onFound(view);
  const seen = await gather(platform, view);
  const causes = causesOf(seen);
  // Without the ledger there are no such numbers; that is among the causes.
  const status = seen.counts === null ? null : await statusOf(platform, view);
  const sum = (of: 'running' | 'waiting'): number | null =>
    status === null ? null : status.steps.reduce((total, step) => total + step[of], 0);
  return {
    job: view.record.job,
    state: stateOf(view),
    causes,
    running: sum('running'),
    waiting: sum('waiting'),
    rate: status?.rate ?? null,
    eta: status?.eta ?? null,
  };
}
