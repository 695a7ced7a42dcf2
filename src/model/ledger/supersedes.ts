import type { LedgerJob } from '../../ports/ledger.ts';
import { isClosed, type JobState } from '../job.ts';

/**
 * Whether what is said of a job now replaces what was said before: a higher round does, a lower one doesn't; within a
 * round a submitted job moves on to running or paused, these change as they like, and closed states stay, or change
 * for one closed later.
 */
export function supersedes(
  before: Pick<LedgerJob, 'state' | 'round' | 'closedAt'>,
  now: Pick<LedgerJob, 'state' | 'round' | 'closedAt'>,
): boolean {
  if (now.round !== before.round) return now.round > before.round;
  if (isClosed(now.state) && isClosed(before.state)) return (now.closedAt ?? 0) >= (before.closedAt ?? 0);
  return stage(now.state) >= stage(before.state);
}

/** How far a state is: submitted, then open, then closed. */
export function stage(state: JobState): number {
  if (isClosed(state)) return 2;
  return state === 'submitted' ? 0 : 1;
}
